"""JobControl a schedule that runs: jobs added to it are changed, paused, replaced and removed."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from apscheduler.events import EVENT_JOB_ADDED, EVENT_JOB_REMOVED
from apscheduler.jobstores.base import ConflictingIdError, JobLookupError
from everytick import AsyncIOScheduler, LedgerError, ScheduleError, SchedulerClient
from everytick.engine.registry import Registry

import added_tasks
from inside import rows, until

calls = added_tasks.calls


@pytest.fixture(autouse=True)
def no_calls_yet() -> Iterator[None]:
    calls.clear()
    added_tasks.opened.clear()
    yield
    added_tasks.opened.set()


def restarted(scheduler: AsyncIOScheduler) -> AsyncIOScheduler:
    """The same application, started anew."""
    return AsyncIOScheduler()


async def test_an_id_that_is_taken_is_refused_unless_it_is_to_be_replaced(
    scheduler: AsyncIOScheduler,
) -> None:
    scheduler.add_job(added_tasks.note, "interval", hours=1, id="code")
    async with scheduler:
        with pytest.raises(ConflictingIdError, match="taken by a job in the schedule's code"):
            scheduler.add_job(added_tasks.note, "interval", hours=2, id="code", replace_existing=True)
        scheduler.add_job(added_tasks.note, "interval", hours=1, id="mine")
        with pytest.raises(ScheduleError, match="replace_existing=True"):
            scheduler.add_job(added_tasks.note, "interval", hours=2, id="mine")
        changed = scheduler.add_job(
            added_tasks.note, "interval", hours=2, id="mine", replace_existing=True, args=[5]
        )
        assert scheduler.get_job("mine") is changed
    async with restarted(scheduler) as again:
        job = again.get_job("mine")
        assert job is not None
        assert (job.args, job.trigger) == ((5,), "interval[2:00:00]")


async def test_a_job_does_not_show_the_address_of_its_ping(scheduler: AsyncIOScheduler) -> None:
    address = "https://hc.example/secret"
    scheduler.add_job(added_tasks.note, "interval", hours=1, id="code", ping=address)
    async with scheduler:
        scheduler.add_job(added_tasks.note, "interval", hours=1, id="mine", ping=address, retries=2)
        for job in scheduler.get_jobs():
            assert "secret" not in f"{job!r} {job} {job.options}"
        assert "retries=2" in repr(scheduler.get_job("mine"))


async def test_a_removed_job_never_runs_again_and_its_history_stays(scheduler: AsyncIOScheduler) -> None:
    async with scheduler:
        job = scheduler.add_job(added_tasks.note, "interval", seconds=0.1, id="job")
        await until(lambda: rows(scheduler, "succeeded"))
        job.remove()
        assert scheduler.get_job("job") is None
        with pytest.raises(JobLookupError, match="there is no job 'job'"):
            scheduler.remove_job("job")
    number = len(calls)
    async with restarted(scheduler) as again:
        assert again.get_jobs() == []
    assert len(calls) == number
    assert rows(scheduler)


async def test_modified_and_rescheduled_jobs_stay_so(scheduler: AsyncIOScheduler) -> None:
    async with scheduler:
        job = scheduler.add_job(added_tasks.note, "interval", hours=1, id="job", timeout=5)
        job = job.modify(args=[7], name="Seven", func=added_tasks.note_twice, max_instances=3)
        assert (job.args, job.name, job.options.max_instances, job.options.timeout) == ((7,), "Seven", 3, 5)
        job = job.reschedule("interval", seconds=0.1)
        await until(lambda: calls)
        assert calls[0] == (7, 7)
        with pytest.raises(ScheduleError, match="did you mean 'timeout'"):
            job.modify(timout=3)
        with pytest.raises(ScheduleError, match="cannot be called with these arguments"):
            job.modify(args=[1, 2])
        with pytest.raises(ScheduleError, match="too short"):
            job.reschedule("interval", seconds=0)
    async with restarted(scheduler) as again:
        [job] = again.get_jobs()
        assert (job.args, job.name, job.trigger) == ((7,), "Seven", "interval[0:00:00.100000]")


async def test_jobs_of_the_code_are_changed_in_the_code(scheduler: AsyncIOScheduler) -> None:
    scheduler.add_job(added_tasks.note, "interval", hours=1, id="code")
    async with scheduler:
        for attempt in (
            lambda: scheduler.remove_job("code"),
            lambda: scheduler.modify_job("code", name="x"),
            lambda: scheduler.reschedule_job("code", trigger="interval", hours=2),
        ):
            with pytest.raises(ScheduleError, match="stands in the schedule's code"):
                attempt()


async def test_an_added_job_is_paused_and_resumed_like_any_other(scheduler: AsyncIOScheduler) -> None:
    async with scheduler:
        scheduler.add_job(added_tasks.note, "interval", seconds=0.1, id="job", next_run_time=None)
    async with restarted(scheduler) as again:
        await asyncio.sleep(0.3)
        assert not calls
        job = again.get_job("job")
        assert job is not None
        job.resume()
        await until(lambda: calls)
    assert rows(scheduler)[0]["reason"] == "paused"


async def test_a_change_is_made_to_the_job_as_the_ledger_keeps_it(
    scheduler: AsyncIOScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What another process has changed or removed is not undone by one that has not heard of it."""
    elsewhere = SchedulerClient()
    async with scheduler:
        scheduler.add_job(added_tasks.note, "interval", hours=1, id="job", misfire_grace_time=600)
        # It hears of nothing that others do.
        monkeypatch.setattr(Registry, "unseen", lambda *_arguments: [])
        elsewhere.modify_job("job", misfire_grace_time=99)
        changed = scheduler.modify_job("job", name="\udcffjob")
        assert (changed.options.misfire_grace_time, changed.name) == (99, "?job")
        elsewhere.modify_job("job", args=["far"])
        assert scheduler.reschedule_job("job", trigger="interval", hours=2).args == ("far",)
        elsewhere.remove_job("job")
        with pytest.raises(ScheduleError, match="there is no job 'job'"):
            scheduler.modify_job("job", name="x")
        with pytest.raises(ScheduleError, match="there is no job 'job'"):
            scheduler.reschedule_job("job", trigger="interval", hours=2)
    assert elsewhere.get_jobs() == []


