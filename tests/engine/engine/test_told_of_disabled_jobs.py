"""What is told of jobs that settings disable: at the start, by commands, by `why` and doctor, on pages."""

from __future__ import annotations

import re
from datetime import UTC, timedelta
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
from everytick.read.processes import read_processes
from everytick.store.querying import connect
from loguru import logger

import added_tasks
from dashboards import api, page
from environments import NOON, called, environment, schedule
from environments import no_calls_yet as no_calls_yet
from histories import ask, ask_json
from inside import rows_of, until


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


@pytest.mark.full
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
