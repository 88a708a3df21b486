"""Whether a process is up, stuck, silent or gone: whoever is asked, the answer is the same."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from everytick import AsyncIOScheduler
from everytick.api.loading import declared
from everytick.doctor import liveness
from everytick.dryrun.diff import difference
from everytick.model import ticks
from everytick.read.processes import reports, someone_is_up
from everytick.settings import settings
from everytick.store.database import Ledger
from everytick.store.querying import connect
from everytick.system import use
from everytick.telemetry import health

from dashboards import api, page
from histories import MINUTE, SECOND, ask, prepared
from ledgers import change
from sample_ledger import up

# No process of this machine has it: pids are smaller.
NOBODY = 2**22 + 7
STUCK_FROM = 15


def task() -> None:
    """The body of the job."""


@pytest.fixture
def ledger(scheduler: AsyncIOScheduler) -> Iterator[Ledger]:
    """A ledger with one job, which is due since a minute and a half; the wall clock stands still."""
    scheduler.add_job(task, "interval", minutes=1, id="job")
    made = prepared(scheduler)
    since = ticks.now() - 4 * MINUTE
    change(made, "UPDATE scheduler_jobs SET registered_us = ?, changed_us = ?", since, since)
    change(made, "UPDATE scheduler_jobs SET watermark_us = ?", ticks.now() - 2 * MINUTE)
    present = time.time_ns()
    with use(time_ns=lambda: present):
        yield made


@contextmanager
def killed(ledger: Ledger) -> Iterator[None]:
    """Let a process be in the ledger that was killed a second ago."""
    with up(ledger, silent=SECOND):
        change(ledger, "UPDATE scheduler_processes SET pid = ?", NOBODY)
        yield


@pytest.mark.full
def test_what_processes_cannot_run_is_told_however_many_are_dead_or_up(ledger: Ledger) -> None:
    now = ticks.now()
    for number in range(260):
        # Dead ones, and later ones that are up.
        beat = now - (MINUTE if number < 30 else SECOND)
        told = f'{{"job{number}": "no module named shop"}}'
        change(
            ledger,
            "INSERT INTO scheduler_processes (process_id, host, pid, started_us, beat, beat_us, start_number,"
            " cannot_run) VALUES (?, 'shop/x/y', 4711, ?, 1, ?, 1, ?)",
            *(f"p{number}", beat, beat, told),
        )
    with connect(ledger) as connection:
        assert set(reports(connection)) == {f"job{number}" for number in range(30, 260)}


def of_doctor(scheduler: AsyncIOScheduler) -> str:
    with connect(scheduler.ledger) as connection:
        found = liveness.examine_processes(connection, ticks.now(), settings().zone)
    return " ".join(finding.what for finding in found)


def of_health(scheduler: AsyncIOScheduler) -> str:
    return " ".join(problem.sentence for problem in health.check(scheduler.ledger).problems)


def of_why(scheduler: AsyncIOScheduler) -> str:
    return ask(scheduler, "why", "job")


def of_api(scheduler: AsyncIOScheduler) -> str:
    found = api(scheduler.ledger, "processes")
    states = {"up": "up since", "stalled": "has not answered", "down": "no heartbeat"}
    [process] = found["processes"]
    assert process["alive"] is (found["state"] != "down")
    assert process["stalled"] is (found["state"] == "stalled")
    return states[found["state"]]


def of_pages(scheduler: AsyncIOScheduler) -> str:
    shown = page(scheduler.ledger, "/")
    said = {"its event loop does not answer": "has not answered", "No scheduler is up": "no heartbeat"}
    return next((word for sentence, word in said.items() if sentence in shown), "up since")


OBSERVERS: list[Callable[[AsyncIOScheduler], str]] = [of_doctor, of_health, of_why, of_api, of_pages]


@pytest.mark.parametrize("seconds", [4, 6, 11, 13, 14, 15, 16, 40])
def test_a_loop_that_does_not_answer_is_stuck_for_all_or_for_nobody(
    scheduler: AsyncIOScheduler, ledger: Ledger, seconds: int
) -> None:
    with up(ledger, stuck=seconds * SECOND):
        told = {look.__name__: "has not answered" in look(scheduler) for look in OBSERVERS}
    assert set(told.values()) == {seconds >= STUCK_FROM}, told


@pytest.mark.parametrize("seconds", [4, 12, 14, 16, 40])
def test_a_silent_process_is_up_for_all_or_for_nobody(
    scheduler: AsyncIOScheduler, ledger: Ledger, seconds: int
) -> None:
    with up(ledger, silent=seconds * SECOND):
        said = {look.__name__: look(scheduler) for look in OBSERVERS}
        counts = someone_is_up(ledger)
        joined = difference(ledger, declared(scheduler)).alive
    down = {name: "heartbeat" in words or "No scheduler is up" in words for name, words in said.items()}
    assert set(down.values()) == {seconds > STUCK_FROM}, said
    assert counts is (seconds <= STUCK_FROM)
    assert bool(joined) is (seconds <= STUCK_FROM)


def test_a_process_that_was_killed_is_gone_at_once_for_all(
    scheduler: AsyncIOScheduler, ledger: Ledger
) -> None:
    with killed(ledger):
        assert "died" in of_doctor(scheduler)
        assert not someone_is_up(ledger)
        assert "No scheduler is up" in of_why(scheduler)
        assert of_api(scheduler) == "no heartbeat"
        assert of_pages(scheduler) == "no heartbeat"
        found = health.check(ledger)
        assert (found.ready, found.schedulers, found.heartbeat_age) == (False, 0, None)
        [problem] = found.problems
        assert "is gone" in problem.sentence
        assert str(NOBODY) not in problem.outline
        assert not health.check_here(ledger).ready
        assert difference(ledger, declared(scheduler)).alive == []
