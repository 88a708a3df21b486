"""What runs say of themselves: how far they are, while they go on, and what their functions returned."""

from __future__ import annotations

import asyncio
import gc
import itertools
import json
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from apscheduler.events import EVENT_JOB_EXECUTED
from everytick import AsyncIOScheduler, SchedulerClient, current_run, masking
from everytick.engine import reports
from everytick.engine.context import Progress, Run, describe
from everytick.engine.live_progress import LiveProgress
from everytick.store.records import Claim
from everytick.system import use

from inside import rows, until
from ledgers import found_in


def this() -> Run:
    return current_run() or pytest.fail("there is no run")


def reported(scheduler: AsyncIOScheduler) -> list[dict[str, Any]]:
    return found_in(scheduler.ledger, "SELECT * FROM scheduler_reports ORDER BY run_id, attempt")


def said(scheduler: AsyncIOScheduler) -> list[tuple[Any, Any]]:
    return [(row["share"], row["note"]) for row in reported(scheduler)]


async def result(scheduler: AsyncIOScheduler, function: Callable[[], Any]) -> tuple[str, bool] | None:
    """Return what is kept of the value that a function returns."""
    scheduler.add_job(function, "date", id="job")
    async with scheduler:
        await until(lambda: rows(scheduler, "succeeded", "failed"))
    assert rows(scheduler, "succeeded"), rows(scheduler)
    found = reported(scheduler)
    return (found[0]["result"], bool(found[0]["is_json"])) if found else None


# --- progress


@pytest.mark.full
@pytest.mark.parametrize("how", ["coroutine", "function", "thread", "to_thread"])
async def test_a_run_says_how_far_it_is_while_it_goes_on(scheduler: AsyncIOScheduler, how: str) -> None:
    may_end = threading.Event()

    def work(run: Run) -> None:
        run.progress(0.4, "page 12 of 30")
        may_end.wait(20)

    async def coroutine() -> None:
        this().progress(0.4, "page 12 of 30")
        await asyncio.get_running_loop().run_in_executor(None, may_end.wait, 20)

    def function() -> None:
        work(this())

    def thread() -> None:
        beside = threading.Thread(target=work, args=(this(),))
        beside.start()
        beside.join()

    async def to_thread() -> None:
        await asyncio.to_thread(function)

    scheduler.add_job(locals()[how], "date", id="job")
    async with scheduler:
        try:
            await until(lambda: said(scheduler) == [(4_000, "page 12 of 30")])
            assert rows(scheduler, "running")
        finally:
            may_end.set()


@pytest.mark.full
async def test_the_last_of_it_stays_when_a_run_fails_and_each_attempt_has_its_own(
    scheduler: AsyncIOScheduler,
) -> None:
    def job() -> None:
        run = this()
        run.progress(0.5)
        run.progress(0.9, f"attempt {run.attempt}")
        raise RuntimeError("as planned")

    scheduler.add_job(job, "date", id="job", retries=1, retry_delay=0.1)
    async with scheduler:
        await until(lambda: rows(scheduler, "failed"))
    assert said(scheduler) == [(9_000, "attempt 1"), (9_000, "attempt 2")]


def test_progress_of_a_run_is_written_at_most_once_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[Any] = []
    monkeypatch.setattr(
        "everytick.engine.live_progress.in_transaction", lambda _connection, do, durable: do("ledger")
    )
    monkeypatch.setattr(
        "everytick.engine.live_progress.reports.keep",
        lambda _connection, _claim, report: written.append(report.share),
    )
    claim, live, now = Claim(1, "job", "scheduled", 1, 1, 1), LiveProgress(), 100.0
    connection: Any = None
    with use(monotonic=lambda: now):
        for share in (0.1, 0.2, 0.3):
            live.write(connection, [(claim, Progress(share, None, 1))])
            now += 0.5
        last = Progress(0.3, None, 1)
        for _ in range(3):
            live.write(connection, [(claim, last)])
            now += 5
    assert written == [1_000, 3_000, 3_000]


