"""SCHEDULER_ENABLED_JOBS and SCHEDULER_DISABLED_JOBS: staging sends no mails."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import patch

import pytest
import time_machine
from everytick import AsyncIOScheduler, ScheduleError, SchedulerClient
from everytick import settings as settings_room
from everytick.api import loading
from everytick.cli import program
from everytick.doctor.environment import examine_job_filter
from everytick.doctor.liveness import examine_processes
from everytick.explain import why
from everytick.model import ticks
from everytick.model.job_filter import JobFilter
from everytick.read.processes import read_processes
from everytick.store.querying import connect
from loguru import logger

import added_tasks
from dashboards import api, page
from histories import ask, ask_json
from inside import rows, rows_of, until
from ledgers import found_in

NOON = datetime(2026, 12, 1, 12, 0, 30, tzinfo=UTC)


@pytest.fixture(autouse=True)
def no_calls_yet() -> None:
    added_tasks.calls.clear()


@contextmanager
def environment(enabled: str = "", disabled: str = "", role: str = "all") -> Iterator[None]:
    """Let the schedule be that of an environment with these settings."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SCHEDULER_ENABLED_JOBS", enabled)
        patch.setenv("SCHEDULER_DISABLED_JOBS", disabled)
        patch.setenv("SCHEDULER_ROLE", role)
        settings_room.settings.cache_clear()
        settings_room.settings()
        yield
    settings_room.settings.cache_clear()


def schedule(**options: Any) -> AsyncIOScheduler:
    made = AsyncIOScheduler()
    for job_id in ("mail-daily", "report"):
        options = {"minutes": 1, "coalesce": False, "misfire_grace_time": None, **options}
        made.add_job(added_tasks.note, "interval", args=[job_id], id=job_id, **options)
    return made


def called() -> set[Any]:
    return {args[0] for args in added_tasks.calls}


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


async def test_who_resumes_a_disabled_job_is_told_the_setting_and_of_no_pause(
    scheduler: AsyncIOScheduler, capsys: pytest.CaptureFixture[str]
) -> None:
    with environment(disabled="mail-*"):
        async with schedule() as made:
            with (
                patch.object(loading, "load_schedule_for_command", lambda: made),
                pytest.raises(ScheduleError, match=r"is disabled by SCHEDULER_DISABLED_JOBS=mail-\*"),
            ):
                program.app(["resume", "mail-daily"], standalone_mode=False)
            assert "paused" not in capsys.readouterr().err


async def test_commands_for_many_jobs_leave_disabled_ones_out(scheduler: AsyncIOScheduler) -> None:
    with environment(disabled="mail-*"):
        async with schedule() as made:
            pass
        ask(made, "resume", "*", "--yes")
        ask(made, "pause", "*", "--yes")
        assert SchedulerClient().paused_jobs() == {"mail-daily", "report"}
        assert disabled_in(made) == {"mail-daily": "SCHEDULER_DISABLED_JOBS=mail-*", "report": None}


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


async def test_it_is_said_at_the_start_and_of_each_job(scheduler: AsyncIOScheduler) -> None:
    lines: list[str] = []
    sink = logger.add(lambda message: lines.append(message.record["message"]))
    with time_machine.travel(NOON, tick=True), environment(disabled="mail-* unknown-*"):
        made = schedule()
        async with made:
            [mail, report] = ask_json(made, "jobs")
            assert mail["disabled_by"] == "SCHEDULER_DISABLED_JOBS=mail-*"
            assert mail["next_run"] is None
            assert report["disabled_by"] is None
            assert "disabled by SCHEDULER_DISABLED_JOBS=mail-*" in " ".join(ask(made, "jobs").split())
            at = NOON + timedelta(seconds=30)
            found = why(made.ledger, "mail-daily", at, None, None, None, settings_room.settings())
            assert "is disabled since" in " ".join(found.sentences)
            assert "by SCHEDULER_DISABLED_JOBS=mail-*" in " ".join(found.sentences)
            with connect(made.ledger) as connection:
                [process] = read_processes(connection)
                assert process.job_filter.disabled == ("mail-*", "unknown-*")
    logger.remove(sink)
    assert "1 job disabled here by SCHEDULER_DISABLED_JOBS=mail-*: mail-daily" in lines
    assert "SCHEDULER_DISABLED_JOBS: no job has the id unknown-*" in lines


