"""What is said of a run that somebody asks for: what becomes of it, on the page and by each command."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from everytick import AsyncIOScheduler, SchedulerClient
from everytick import settings as settings_room
from everytick.engine import heartbeats
from everytick.model import ticks
from everytick.store.database import Ledger
from loguru import logger

import added_tasks
from dashboards import act
from histories import ask, prepared, run, write
from inside import until
from ledgers import change, found_in
from sample_ledger import up

REASON = "its function is gone"


@pytest.fixture
def report(scheduler: AsyncIOScheduler) -> AsyncIOScheduler:
    """A schedule of one job, which has a run that failed."""
    scheduler.add_job(added_tasks.note, "cron", hour=3, id="report", queue="reports", group="database")
    prepared(scheduler)
    write(scheduler.ledger, "scheduler_runs", [run("report", ticks.now() - 3_600 * ticks.SECOND, "failed")])
    return scheduler


def paused(ledger: Ledger) -> None:
    SchedulerClient().pause_job("report")


def cannot_run(ledger: Ledger) -> None:
    change(ledger, "UPDATE scheduler_processes SET cannot_run = ?", json.dumps({"report": REASON}))


def unserved(ledger: Ledger) -> None:
    change(ledger, "UPDATE scheduler_processes SET queues = 'default'")


def set_otherwise(ledger: Ledger) -> None:
    kept = json.dumps({"enabled": [], "disabled": ["rep*"]})
    # One that claims is set to run it: so it is not disabled, and nobody who serves its queue runs it.
    change(ledger, "UPDATE scheduler_processes SET job_filter = ?, role = 'worker'", kept)


def one_under_way(ledger: Ledger) -> None:
    row = run("report", ticks.now() - 60 * ticks.SECOND, "running")
    write(ledger, "scheduler_runs", [{**row, "process_id": "one", "finished_us": None}])


def nothing(ledger: Ledger) -> None:
    """Let nothing keep it from beginning."""


# What is the matter, what is said of a run now, and of one more attempt.
CASES: list[tuple[Callable[[Ledger], None], str, str]] = [
    (nothing, "run {} of report begins", "run {} begins one more attempt"),
    (paused, "run {} of report begins", "run {} waits until the job report is resumed"),
    (cannot_run, f"run {{}} of report waits: the job report cannot run: {REASON} (as process ", ""),
    (unserved, "run {} of report waits: no process that is up serves its queue, reports", ""),
    (
        set_otherwise,
        "run {} of report waits: no process that is up and serves its queue, reports, is set to run the job"
        " report: SCHEDULER_DISABLED_JOBS=rep*",
        "",
    ),
    (one_under_way, "run {} of report waits for run 2 (max_instances=1)", ""),
]


@pytest.mark.parametrize(("matter", "now", "again"), CASES, ids=[case[0].__name__ for case in CASES])
def test_the_truth_is_told_of_a_run_that_is_asked_for(
    report: AsyncIOScheduler, matter: Callable[[Ledger], None], now: str, again: str
) -> None:
    again = again or now.replace(" of report", "")
    with up(report.ledger):
        matter(report.ledger)
        said = ask(report, "run-now", "report")
        number = int(said.split()[1])
        assert said.startswith(now.format(number))
        assert ask(report, "retry", "1").startswith(again.format(1))
        answer = act(report.ledger, "jobs/report/run-now")
        first = now.format(answer["run_id"])
        assert answer["said"].startswith(f"R{first[1:]}")


def test_while_nobody_is_up_the_settings_here_are_told(
    report: AsyncIOScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCHEDULER_DISABLED_JOBS", "rep*")
    settings_room.settings.cache_clear()
    said = ask(report, "run-now", "report")
    assert said.startswith(
        "run 2 of report begins when one is started that is set to run its job; no scheduler"
    )
    assert said.endswith(", and SCHEDULER_DISABLED_JOBS=rep* disables the job here\n")


def test_a_page_says_that_nobody_is_up(report: AsyncIOScheduler) -> None:
    answer = act(report.ledger, "jobs/report/run-now")
    assert answer["said"].startswith("Run 2 of report begins when a scheduler is started; no scheduler is up")


@pytest.mark.full
async def test_that_a_job_cannot_run_is_known_before_the_next_heartbeat(
    scheduler: AsyncIOScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    SchedulerClient().add_job(added_tasks.note, "cron", hour=3, args=["a"], id="added")
    change(scheduler.ledger, "UPDATE scheduler_jobs SET function = 'added_tasks:gone'")
    monkeypatch.setattr(heartbeats, "BEAT_SECONDS", 3_600.0)
    said: list[str] = []
    logger.add(said.append, level="WARNING", format="{message}")
    told = "SELECT cannot_run FROM scheduler_processes"
    async with scheduler:
        await until(lambda: found_in(scheduler.ledger, told)[0]["cannot_run"])
        answer = act(scheduler.ledger, "jobs/added/run-now")
        assert answer["said"].startswith("Run 1 of added waits: the job added cannot run: ")
        await until(lambda: any("job added: its runs wait, since it cannot run here: " in it for it in said))
