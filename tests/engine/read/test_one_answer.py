"""Commands, pages and API give the same answer to the same question, whatever the ledger holds."""

from __future__ import annotations

import pytest
from everytick import AsyncIOScheduler, ConfigurationError, ScheduleError
from everytick.model import ticks

import added_tasks
from dashboards import api, refused
from histories import MINUTE, ask, ask_json, prepared, write


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
