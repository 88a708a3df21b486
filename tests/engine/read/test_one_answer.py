"""Commands, pages and API give the same answer to the same question, whatever the ledger holds."""

from __future__ import annotations

from typing import Any

import pytest
from everytick import AsyncIOScheduler, ConfigurationError, ScheduleError
from everytick.model import ticks
from everytick.store.database import Ledger

import added_tasks
from dashboards import api, refused
from histories import MINUTE, ask, ask_json, prepared, run, write


def test_the_audit_trail_has_one_order_also_after_the_clock_was_set_back(scheduler: AsyncIOScheduler) -> None:
    ledger, now = prepared(scheduler), ticks.now()
    entry = {"who": "somebody", "action": "pause"}
    write(ledger, "scheduler_audit", [{**entry, "at_us": now}, {**entry, "at_us": now - 60 * MINUTE}])
    listed = [entry["audit_id"] for entry in api(ledger, "audit")["entries"]]
    assert [entry["audit_id"] for entry in ask_json(scheduler, "audit")] == listed == [2, 1]


def test_there_is_one_sentence_for_a_run_that_there_is_not(scheduler: AsyncIOScheduler) -> None:
    ledger, said = prepared(scheduler), []
    for command in ("show", "retry", "cancel"):
        with pytest.raises((ConfigurationError, ScheduleError)) as problem:
            ask(scheduler, command, "77")
        said.append(str(problem.value))
    said.append(refused(ledger, "runs/77"))
    assert set(said) == {"there is no run 77: the command runs lists those that are kept"}


def test_there_is_one_sentence_for_a_job_that_there_is_not(scheduler: AsyncIOScheduler) -> None:
    scheduler.add_job(added_tasks.note, "interval", minutes=1, id="hello")
    ledger, said = prepared(scheduler), []
    for command in (["runs", "--job", "helo"], ["audit", "--job", "helo"], ["plan", "--job", "helo"]):
        with pytest.raises(ConfigurationError) as problem:
            ask(scheduler, *command)
        said.append(str(problem.value))
    said += [refused(ledger, path) for path in ("jobs/helo", "jobs/helo/why")]
    said += [refused(ledger, path, job="helo") for path in ("runs", "plan")]
    assert set(said) == {"there is no job 'helo'; did you mean 'hello'?"}


def paged(ledger: Ledger, limit: int, **query: Any) -> list[int]:
    """Return the numbers of all runs that the API lists, part by part."""
    found: list[int] = []
    answer = api(ledger, "runs", limit=limit, **query)
    while True:
        found += [row["run_id"] for row in answer["runs"]]
        if answer["next_before"] is None or len(found) > 1_000:
            return found
        answer = api(ledger, "runs", limit=limit, before=answer["next_before"], **query)


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
def test_no_run_is_lost_or_told_twice_between_two_parts_of_a_list(
    scheduler: AsyncIOScheduler, limit: int
) -> None:
    """A run by hand that was tried again later is due later than those that were asked for after it."""
    scheduler.add_job(added_tasks.note, "interval", minutes=1, id="job")
    ledger, now = prepared(scheduler), ticks.now()
    by_hand = [
        run("job", None, "failed", due_us=now - minutes * MINUTE, attempt=2, started_us=now, finished_us=now)
        for minutes in (1, 8, 7, 3, 5)
    ]
    write(ledger, "scheduler_runs", by_hand)
    write(ledger, "scheduler_runs", [run("job", now - minutes * MINUTE) for minutes in (9, 6, 4, 2)])
    every = {row["run_id"] for row in ask_json(scheduler, "runs", "--job", "job")}
    assert len(every) == 9
    found = paged(ledger, limit, job="job")
    assert sorted(found) == sorted(every)
    assert found == paged(ledger, 100, job="job")
    assert paged(ledger, limit, job="job", state="succeeded") == [9, 8, 7, 6]
    assert sorted(paged(ledger, limit, job="job", state="failed")) == [1, 2, 3, 4, 5]
