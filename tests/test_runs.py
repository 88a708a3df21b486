"""One run and many at once: limits, isolation, overlap, catch-up, listeners, drain."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from apscheduler import events

from app.components.scheduler.runtime import AsyncIOScheduler, LedgerError, ScheduleError, ticks
from app.core.log import configure_logging
from inside import rows, scheduler_settings


@pytest.fixture
def scheduler(tmp_path: Path) -> Iterator[AsyncIOScheduler]:
    with scheduler_settings(tmp_path, SCHEDULER_MAX_WORKERS=4, SCHEDULER_SHUTDOWN_GRACE_TIME=5):
        yield AsyncIOScheduler()


async def until(condition: Callable[[], Any], patience: float = 15) -> Any:
    deadline = time.monotonic() + patience
    while not (value := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        await asyncio.sleep(0.02)
    return value


@pytest.fixture(autouse=True)
def plain_logs() -> None:
    configure_logging()


@pytest.fixture(autouse=True)
async def nothing_left_behind() -> AsyncIterator[None]:
    yield
    leaked = [t for t in asyncio.all_tasks() if t is not asyncio.current_task()]
    assert not leaked, leaked


class Gauge:
    """Counts how many are inside at once, over coroutines and threads."""

    def __init__(self) -> None:
        self.now = self.most = self.entered = 0
        self._lock = threading.Lock()

    def enter(self) -> None:
        with self._lock:
            self.now += 1
            self.entered += 1
            self.most = max(self.most, self.now)

    def leave(self) -> None:
        with self._lock:
            self.now -= 1


async def test_max_workers_bounds_coroutines_and_functions_together(scheduler: AsyncIOScheduler) -> None:
    gauge = Gauge()

    async def coroutine() -> None:
        gauge.enter()
        await asyncio.sleep(0.05)
        gauge.leave()

    def function() -> None:
        gauge.enter()
        time.sleep(0.05)
        gauge.leave()

    for number in range(12):
        scheduler.add_job(coroutine if number % 2 else function, "date", id=f"job{number}")
    async with scheduler:
        await until(lambda: gauge.entered == 12)
    assert gauge.most == 4
    assert len(rows(scheduler, "succeeded")) == 12


async def test_functions_do_not_take_the_threads_of_the_application(scheduler: AsyncIOScheduler) -> None:
    release = threading.Event()
    names: list[str] = []

    def blocking() -> None:
        names.append(threading.current_thread().name)
        release.wait(10)

    for number in range(4):
        scheduler.add_job(blocking, "date", id=f"job{number}")
    async with scheduler:
        await until(lambda: len(names) == 4)
        # The application's own threads, and its event loop, are free.
        await asyncio.wait_for(asyncio.to_thread(lambda: None), 5)
        release.set()
    assert all(name.startswith("scheduler-task") for name in names)


@pytest.mark.parametrize(
    "trouble",
    [RuntimeError("no"), SystemExit(3), KeyboardInterrupt(), asyncio.CancelledError(), StopIteration()],
)
async def test_whatever_a_job_raises_the_others_go_on(
    scheduler: AsyncIOScheduler, trouble: BaseException
) -> None:
    calls: list[str] = []

    async def bad_coroutine() -> None:
        raise trouble

    def bad_function() -> None:
        raise trouble

    def good() -> object:
        calls.append("good")
        return object()

    scheduler.add_job(bad_coroutine, "interval", seconds=0.2, id="coroutine")
    scheduler.add_job(bad_function, "interval", seconds=0.2, id="function")
    scheduler.add_job(good, "interval", seconds=0.2, id="good")
    async with scheduler:
        await until(lambda: len(calls) >= 4)
    ended = {
        (row["job_id"], row["state"]) for row in rows(scheduler) if row["state"] not in ("skipped", "queued")
    }
    expected = "cancelled" if isinstance(trouble, asyncio.CancelledError) else "failed"
    assert {("coroutine", expected), ("function", expected), ("good", "succeeded")} == ended


async def test_a_tick_that_comes_while_the_job_still_runs_is_skipped_and_recorded(
    scheduler: AsyncIOScheduler,
) -> None:
    release = asyncio.Event()

    async def slow() -> None:
        await release.wait()

    scheduler.add_job(slow, "interval", seconds=0.2, id="slow")
    async with scheduler:
        await until(lambda: scheduler.ledger.exists() and len(rows(scheduler, "skipped")) >= 2)
        release.set()
    first = rows(scheduler)[0]
    assert first["state"] == "succeeded"
    assert {row["reason"] for row in rows(scheduler, "skipped")} == {"overlap"}


async def test_max_instances_lets_as_many_run(scheduler: AsyncIOScheduler) -> None:
    gauge = Gauge()
    release = asyncio.Event()

    async def slow() -> None:
        gauge.enter()
        await release.wait()
        gauge.leave()

    scheduler.add_job(slow, "interval", seconds=0.2, id="slow", max_instances=2)
    async with scheduler:
        await until(lambda: scheduler.ledger.exists() and rows(scheduler, "skipped"))
        release.set()
    assert gauge.most == 2


async def was_down(scheduler: AsyncIOScheduler, job_id: str, seconds: float) -> None:
    """Let the ledger say that nothing was up for so long."""
    async with scheduler:
        pass
    with closing(sqlite3.connect(scheduler.ledger.path)) as connection:
        connection.execute("DELETE FROM scheduler_runs")
        connection.execute(
            "UPDATE scheduler_jobs SET watermark_us = watermark_us - ? WHERE job_id = ?",
            (int(seconds * 1_000_000), job_id),
        )
        connection.commit()


async def test_after_an_outage_the_latest_missed_tick_runs(scheduler: AsyncIOScheduler) -> None:
    calls: list[float] = []
    scheduler.add_job(lambda: calls.append(time.time()), "interval", minutes=1, id="job")
    await was_down(scheduler, "job", 5 * 60)
    async with scheduler:
        await until(lambda: calls)
    done, skipped = rows(scheduler, "succeeded"), rows(scheduler, "skipped")
    assert len(done) == 1
    assert 4 <= len(skipped) <= 5
    assert {row["reason"] for row in skipped} == {"coalesced"}
    assert max(row["tick_us"] for row in skipped) < done[0]["tick_us"]


async def test_a_tick_beyond_its_grace_is_recorded_as_an_outage(scheduler: AsyncIOScheduler) -> None:
    scheduler.add_job(lambda: None, "interval", hours=1, id="job", misfire_grace_time=1)
    await was_down(scheduler, "job", 3_601 if datetime.now(UTC).minute == 0 else 3_600)
    async with scheduler:
        pass
    assert [(row["state"], row["reason"]) for row in rows(scheduler)] == [("skipped", "outage")]


async def test_without_coalescing_missed_ticks_run_oldest_first_one_at_a_time(
    scheduler: AsyncIOScheduler,
) -> None:
    gauge = Gauge()

    async def job() -> None:
        gauge.enter()
        await asyncio.sleep(0.01)
        gauge.leave()

    scheduler.add_job(
        job, "interval", minutes=1, id="job", coalesce=False, misfire_grace_time=None, max_catch_up=3
    )
    await was_down(scheduler, "job", 8 * 60)
    async with scheduler:
        await until(lambda: gauge.entered >= 3)
    done = rows(scheduler, "succeeded")
    assert gauge.most == 1
    assert [row["tick_us"] for row in done] == sorted(row["tick_us"] for row in done)
    starts = [row["started_us"] for row in done]
    assert starts == sorted(starts)
    assert len(rows(scheduler, "skipped")) >= 4


async def test_a_long_gap_is_one_range_row_with_its_exact_count(scheduler: AsyncIOScheduler) -> None:
    scheduler.add_job(lambda: None, "interval", seconds=1, id="job", misfire_grace_time=60)
    await was_down(scheduler, "job", 7 * 24 * 3_600)
    async with scheduler:
        await until(lambda: rows(scheduler, "succeeded"))
    [gap, *others] = rows(scheduler, "skipped")
    assert not [row for row in others if row["last_tick_us"] is not None]
    assert gap["reason"] == "outage"
    assert gap["tick_count"] == (gap["last_tick_us"] - gap["tick_us"]) // 1_000_000 + 1
    assert gap["tick_count"] > 600_000


async def test_a_changed_schedule_is_not_caught_up(scheduler: AsyncIOScheduler) -> None:
    calls: list[int] = []
    scheduler.add_job(lambda: calls.append(1), "interval", hours=1, id="job", misfire_grace_time=None)
    await was_down(scheduler, "job", 5 * 3_600)
    scheduler.remove_job("job")
    scheduler.add_job(lambda: calls.append(1), "interval", hours=2, id="job", misfire_grace_time=None)
    async with scheduler:
        assert scheduler.registration.changed == ["job"]
    assert not calls
    assert rows(scheduler) == []


async def test_jitter_delays_the_start_and_never_the_tick(scheduler: AsyncIOScheduler) -> None:
    scheduler.add_job(lambda: None, "interval", seconds=0.5, id="job", jitter=0.3, max_instances=9)
    async with scheduler:
        await until(lambda: scheduler.ledger.exists() and len(rows(scheduler, "succeeded")) >= 4)
    delays = set()
    for row in rows(scheduler, "succeeded"):
        assert row["tick_us"] % 500_000 == 0
        assert row["started_us"] >= row["due_us"] >= row["tick_us"]
        delays.add(row["due_us"] - row["tick_us"])
    assert len(delays) > 1
    assert max(delays) <= 300_000


async def test_a_clock_that_is_set_back_does_not_let_a_run_start_before_it_is_due(
    scheduler: AsyncIOScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []
    soon = datetime.now(UTC) + timedelta(seconds=0.7)
    scheduler.add_job(lambda: calls.append(ticks.now()), "date", id="job", run_date=soon)
    async with scheduler:
        real = ticks.now
        back = real() + 500_000
        monkeypatch.setattr(ticks, "now", lambda: real() - 1_500_000)
        await until(lambda: calls)
        assert real() > back
    [row] = rows(scheduler)
    assert row["started_us"] >= row["due_us"]


async def test_listeners_hear_of_runs_and_a_slow_or_broken_one_delays_nothing(
    scheduler: AsyncIOScheduler,
) -> None:
    heard: list[tuple[str, object]] = []
    release = threading.Event()

    def slow(event: Any) -> None:
        release.wait(10)
        heard.append((event.job_id, event.retval if event.exception is None else str(event.exception)))

    def broken(event: Any) -> None:
        raise RuntimeError("a listener's own trouble")

    def fail() -> None:
        raise ValueError("no")

    scheduler.add_listener(broken)
    scheduler.add_listener(slow, events.EVENT_JOB_EXECUTED | events.EVENT_JOB_ERROR)
    scheduler.add_job(lambda: 42, "date", id="good")
    scheduler.add_job(fail, "date", id="bad")
    async with scheduler:
        await until(lambda: len(rows(scheduler, "succeeded", "failed")) == 2)
        assert heard == []
        release.set()
    assert sorted(heard) == [("bad", "no"), ("good", 42)]


@pytest.mark.full
async def test_a_reserved_run_that_was_not_started_is_given_back_and_runs_later(
    scheduler: AsyncIOScheduler,
) -> None:
    calls: list[int] = []
    scheduler.add_job(
        lambda: calls.append(1),
        "interval",
        hours=6,
        id="job",
        next_run_time=datetime.now(UTC) + timedelta(seconds=2),
    )
    async with scheduler:
        assert [row["state"] for row in rows(scheduler)] == ["claimed"]
    assert [row["state"] for row in rows(scheduler)] == ["queued"]
    assert not calls
    scheduler.get_jobs()[0].startup_delay = None
    async with scheduler:
        await until(lambda: calls)
    [row] = rows(scheduler)
    assert (row["state"], row["attempt"]) == ("succeeded", 1)


async def test_a_coroutine_that_outlives_the_grace_time_is_interrupted(tmp_path: Path) -> None:
    with scheduler_settings(tmp_path, SCHEDULER_SHUTDOWN_GRACE_TIME="0.1"):
        scheduler = AsyncIOScheduler()
        began = asyncio.Event()

        async def endless() -> None:
            began.set()
            await asyncio.sleep(600)

        scheduler.add_job(endless, "date", id="endless")
        async with scheduler:
            await began.wait()
        assert [row["state"] for row in rows(scheduler)] == ["interrupted"]


async def test_a_thread_that_cannot_be_cancelled_keeps_its_lease_until_it_ends(tmp_path: Path) -> None:
    with scheduler_settings(tmp_path, SCHEDULER_SHUTDOWN_GRACE_TIME="0.1"):
        scheduler = AsyncIOScheduler()
        began, release = threading.Event(), threading.Event()

        def stuck() -> None:
            began.set()
            release.wait(20)

        scheduler.add_job(stuck, "date", id="stuck")
        async with scheduler:
            await until(began.is_set)
        held = rows(scheduler)[0]["state"]
        release.set()
        await until(lambda: rows(scheduler, "succeeded"))
        assert held in {"claimed", "running"}
        await until(lambda: not [t for t in threading.enumerate() if t.name == "scheduler-ledger"])


async def test_start_and_shutdown_work_as_in_apscheduler(scheduler: AsyncIOScheduler) -> None:
    calls: list[int] = []
    scheduler.add_job(lambda: calls.append(1), "date", id="job")
    scheduler.start()
    assert scheduler.running
    await until(lambda: calls)
    scheduler.shutdown()
    await until(lambda: not scheduler.running)
    await scheduler._draining
    assert [row["state"] for row in rows(scheduler)] == ["succeeded"]


async def test_pausing_and_resuming_is_durable_and_recorded(scheduler: AsyncIOScheduler) -> None:
    calls: list[int] = []
    scheduler.add_job(lambda: calls.append(1), "interval", seconds=0.1, id="job")
    async with scheduler:
        await until(lambda: calls)
        scheduler.pause_job("job")
    before = len(calls)
    async with scheduler:
        await asyncio.sleep(0.5)
        assert len(calls) <= before + 1
        scheduler.resume_job("job")
        await until(lambda: len(calls) >= before + 3)
    reasons = [row["reason"] for row in rows(scheduler, "skipped")]
    assert "paused" in reasons
    ticks = [row["tick_us"] for row in rows(scheduler)]
    assert len(ticks) == len(set(ticks))


@pytest.mark.full
async def test_a_locked_ledger_delays_and_loses_nothing(scheduler: AsyncIOScheduler) -> None:
    calls: list[int] = []
    scheduler.add_job(
        lambda: calls.append(1), "interval", seconds=0.5, id="job", coalesce=False, max_catch_up=100
    )
    async with scheduler:
        await until(lambda: calls)
        with closing(sqlite3.connect(scheduler.ledger.path, isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            await asyncio.sleep(7)
            stopped = len(calls)
            other.execute("ROLLBACK")
        await until(lambda: len(calls) > stopped + 3)
    found = [row["tick_us"] for row in rows(scheduler)]
    steps = {later - earlier for earlier, later in pairwise(found)}
    assert steps == {500_000}, "every tick has its row, none twice"


async def test_a_scheduler_that_cannot_open_its_ledger_starts_nothing(tmp_path: Path) -> None:
    (tmp_path / "ledger.db").mkdir()
    calls: list[int] = []
    with scheduler_settings(tmp_path):
        scheduler = AsyncIOScheduler()
        scheduler.add_job(lambda: calls.append(1), "date", id="job")
        with pytest.raises(LedgerError):
            async with scheduler:
                pass
    assert not calls
    assert not scheduler.running


@pytest.mark.parametrize(
    "call",
    [
        lambda s: s.add_jobstore("memory"),
        lambda s: s.add_executor("processpool"),
        lambda s: s.pause(),
        lambda s: s.resume(),
        lambda s: s.modify_job("job", name="x"),
        lambda s: s.remove_jobstore("default"),
        lambda s: s.remove_executor("default"),
        lambda s: s.import_jobs("jobs.json"),
        lambda s: s.export_jobs("jobs.json"),
        lambda s: s.reschedule_job("job", trigger="cron"),
        lambda s: s.remove_job("nope"),
        lambda s: s.pause_job("nope"),
        lambda s: s.start(paused=True),
        lambda s: AsyncIOScheduler(jobstores={"default": object()}),
        lambda s: AsyncIOScheduler(timezone="Nowhere/Land"),
        lambda s: AsyncIOScheduler(job_defaults={"coalsce": True}),
        lambda s: AsyncIOScheduler(timezon="UTC"),
    ],
)
def test_what_cannot_work_durably_is_a_sentence(
    scheduler: AsyncIOScheduler, call: Callable[[AsyncIOScheduler], object]
) -> None:
    scheduler.add_job(lambda: None, "date", id="job")
    with pytest.raises(ScheduleError) as refusal:
        call(scheduler)
    assert "test_runs.py:" in str(refusal.value)


async def test_declaring_while_running_is_refused(scheduler: AsyncIOScheduler) -> None:
    async with scheduler:
        with pytest.raises(ScheduleError, match="before the start"):
            scheduler.add_job(lambda: None, "date", id="job")


def test_declared_jobs_can_be_listed_as_in_apscheduler(
    scheduler: AsyncIOScheduler, capsys: pytest.CaptureFixture[str]
) -> None:
    job = scheduler.add_job(lambda: None, "cron", hour=9, id="nine")
    assert scheduler.get_jobs() == [job]
    assert scheduler.get_job("nine") is job
    assert scheduler.get_job("ten") is None
    assert job.next_run_time is not None
    assert job.next_run_time.hour == 9
    scheduler.print_jobs()
    assert "nine: " in capsys.readouterr().out
    scheduler.remove_all_jobs()
    assert scheduler.get_jobs() == []


async def test_a_paused_job_has_no_startup_run(scheduler: AsyncIOScheduler) -> None:
    calls: list[int] = []
    scheduler.add_job(lambda: calls.append(1), "date", id="job")
    scheduler.pause_job("job")
    for _ in range(2):
        async with scheduler:
            assert scheduler.registration.paused == {"job"}
    assert not calls
    assert rows(scheduler) == []


@pytest.mark.full
async def test_a_startup_run_that_was_given_back_does_not_add_up(scheduler: AsyncIOScheduler) -> None:
    calls: list[int] = []
    soon = datetime.now(UTC) + timedelta(seconds=5)
    scheduler.add_job(lambda: calls.append(1), "interval", hours=9, id="job", next_run_time=soon)
    for _ in range(3):
        async with scheduler:
            pass
    scheduler.get_jobs()[0].startup_delay = 0
    async with scheduler:
        await until(lambda: rows(scheduler, "succeeded"))
        await asyncio.sleep(1.5)
    assert [row["state"] for row in rows(scheduler)] == ["skipped"] * 3 + ["succeeded"]
    assert calls == [1]


async def test_resuming_never_moves_a_job_back_in_time(scheduler: AsyncIOScheduler) -> None:
    calls: list[int] = []
    scheduler.add_job(lambda: calls.append(1), "interval", seconds=0.2, id="job", misfire_grace_time=None)
    # As after a clock that was an hour ahead.
    await was_down(scheduler, "job", -3_600)
    async with scheduler:
        scheduler.pause_job("job")
        scheduler.resume_job("job")
        await asyncio.sleep(1)
    assert not calls


async def test_a_job_whose_ticks_cannot_be_computed_does_not_stop_the_others(
    scheduler: AsyncIOScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []
    bad = scheduler.add_job(lambda: calls.append(-1), "interval", seconds=0.2, id="bad")
    scheduler.add_job(lambda: calls.append(1), "interval", seconds=0.2, id="good")
    asked: list[int] = []
    real = bad.schedule.ticks.next

    def broken(after: int) -> int | None:
        asked.append(after)
        if len(asked) > 3:
            raise OverflowError("beyond reckoning")
        return real(after)

    monkeypatch.setattr(bad.schedule.ticks, "next", broken)
    async with scheduler:
        await until(lambda: calls.count(1) >= 5)
    # Asked again after a minute, not at once and for ever.
    assert len(asked) < 20


async def test_ticks_that_were_missed_are_told_to_listeners(scheduler: AsyncIOScheduler) -> None:
    heard: list[Any] = []
    scheduler.add_listener(heard.append, events.EVENT_JOB_MISSED)
    scheduler.add_job(lambda: None, "interval", hours=1, id="job", misfire_grace_time=1)
    await was_down(scheduler, "job", 3_601 if datetime.now(UTC).minute == 0 else 3_600)
    async with scheduler:
        pass
    assert [event.job_id for event in heard] == ["job"]