@pytest.mark.parametrize("share", [-0.1, 1.1, 40, "0.4", True, float("nan"), 1j])
def test_a_share_that_is_none_is_refused(scheduler: AsyncIOScheduler, share: Any) -> None:
    job = scheduler.add_job(print, "cron", hour=3, id="job")
    run = describe(job, 1, "manual", None, 1, 0)
    with pytest.raises(ValueError, match=r"progress\(\) takes a share from 0 to 1, and not "):
        run.progress(share)
    with pytest.raises(ValueError, match=r"progress\(\) takes a note that is text, and not 7"):
        run.progress(None, 7)  # type: ignore[arg-type]
    for fine in (0, 1, 0.5, 1 + 1e-12, None):
        run.progress(fine, "a note")


def test_a_note_is_one_line_short_and_without_secrets() -> None:
    masking.hide("s3cret-of-the-test")
    kept = reports.report_of(Progress(1 / 3, "with\ns3cret-of-the-test " + "x" * 500, 7))
    assert (kept.share, kept.at, len(kept.note or "")) == (3_333, 7, 200)
    assert (kept.note or "").startswith("with ***** xxx")
    assert reports.report_of(Progress(None, " \n ", 7)).note is None


# --- results


@pytest.mark.full
@pytest.mark.parametrize(
    "value",
    [{"rows": 12, "ok": True, "names": ["a", "ä"], "rate": 0.5, "none": None}, [], 0, False, "done", (1, 2)],
)
async def test_a_small_value_is_kept_as_json(scheduler: AsyncIOScheduler, value: Any) -> None:
    found = await result(scheduler, lambda: value)
    assert found is not None
    assert (json.loads(found[0]), found[1]) == (json.loads(json.dumps(value)), True)


@pytest.mark.full
async def test_the_value_of_a_coroutine_is_kept_as_well(scheduler: AsyncIOScheduler) -> None:
    async def job() -> dict[str, int]:
        return {"rows": 12}

    assert await result(scheduler, job) == ('{"rows": 12}', True)


@pytest.mark.full
async def test_none_leaves_nothing_behind(scheduler: AsyncIOScheduler) -> None:
    assert await result(scheduler, lambda: None) is None


class Slow:
    """Takes its time whatever it is asked."""

    def __repr__(self) -> str:
        raise AssertionError("nobody may ask for its text")

    __str__ = __bool__ = __len__ = __eq__ = __repr__  # type: ignore[assignment]

    def __hash__(self) -> int:
        raise AssertionError("nobody may ask for its hash")

    def __sizeof__(self) -> int:
        time.sleep(30)
        return 1


class Large:
    """Says how large it is."""

    def __sizeof__(self) -> int:
        return 3 * 1024 * 1024


class Broken(dict[str, int]):
    """Looks like a dict, and is none of Python's own."""

    def items(self) -> Any:
        raise AssertionError("nobody may ask for its entries")

    def __sizeof__(self) -> int:
        raise SystemExit("not this either")


@pytest.mark.parametrize(
    ("value", "described"),
    [
        ("x" * 5_000, "text, 4.9 kB"),
        (b"\0" * 100, "bytes, 100 bytes"),
        (["x" * 100] * 50, "a list of 50 items, too large to be kept"),
        (list(range(1_000_000)), "a list of 1,000,000 items, too large to be kept"),
        ({n: n for n in range(3)}, "a dict of 3 entries, with a key that is no text in it"),
        ({"at": datetime(2026, 1, 1, tzinfo=UTC)}, "a dict of 1 entry, with a datetime in it"),
        ({1}, "a set of 1 item, with a set in it"),
        ([float("nan")], "a list of 1 item, with a number that is none in it"),
        (10**5_000, "an int, too large to be kept"),
        (Large(), "a test_reports.Large, 3.0 MB"),
        (Broken(), "a test_reports.Broken"),
        (type("Strange", (), {"__module__": "app.tasks"})(), "an app.tasks.Strange"),
        (Path(), "a pathlib."),
    ],
    # A number of that many digits has no text.
    ids=lambda it: it[:40] if isinstance(it, str) else "of",
)
async def test_a_large_or_strange_value_is_described(value: Any, described: str) -> None:
    found = await reports.result_of(value)
    assert not found.is_json
    assert found.text.startswith(described), found.text


async def test_a_value_that_takes_its_time_holds_up_nothing() -> None:
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0.01)
            turns += 1

    counting = asyncio.create_task(count())
    begun = time.monotonic()
    found = await reports.result_of(Slow())
    counting.cancel()
    assert (found.text, found.is_json) == ("a test_reports.Slow", False)
    assert time.monotonic() - begun < 10
    assert turns > 10
    assert reports.result_now(Slow()).text == "a test_reports.Slow"


