"""Each run as a span of OpenTelemetry, if SCHEDULER_TRACING asks for it.

Without that nothing of OpenTelemetry is imported. The span is the current one while the task runs, in
coroutines and threads alike, so that what the task does (a query, a request) appears below it.
"""

from __future__ import annotations

import asyncio
import os
from types import TracebackType
from typing import Any

from everytick import app
from everytick.engine import capture
from everytick.engine.context import Run
from everytick.engine.ports import SpanOpener
from everytick.engine.safe_errors import safe_now
from everytick.errors import how_to_install
from everytick.model import ticks
from everytick.settings import settings
from everytick.text.instants import iso
from loguru import logger

_EXPORTER = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


def opener() -> SpanOpener | None:
    """Return what opens the span of a run; None unless SCHEDULER_TRACING is true."""
    if not settings().scheduler_tracing:
        return None
    from opentelemetry import trace

    if not _has_provider():
        if any(os.environ.get(name) for name in _EXPORTER):
            _export()
        else:
            logger.warning(
                "SCHEDULER_TRACING has no effect: neither {} nor a tracer provider of the application says"
                " where spans go",
                _EXPORTER[0],
            )
    tracer = trace.get_tracer(__name__)
    return lambda run, due: _RunSpan(tracer, run, due)


def _has_provider() -> bool:
    """Return whether the application, or `opentelemetry-instrument`, has said where spans go."""
    from opentelemetry import trace

    return not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)


def _export() -> None:
    """Send spans where the environment says; those that remain are sent when the interpreter exits."""
    try:
        from opentelemetry import trace
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as problem:
        logger.warning("SCHEDULER_TRACING has no effect: {}; {}", problem, how_to_install("tracing"))
        return
    # OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES win, unless they do not name the service.
    named = "OTEL_SERVICE_NAME" in os.environ or "service.name=" in os.environ.get(
        "OTEL_RESOURCE_ATTRIBUTES", ""
    )
    provider = TracerProvider(resource=Resource.create({} if named else {"service.name": app.current().name}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)


class _RunSpan:
    """The span of one attempt, a trace of its own. An error of OpenTelemetry never fails the run (R12)."""

    def __init__(self, tracer: Any, run: Run, due: int) -> None:
        self._tracer, self._run, self._due = tracer, run, due
        self._span: Any = None
        self._token: Any = None

    def __enter__(self) -> None:
        from opentelemetry import context, trace

        try:
            # An empty context: the request for this run has a trace of its own, which may be over.
            self._span = self._tracer.start_span(
                self._run.job_id, context=context.Context(), attributes=_attributes(self._run, self._due)
            )
            self._token = context.attach(trace.set_span_in_context(self._span))
        except Exception:
            logger.opt(exception=True).debug("no span for run {}", self._run.run_id)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self._end(problem)
        except Exception:
            logger.opt(exception=True).debug("the span of run {} did not end", self._run.run_id)

    def _end(self, problem: BaseException | None) -> None:
        from opentelemetry import context
        from opentelemetry.trace import Status, StatusCode

        if self._token is not None:
            context.detach(self._token)
        if self._span is None:
            return
        if problem is None:
            self._span.set_status(Status(StatusCode.OK))
        else:
            problem = safe_now(problem)
            cancelled = isinstance(problem, asyncio.CancelledError) and not problem.args
            message = "cancelled" if cancelled else capture.one_line(problem)
            # In our own words, in which the secrets of the settings are stars.
            shown = {"exception.message": message, "exception.stacktrace": capture.trace(problem)}
            self._span.record_exception(problem, attributes=shown)
            self._span.set_status(Status(StatusCode.ERROR, message))
        self._span.end()


def _attributes(run: Run, due: int) -> dict[str, Any]:
    attributes = {
        "scheduler.job_id": run.job_id,
        "scheduler.run_id": run.run_id,
        "scheduler.kind": run.kind,
        "scheduler.attempt": run.attempt,
        "scheduler.lateness_seconds": max(0, ticks.now() - due) / ticks.SECOND,
    }
    if run.tick is not None:
        attributes["scheduler.tick"] = iso(ticks.instant(run.tick))
    return attributes