async def test_a_change_that_comes_between_is_kept(scheduler: AsyncIOScheduler) -> None:
    """Two change a job at once, and one of them is in the middle of it."""
    one, other = SchedulerClient(), SchedulerClient()
    async with scheduler:
        scheduler.add_job(added_tasks.note, "interval", hours=1, id="job")
        real, between = one._options, ["other"]

        def meanwhile(given: Any) -> Any:
            if between:
                other.modify_job("job", args=[between.pop()])
            return real(given)

        one._options = meanwhile  # type: ignore[method-assign]
        assert one.modify_job("job", retries=2).args == ("other",)
        [job] = other.get_jobs()
        assert (job.args, job.options.retries) == (("other",), 2)


@pytest.mark.full
async def test_another_process_adds_changes_and_removes(scheduler: AsyncIOScheduler) -> None:
    elsewhere = SchedulerClient()
    heard: list[tuple[int, str]] = []
    async with scheduler:
        scheduler.add_listener(
            lambda e: heard.append((e.code, e.job_id)), EVENT_JOB_ADDED | EVENT_JOB_REMOVED
        )
        await asyncio.to_thread(elsewhere.add_job, added_tasks.note, "interval", seconds=0.1, id="far")
        await until(lambda: calls)
        assert [job.id for job in elsewhere.get_jobs()] == ["far"]
        elsewhere.modify_job("far", args=["changed"])
        await until(lambda: ("changed",) in calls)
        elsewhere.remove_job("far")
        await until(lambda: scheduler.get_job("far") is None)
        await until(lambda: (EVENT_JOB_REMOVED, "far") in heard)
    assert heard[0] == (EVENT_JOB_ADDED, "far")
    assert elsewhere.get_jobs() == []


async def test_the_code_takes_over_an_id_that_was_added(scheduler: AsyncIOScheduler) -> None:
    async with scheduler:
        scheduler.add_job(added_tasks.note, "interval", hours=1, id="job", args=["added"])
    declared = restarted(scheduler)
    declared.add_job(added_tasks.note, "interval", seconds=0.1, id="job", args=["code"])
    async with declared:
        await until(lambda: calls)
    assert calls[0] == ("code",)
    async with restarted(scheduler) as without:
        assert without.get_jobs() == []


@pytest.mark.full
async def test_a_ledger_that_does_not_answer_is_said_and_nothing_is_added_later(
    scheduler: AsyncIOScheduler,
) -> None:
    async with scheduler:
        with closing(sqlite3.connect(scheduler.ledger.path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(LedgerError, match="nothing was changed"):
                scheduler.add_job(added_tasks.note, id="lost")
            other.execute("ROLLBACK")
        scheduler.add_job(added_tasks.note, id="found", args=["found"])
        await until(lambda: rows(scheduler, "succeeded"))
        assert scheduler.get_job("lost") is None
    assert [row["job_id"] for row in rows(scheduler)] == ["found"]


async def test_a_job_may_add_another_while_the_scheduler_drains(scheduler: AsyncIOScheduler) -> None:
    begun, stopping = threading.Event(), threading.Event()
    problems: list[Exception] = []

    def last() -> None:
        begun.set()
        stopping.wait(20)
        try:
            scheduler.add_job(added_tasks.note, args=["kept"], id="kept")
        except Exception as problem:
            problems.append(problem)

    scheduler.add_job(last, "date", id="last")
    async with scheduler:
        await until(begun.is_set)
        scheduler.shutdown()
        await until(lambda: not scheduler.running)
        stopping.set()
    assert not problems
    async with restarted(scheduler):
        await until(lambda: calls)
    assert calls == [("kept",)]