async def test_a_list_that_has_itself_in_it_is_too_large() -> None:
    value: list[Any] = []
    value.append(value)
    assert (await reports.result_of(value)).text == "a list of 1 item, too large to be kept"


async def test_secrets_in_a_result_are_stars() -> None:
    masking.hide("s3cret-of-the-test")
    found = await reports.result_of({"said": "it is s3cret-of-the-test", "api_key": "abc", "tokens": 12})
    assert json.loads(found.text) == {"said": "it is *****", "api_key": "*****", "tokens": 12}


@pytest.mark.full
async def test_a_run_by_hand_hands_its_result_to_whoever_asks(scheduler: AsyncIOScheduler) -> None:
    scheduler.add_job(lambda: {"rows": 3}, "cron", hour=3, id="job")
    async with scheduler:
        run_id = await asyncio.to_thread(SchedulerClient().run_job_now, "job")
        await until(lambda: rows(scheduler, "succeeded"))
    [row] = reported(scheduler)
    assert (row["run_id"], row["result"]) == (run_id, '{"rows": 3}')


# --- values whose class does something


class SlowEnd:
    """A client that says goodbye, for example."""

    def __del__(self) -> None:
        time.sleep(1.5)


class SlowNames(type):
    """A class of classes that takes its time for all that is asked of a class."""

    @property
    def __name__(cls) -> str:  # type: ignore[override]
        time.sleep(1.5)
        return "slow"

    __module__ = __mro__ = __dict__ = __name__  # type: ignore[assignment,misc]

    def __hash__(cls) -> int:
        time.sleep(1.5)
        return 1

    def __eq__(cls, other: object) -> bool:
        time.sleep(1.5)
        return cls is other


class BadSize:
    """Its size cannot be had, and that takes longer than anybody waits."""

    def __sizeof__(self) -> int:
        time.sleep(1.5)
        raise OSError("no size")


def slow_names() -> Any:
    return type.__new__(SlowNames, "Slow", (), {})()


async def longest_wait(scheduler: AsyncIOScheduler, function: Callable[[], Any], state: str) -> float:
    """Return for how long the event loop did nothing else while a function ran and its value was kept."""
    scheduler.add_job(function, "date", id="job", timeout=0.3 if state == "timed_out" else None)
    seen = [time.monotonic()]

    async def look() -> None:
        while True:
            await asyncio.sleep(0.02)
            seen.append(time.monotonic())

    async with scheduler:
        looking = asyncio.create_task(look())
        await until(lambda: rows(scheduler, state))
        await asyncio.sleep(0.2)
        looking.cancel()
    return max(after - before for before, after in itertools.pairwise(seen))


@pytest.mark.full
@pytest.mark.parametrize("make", [SlowEnd, slow_names, lambda: [SlowEnd()], BadSize])
@pytest.mark.parametrize("how", ["coroutine", "function", "coroutine of a function"])
async def test_what_a_function_returns_does_not_hold_up_the_event_loop(
    scheduler: AsyncIOScheduler, make: Callable[[], Any], how: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def coroutine() -> Any:
        return make()

    functions = {
        "coroutine": coroutine,
        "function": lambda: make(),
        "coroutine of a function": lambda: coroutine(),
    }
    assert await longest_wait(scheduler, functions[how], "succeeded") < 1.0
    gc.collect()
    assert "never retrieved" not in caplog.text


async def test_neither_does_what_comes_after_its_timeout(scheduler: AsyncIOScheduler) -> None:
    def late() -> Any:
        time.sleep(0.6)
        return SlowEnd()

    assert await longest_wait(scheduler, late, "timed_out") < 1.0


async def test_a_listener_gets_what_was_returned(scheduler: AsyncIOScheduler) -> None:
    seen: list[Any] = []

    def made() -> SlowEnd:
        return SlowEnd()

    scheduler.add_listener(lambda event: seen.append(event.retval), EVENT_JOB_EXECUTED)
    scheduler.add_job(made, "date", id="job")
    async with scheduler:
        await until(lambda: bool(seen))
    assert isinstance(seen[0], SlowEnd)
