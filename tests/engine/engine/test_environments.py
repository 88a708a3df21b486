"""What runs where SCHEDULER_ENABLED_JOBS and SCHEDULER_DISABLED_JOBS choose: staging sends no mails."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
import time_machine
from everytick import AsyncIOScheduler, ScheduleError, SchedulerClient
from everytick import settings as settings_room
from everytick.model import ticks
from everytick.model.job_filter import JobFilter

import added_tasks
from environments import NOON, called, environment, schedule
from environments import no_calls_yet as no_calls_yet
from histories import ask
from inside import rows, rows_of, until
from ledgers import found_in


@pytest.mark.parametrize(
    ("enabled", "disabled", "left"),
    [
        ("", "", {"mail-daily", "mail-weekly", "report"}),
        ("", "mail-*", {"report"}),
        ("mail-*", "", {"mail-daily", "mail-weekly"}),
        ("mail-*", "*-weekly", {"mail-daily"}),
        ("", "mail-daily report", {"mail-weekly"}),
        ("", "mail-daily,report", {"mail-weekly"}),
        ("Mail-*", "", set()),
        ("", "*", set()),
    ],
)
def test_patterns_name_the_jobs(
    scheduler: AsyncIOScheduler, enabled: str, disabled: str, left: set[str]
) -> None:
    with environment(enabled, disabled):
        chosen = settings_room.settings().job_filter
    jobs = ("mail-daily", "mail-weekly", "report")
    assert {job_id for job_id in jobs if chosen.why_disabled(job_id) is None} == left
    assert JobFilter.of(chosen.kept) == chosen


def test_what_a_row_holds_that_is_no_filter_disables_nothing() -> None:
    for kept in (None, "", "[]", "{", 7, '{"enabled": 3}'):
        assert not JobFilter.of(kept)


async def test_a_disabled_job_does_not_run_and_its_ticks_are_one_range(scheduler: AsyncIOScheduler) -> None:
    with time_machine.travel(NOON, tick=True) as clock:
        with environment(disabled="mail-*"):
            async with schedule():
                pass
            clock.move_to(NOON + timedelta(minutes=3))
            async with schedule() as made:
                await until(lambda: len([it for it in rows_of(made, "report") if it["finished_us"]]) == 3)
            assert rows_of(made, "mail-daily") == []
        clock.move_to(NOON + timedelta(minutes=5))
        async with schedule():
            pass
        clock.move_to(NOON + timedelta(minutes=6))
        async with schedule() as again:
            await until(lambda: [it for it in rows_of(again, "mail-daily") if it["state"] == "succeeded"])
        skipped, run = rows_of(again, "mail-daily")
        assert (skipped["state"], skipped["reason"], skipped["tick_count"]) == ("skipped", "disabled", 5)
        assert ticks.moment(skipped["tick_us"]) == NOON.replace(minute=1, second=0)
        assert ticks.moment(skipped["last_tick_us"]) == NOON.replace(minute=5, second=0)
        assert run["reason"] is None


async def test_what_was_missed_before_the_job_was_disabled_is_an_outage(scheduler: AsyncIOScheduler) -> None:
    with time_machine.travel(NOON, tick=True) as clock:
        async with schedule():
            pass
        clock.move_to(NOON + timedelta(minutes=2))
        with environment(disabled="mail-*"):
            async with schedule():
                pass
        clock.move_to(NOON + timedelta(minutes=4))
        with environment():
            async with schedule() as again:
                pass
        reasons = [(it["reason"], it["tick_count"]) for it in rows_of(again, "mail-daily")]
        assert reasons == [("outage", 2), ("disabled", 2)]


async def test_nothing_of_a_disabled_job_runs_at_a_start(scheduler: AsyncIOScheduler) -> None:
    with environment(enabled="report"):
        async with schedule(next_run_time=datetime.now()) as made:
            await until(lambda: "report" in called())
        assert "mail-daily" not in called()
        assert {row["job_id"] for row in rows(made)} == {"report"}


async def test_a_run_that_a_person_asks_for_is_refused_with_the_setting(scheduler: AsyncIOScheduler) -> None:
    by = "disabled by SCHEDULER_DISABLED_JOBS=mail-"
    with environment(disabled="mail-*"):
        async with schedule():
            client = SchedulerClient()
            for ask_for in (client.run_job_now, client.pause_job, client.resume_job):
                with pytest.raises(ScheduleError, match=by):
                    ask_for("mail-daily")
            client.run_job_now("report")
            await until(lambda: "report" in called())


async def test_a_paused_job_that_is_disabled_is_neither_resumed_nor_run_by_a_person(
    scheduler: AsyncIOScheduler,
) -> None:
    by = "disabled by SCHEDULER_DISABLED_JOBS=mail-"
    async with schedule():
        SchedulerClient().pause_job("mail-daily", note="holidays")
    with environment(disabled="mail-*"):
        async with schedule() as made:
            client = SchedulerClient()
            for ask_for in (client.run_job_now, client.pause_job, client.resume_job):
                with pytest.raises(ScheduleError, match=by):
                    ask_for("mail-daily")
            # Before any look of the process has marked it.
            client.add_job(added_tasks.note, "interval", hours=1, args=["new"], id="mail-new")
            with pytest.raises(ScheduleError, match=by):
                client.run_job_now("mail-new")
            assert rows_of(made, "mail-new") == []
    # Where another process runs it, it is asked there.
    async with schedule():
        assert SchedulerClient().resume_job("mail-daily")


async def test_commands_for_many_jobs_leave_disabled_ones_out(scheduler: AsyncIOScheduler) -> None:
    with environment(disabled="mail-*"):
        async with schedule() as made:
            pass
        ask(made, "resume", "*", "--yes")
        ask(made, "pause", "*", "--yes")
        assert SchedulerClient().paused_jobs() == {"mail-daily", "report"}
        assert disabled_in(made) == {"mail-daily": "SCHEDULER_DISABLED_JOBS=mail-*", "report": None}


@pytest.mark.full
async def test_jobs_added_while_running_are_disabled_too(scheduler: AsyncIOScheduler) -> None:
    with environment(disabled="mail-*"):
        async with AsyncIOScheduler() as made:
            made.add_job(added_tasks.note, "interval", seconds=0.1, args=[1], id="mail-new")
            made.add_job(added_tasks.note, "interval", seconds=0.1, args=[2], id="other")
            await until(lambda: 2 in called())
            await until(lambda: disabled_in(made).get("mail-new"))
        assert 1 not in called()
    async with AsyncIOScheduler() as again:
        await until(lambda: 1 in called())
    assert "disabled" in {row["reason"] for row in rows_of(again, "mail-new")}


def disabled_in(scheduler: AsyncIOScheduler) -> dict[str, str | None]:
    found = found_in(scheduler.ledger, "SELECT job_id, disabled_by FROM scheduler_jobs")
    return {row["job_id"]: row["disabled_by"] for row in found}


@pytest.mark.full
async def test_a_job_runs_where_it_is_enabled(scheduler: AsyncIOScheduler) -> None:
    async def run_both(
        first: dict[str, str], second: dict[str, str]
    ) -> tuple[set[Any], dict[str, str | None]]:
        with environment(**first):
            one = schedule(minutes=0, seconds=0.2)
            await one.__aenter__()
        with environment(**second):
            other = schedule(minutes=0, seconds=0.2)
            await other.__aenter__()
        added_tasks.calls.clear()
        await until(lambda: len(added_tasks.calls) >= 4)
        marked = disabled_in(other)
        await other.__aexit__()
        await one.__aexit__()
        return called(), marked

    nothing: dict[str, str | None] = {"mail-daily": None, "report": None}
    mixed = await run_both({"disabled": "mail-*"}, {"enabled": "mail-*"})
    assert mixed == ({"mail-daily", "report"}, nothing)
    assert await run_both({}, {"disabled": "mail-*"}) == ({"mail-daily", "report"}, nothing)
    agreed = await run_both({"disabled": "mail-*"}, {"enabled": "report"})
    assert agreed[0] == {"report"}
    assert agreed[1] == {"mail-daily": "SCHEDULER_DISABLED_JOBS=mail-*", "report": None}


@pytest.mark.full
async def test_a_worker_leaves_runs_of_disabled_jobs_to_others(scheduler: AsyncIOScheduler) -> None:
    every: dict[str, Any] = {"minutes": 0, "seconds": 0.2}
    with environment(role="scheduler"):
        claiming = schedule(**every)
        await claiming.__aenter__()
    with environment(role="worker", disabled="mail-*"):
        async with schedule(**every) as worker:
            await until(lambda: len(added_tasks.calls) >= 4)
            states = {row["state"] for row in rows_of(worker, "mail-daily")}
    await claiming.__aexit__()
    assert called() == {"report"}
    assert states <= {"queued", "skipped"}


async def test_a_pause_of_a_person_outlasts_the_settings(scheduler: AsyncIOScheduler) -> None:
    async with schedule():
        SchedulerClient().pause_job("mail-daily", note="holidays")
    with environment(disabled="mail-*"):
        async with schedule() as made:
            assert disabled_in(made)["mail-daily"] is None
    async with schedule() as again:
        assert again.paused_jobs() == {"mail-daily"}