async def test_while_nobody_is_up_the_jobs_are_shown_as_the_next_start_has_them(
    scheduler: AsyncIOScheduler,
) -> None:
    by = "SCHEDULER_DISABLED_JOBS=mail-*"

    def shown() -> dict[str, tuple[Any, bool]]:
        return {
            row["id"]: (row["disabled_by"], bool(row["next_run"])) for row in ask_json(schedule(), "jobs")
        }

    # Before the first start, and after an end.
    with environment(disabled="mail-*"):
        assert shown() == {"mail-daily": (by, False), "report": (None, True)}
        assert f"disabled by {by}" in " ".join(ask(schedule(), "jobs").split())
    async with schedule():
        with environment(disabled="mail-*"):
            # The process that is up runs it.
            assert shown() == {"mail-daily": (None, True), "report": (None, True)}
    with environment(disabled="mail-*"):
        assert shown() == {"mail-daily": (by, False), "report": (None, True)}
    async with schedule():
        SchedulerClient().pause_job("mail-daily")
    with environment(disabled="mail-*"):
        assert shown()["mail-daily"] == (None, False)


async def test_why_of_a_job_without_ticks_names_the_setting(scheduler: AsyncIOScheduler) -> None:
    def with_start() -> AsyncIOScheduler:
        made = schedule()
        made.add_job(added_tasks.note, "date", args=["mail-start"], id="mail-start")
        made.add_job(added_tasks.note, "cron", args=["mail-new"], day=1, id="mail-yearly")
        return made

    by = "by SCHEDULER_DISABLED_JOBS=mail-*: it does not run until it is enabled"
    with environment(disabled="mail-*"):
        async with with_start() as made:
            for job_id in ("mail-start", "mail-yearly"):
                [said] = [it for it in ask_json(made, "why", job_id)["sentences"] if "disabled" in it]
                assert said.startswith("The job is disabled since")
                assert said.endswith(f"{by}.")
    async with with_start():
        await until(lambda: "mail-start" in called())
    with environment(disabled="mail-*"):
        async with with_start() as made:
            sentences = ask_json(made, "why", "mail-start")["sentences"]
            assert "it has no ticks; its newest run is this" in sentences[0].lower()
            assert sum("disabled" in it for it in sentences) == 1
    async with schedule() as made:
        assert "disabled" not in " ".join(ask_json(made, "why", "report")["sentences"])


async def test_the_pages_and_the_api_tell_it(scheduler: AsyncIOScheduler) -> None:
    with environment(disabled="mail-*"):
        async with schedule() as made:
            pass
        setting = "SCHEDULER_DISABLED_JOBS=mail-*"
        assert f"by {setting}" in page(made.ledger, "/jobs")
        job = page(made.ledger, "/job?id=mail-daily")
        assert f"by {setting}: no process that is up is set to run it" in job
        assert "None while it is disabled." in job
        assert "do-resume" not in job
        assert 'id="run-now"' not in job, "nobody may run it"
        assert 'id="run-now"' in page(made.ledger, "/job?id=report")
        listed = page(made.ledger, "/jobs?q=mail-daily")
        for action in ("run-now", "pause", "resume"):
            assert re.search(rf'<button id="{action}-selected"[^>]* disabled>', listed)
        assert "‖ disabled" in page(made.ledger, "/coming")
        notes = {tick["job_id"]: tick["note"] for tick in api(made.ledger, "plan")["ticks"]}
        assert notes == {"mail-daily": "disabled", "report": ""}
        assert ", disabled" in ask(made, "plan")
        [mail, report] = api(made.ledger, "jobs")["jobs"]
        assert (mail["disabled_by"], report["disabled_by"]) == (setting, None)


async def test_why_tells_of_a_tick_that_fell_into_it(scheduler: AsyncIOScheduler) -> None:
    with time_machine.travel(NOON, tick=True) as clock:
        with environment(disabled="mail-*"):
            async with schedule():
                pass
            clock.move_to(NOON + timedelta(minutes=2))
            at = NOON.replace(minute=1, second=0)
            before = why(scheduler.ledger, "mail-daily", at, None, None, None, settings_room.settings())
            assert before.verdict == "disabled"
        async with schedule() as again:
            pass
        after = why(again.ledger, "mail-daily", at, None, None, None, settings_room.settings())
        assert after.verdict == "disabled"
        assert "The job was disabled: no process that was up was set to run it" in " ".join(after.sentences)


