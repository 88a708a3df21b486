"""The drop-in class: what it takes from APScheduler, and what it refuses."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

import pytest
from apscheduler import events
from everytick import AsyncIOScheduler, LedgerError, ScheduleError

from inside import rows, scheduler_settings, until

pytestmark = pytest.mark.usefixtures("nothing_left_behind")


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


async def test_start_and_shutdown_work_as_in_apscheduler(scheduler: AsyncIOScheduler) -> None:
    calls: list[int] = []
    scheduler.add_job(lambda: calls.append(1), "date", id="job")
    scheduler.start()
    assert scheduler.running
    await until(lambda: calls)
    scheduler.shutdown()
    await until(lambda: not scheduler.running)
    assert await scheduler.drain() == 0
    assert [row["state"] for row in rows(scheduler)] == ["succeeded"]


async def test_a_start_looks_at_each_job_a_few_times_and_not_once_for_each_other_job(
    scheduler: AsyncIOScheduler,
) -> None:
    compared = 0

    class Counted(str):
        __hash__ = str.__hash__

        def __eq__(self, other: object) -> bool:
            nonlocal compared
            compared += 1
            return str.__eq__(self, other)

    for number in range(500):
        scheduler.add_job(task, "interval", hours=5, id=Counted(f"job-{number}"))
    async with scheduler:
        assert len(scheduler.get_jobs()) == 500
    assert compared < 500 * 20


async def test_options_in_common_are_read_once_and_each_job_has_its_own(
    scheduler: AsyncIOScheduler,
) -> None:
    for minutes in (5, 7, 5):
        number = len(scheduler.get_jobs())
        scheduler.add_job(task, "interval", minutes=minutes, id=f"job-{number}")
    first, other, same = scheduler.get_jobs()
    assert first.schedule is same.schedule
    assert (first.trigger, other.trigger) == ("interval[0:05:00]", "interval[0:07:00]")
    # A mistake is told of each time, also where what is right looks equal.
    scheduler.add_job(task, "interval", minutes=1, max_instances=1)
    for _again in range(2):
        with pytest.raises(ScheduleError, match="max_instances=True must be a whole number"):
            scheduler.add_job(task, "interval", minutes=1, max_instances=True)
        with pytest.raises(ScheduleError, match="minute='61' is not a cron field"):
            scheduler.add_job(task, "cron", minute="61")


def task() -> None:
    """Do nothing."""


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
        lambda s: s.wakeup(),
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
        lambda s: s.resume_job("job"),
        lambda s: s.add_listener(5),
        lambda s: s.scheduled_job(lambda: None),
        lambda s: s.start(paused=True),
        lambda s: AsyncIOScheduler(jobstores={"default": object()}),
        lambda s: AsyncIOScheduler(timezone="Nowhere/Land"),
        lambda s: AsyncIOScheduler(job_defaults={"coalsce": True}),
        lambda s: AsyncIOScheduler(timezon="UTC"),
    ],
)
def test_methods_that_cannot_work_durably_raise_a_sentence(
    scheduler: AsyncIOScheduler, call: Callable[[AsyncIOScheduler], object]
) -> None:
    scheduler.add_job(lambda: None, "date", id="job")
    with pytest.raises(ScheduleError) as refusal:
        call(scheduler)
    assert "test_scheduler_class.py:" in str(refusal.value)


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


class Unhashable(tzinfo):
    """A zone as some libraries make them."""

    __hash__ = None  # type: ignore[assignment]

    def utcoffset(self, moment: datetime | None) -> timedelta:
        return timedelta(hours=9)

    def dst(self, moment: datetime | None) -> timedelta:
        return timedelta(0)

    def tzname(self, moment: datetime | None) -> str:
        return "NINE"


def test_zones_of_any_library_work(scheduler: AsyncIOScheduler) -> None:
    job = scheduler.add_job(lambda: None, "cron", hour=3, timezone=Unhashable(), id="job")
    begin = datetime(2027, 1, 1, tzinfo=UTC)
    assert [tick.astimezone(UTC).hour for tick in job.ticks_between(begin, begin + timedelta(days=2))] == [
        18,
        18,
    ]
