"""Each run is a span, if that is asked for; and nothing of OpenTelemetry is touched if it is not."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from everytick import (
    AsyncIOScheduler,
    ConfigurationError,
    Run,
    SchedulerClient,
    current_run,
    masking,
)
from everytick.model import ticks
from everytick.settings import settings
from everytick.telemetry import spans as tracing
from loguru import logger
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from inside import rows, scheduler_settings, until

NOWHERE = (
    "SCHEDULER_TRACING has no effect: neither OTEL_EXPORTER_OTLP_ENDPOINT nor a tracer provider of the"
    " application says where spans go"
)


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    """All spans that end, with a provider that the application has chosen itself."""
    kept = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(kept))
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", provider)
    yield kept
    provider.shutdown()


@pytest.fixture
def traced(tmp_path: Path, spans: InMemorySpanExporter) -> Iterator[AsyncIOScheduler]:
    """A scheduler whose runs are spans."""
    with scheduler_settings(tmp_path, SCHEDULER_TRACING="true", SCHEDULER_SHUTDOWN_GRACE_TIME=5):
        yield AsyncIOScheduler()


def named(spans: InMemorySpanExporter, name: str) -> list[ReadableSpan]:
    """Return the spans of a name, in the order in which they ended."""
    return [span for span in spans.get_finished_spans() if span.name == name]


def below(child: ReadableSpan, parent: ReadableSpan) -> bool:
    """Return whether a span stands right below another."""
    return child.parent is not None and child.parent.span_id == parent.context.span_id


def told(span: ReadableSpan) -> dict[str, Any]:
    """Return what a span tells of its run."""
    return {key.removeprefix("scheduler."): value for key, value in (span.attributes or {}).items()}


async def test_a_run_is_a_span_and_what_its_task_does_stands_below(
    traced: AsyncIOScheduler, spans: InMemorySpanExporter
) -> None:
    async def asks() -> None:
        with trace.get_tracer("task").start_as_current_span("query in a coroutine"):
            await asyncio.sleep(0)

    def computes() -> None:
        with trace.get_tracer("task").start_as_current_span("query on a thread"):
            pass

    traced.add_job(asks, "interval", seconds=0.3, id="asks")
    traced.add_job(computes, "date", id="computes")
    async with traced:
        await until(lambda: len(named(spans, "asks")) >= 2 and named(spans, "computes"))
    first, second, *_ = named(spans, "asks")
    [row, *_others] = rows(traced, "succeeded")
    assert first.status.status_code is StatusCode.OK
    assert first.parent is None
    assert first.context.trace_id != second.context.trace_id
    seen = told(first)
    by_run = {row["run_id"]: row for row in rows(traced)}
    row = by_run[seen["run_id"]]
    assert (seen["job_id"], seen["kind"], seen["attempt"]) == ("asks", "scheduled", 1)
    assert seen["tick"] == ticks.moment(row["tick_us"]).isoformat()
    assert 0 <= seen["lateness_seconds"] < 5
    assert below(named(spans, "query in a coroutine")[0], first)
    [thread] = named(spans, "computes")
    assert "tick" not in told(thread)
    assert below(named(spans, "query on a thread")[0], thread)


@pytest.mark.full
async def test_what_fails_and_what_takes_too_long_is_an_error(
    traced: AsyncIOScheduler, spans: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(masking, "_known", {})
    masking.hide("hunter22")

    def fails() -> None:
        run = current_run()
        assert run is not None
        raise RuntimeError(f"attempt {run.attempt} with hunter22")

    async def endless() -> None:
        await asyncio.sleep(600)

    traced.add_job(fails, "date", id="fails", retries=1, retry_delay=0.1)
    traced.add_job(endless, "date", id="endless", timeout=0.2)
    traced.add_job(endless, "date", id="cancelled")
    async with traced:
        await until(lambda: rows(traced, "failed") and rows(traced, "timed_out"))
        [running] = rows(traced, "running")
        await asyncio.to_thread(SchedulerClient().cancel_run, running["run_id"])
        await until(lambda: named(spans, "cancelled"))
    first, second = named(spans, "fails")
    assert [told(span)["attempt"] for span in (first, second)] == [1, 2]
    assert first.status.status_code is StatusCode.ERROR
    assert first.status.description == "RuntimeError: attempt 1 with *****"
    [event] = first.events
    assert "raise RuntimeError" in str((event.attributes or {})["exception.stacktrace"])
    assert "hunter22" not in first.to_json()
    [late] = named(spans, "endless")
    assert (late.status.status_code, late.status.description) == (StatusCode.ERROR, "TimeoutError")
    [cut] = named(spans, "cancelled")
    assert (cut.status.status_code, cut.status.description) == (StatusCode.ERROR, "cancelled")


async def test_trouble_with_spans_is_no_trouble_of_the_run(
    traced: AsyncIOScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken:
        def start_span(self, *_anything: object, **_more: object) -> None:
            raise RuntimeError("the sampler has a mistake")

    monkeypatch.setattr(trace, "get_tracer", lambda *_anything: Broken())
    traced.add_job(lambda: None, "date", id="job")
    async with traced:
        await until(lambda: rows(traced, "succeeded"))


async def test_a_run_that_is_asked_for_within_a_trace_is_no_part_of_it(
    traced: AsyncIOScheduler, spans: InMemorySpanExporter
) -> None:
    with trace.get_tracer("web").start_as_current_span("request"):
        traced.add_job(lambda: None, "date", id="job")
        async with traced:
            await until(lambda: named(spans, "job"))
    assert named(spans, "job")[0].parent is None


@pytest.mark.usefixtures("traced", "spans")
def test_after_the_run_its_span_is_the_current_one_no_more() -> None:
    run = Run(1, "job", "manual", None, 1, None)
    open_span = tracing.opener()
    assert open_span is not None
    with open_span(run, 0):
        assert trace.get_current_span().is_recording()
    assert trace.get_current_span() is trace.INVALID_SPAN


async def test_without_the_setting_there_are_no_spans(
    scheduler: AsyncIOScheduler, spans: InMemorySpanExporter
) -> None:
    scheduler.add_job(lambda: None, "date", id="job")
    async with scheduler:
        await until(lambda: rows(scheduler, "succeeded"))
    assert spans.get_finished_spans() == ()


@pytest.mark.full
def test_without_the_setting_nothing_of_it_is_imported(tmp_path: Path) -> None:
    program = """