async def test_while_nobody_is_up_why_goes_by_the_next_start(scheduler: AsyncIOScheduler) -> None:
    with time_machine.travel(NOON, tick=True) as clock:
        async with schedule() as made:
            pass
        clock.move_to(NOON + timedelta(minutes=3))
        tick = NOON.replace(minute=2, second=0)
        declared = {job.id: job for job in made.get_jobs()}

        def told() -> str:
            found = why(made.ledger, "mail-daily", tick, None, declared, None, settings_room.settings())
            return " ".join(found.sentences)

        assert "A start now would make up for it." in told()
        with environment(disabled="mail-*"):
            assert "would make up for it" not in told()
            disables = (
                "SCHEDULER_DISABLED_JOBS=mail-* disables the job here: a start with these settings runs"
            )
            assert f"{disables} nothing of it." in told()


def why_now(scheduler: AsyncIOScheduler, run_id: int) -> str:
    found = why(scheduler.ledger, "mail-daily", None, run_id, None, None, settings_room.settings())
    return " ".join(found.sentences)


async def test_a_run_that_was_asked_for_before_the_job_was_disabled_waits_and_says_for_what(
    scheduler: AsyncIOScheduler,
) -> None:
    async with schedule():
        pass
    run_id = SchedulerClient().run_job_now("mail-daily")
    with environment(disabled="mail-*"):
        async with schedule() as made:
            report = SchedulerClient().run_job_now("report")
            await until(lambda: "report" in called())
            [asked] = [row for row in rows_of(made, "mail-daily") if row["run_id"] == run_id]
            said = why_now(made, run_id)
            assert report > run_id
    assert (asked["state"], called()) == ("queued", {"report"})
    assert "The job is disabled since" in said
    assert "by SCHEDULER_DISABLED_JOBS=mail-*: it waits until a process is up that is set to run it" in said
    assert "one takes it" not in said
    async with schedule():
        await until(lambda: "mail-daily" in called())


async def test_a_run_that_no_worker_is_set_to_run_says_so(scheduler: AsyncIOScheduler) -> None:
    with environment(role="scheduler"):
        claiming = schedule()
        await claiming.__aenter__()
    with environment(role="worker", disabled="mail-*"):
        async with schedule() as worker:
            run_id = SchedulerClient(who="somebody").run_job_now("report")
            await until(lambda: "report" in called())
            with environment():
                run_id = SchedulerClient().run_job_now("mail-daily")
            said = why_now(worker, run_id)
    await claiming.__aexit__()
    by = "SCHEDULER_DISABLED_JOBS=mail-*"
    assert f"No process that is up and serves its queue, default, is set to run the job: {by}" in said


async def test_doctor_tells_what_is_disabled_and_what_names_no_job(scheduler: AsyncIOScheduler) -> None:
    with environment(enabled="report, mail-*, gone", disabled="mail-*"):
        chosen = settings_room.settings()
        [wrong, told] = examine_job_filter(chosen, ["report", "mail-daily"])
        assert (wrong.level, wrong.what, wrong.where) == (
            "warning", "no job has the id gone", "SCHEDULER_ENABLED_JOBS",
        )  # fmt: skip
        assert (told.level, told.what) == ("note", "1 job of 2 disabled by the settings: mail-daily")
        # As a letter too few or too many in SCHEDULER_ENABLED_JOBS leaves it.
        [told] = examine_job_filter(chosen, ["mail-daily", "tow"])[-1:]
        assert (told.level, told.what) == ("warning", "2 jobs of 2 disabled by the settings: mail-daily, tow")
        one = schedule()
        await one.__aenter__()
    async with schedule() as other:
        with connect(other.ledger) as connection:
            found = examine_processes(connection, ticks.now(), UTC)
        [said] = [it for it in found if it.check == "environment"]
        assert "are set to run different jobs: each job runs where it is enabled" in said.what
    await one.__aexit__()