import asyncio, sys
from everytick import AsyncIOScheduler

async def main():
    scheduler = AsyncIOScheduler()
    ended = asyncio.Event()
    scheduler.add_job(ended.set, "date", id="job")
    async with scheduler:
        await asyncio.sleep(0.1)

asyncio.run(main())
heavy = ("opentelemetry", "prometheus_client", "fastapi")
print(sorted(name for name in sys.modules if name.split(".")[0] in heavy))
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"SCHEDULER_DATABASE_URL": f"sqlite:///{tmp_path}/ledger.db"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "[]\n", done.stderr


@pytest.mark.parametrize("missing", ["opentelemetry", "opentelemetry.sdk"])
def test_the_setting_needs_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    # Other packages bring `opentelemetry` without its SDK: then spans would be made and sent nowhere.
    monkeypatch.setitem(sys.modules, missing, None)
    with (
        pytest.raises(
            ConfigurationError,
            match=r"^SCHEDULER_TRACING: .*install everytick\[tracing\] \(made from the template: name `",
        ),
        scheduler_settings(tmp_path, SCHEDULER_TRACING="true"),
    ):
        settings()
    with scheduler_settings(tmp_path, SCHEDULER_TRACING="false"):
        assert settings().scheduler_tracing is False


@pytest.mark.parametrize("chosen", [True, False])
async def test_an_exporter_is_set_up_only_where_the_application_has_none(
    traced: AsyncIOScheduler, monkeypatch: pytest.MonkeyPatch, chosen: bool
) -> None:
    exported: list[bool] = []
    monkeypatch.setattr(tracing, "_export", lambda: exported.append(True))
    said: list[str] = []
    handler = logger.add(lambda line: said.append(str(line)), level="WARNING", format="{message}")
    if not chosen:
        monkeypatch.setattr(trace, "_TRACER_PROVIDER", None)
    tracing.opener()
    assert exported == []
    assert said == ([] if chosen else [f"{NOWHERE}\n"])
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318")
    tracing.opener()
    assert exported == ([] if chosen else [True])
    logger.remove(handler)
