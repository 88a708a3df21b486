"""Planted bugs of what people ask for: of runs, of backfills, and of jobs of functions that are offered."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any
from unittest.mock import patch

from everytick.api import offered_jobs
from everytick.engine import executor, runner
from everytick.store import backfill_statements as backfill_sql
from everytick.store import backfills, requests
from everytick.store import statements as sql

from simulation.disk import MemoryLedger
from simulation.mutants import worlds
from simulation.mutants.planting import mutant, replaced, without


@mutant(seed=11)
def a_cancellation_is_forgotten() -> AbstractContextManager[Any]:
    return patch.object(runner.Runner, "cancel", lambda _runner, _unwanted: None)


@mutant(plan=worlds.TAKEN_BACK)
def a_retry_loses_its_attempt_count() -> AbstractContextManager[Any]:
    return without(sql, "RETRY_ENDED", "attempt = attempt + 1, ")


@mutant(seed=326)
def a_retry_is_cancelled_as_the_attempt_before_it_was() -> AbstractContextManager[Any]:
    return without(sql, "RETRY_ENDED", "cancel_us = NULL, ")


@mutant(seed=326)
def a_run_that_is_asked_for_is_made_twice() -> AbstractContextManager[Any]:
    usual = requests.run_now

    def run_now(connection: Any, job_id: str, for_tick: int | None) -> int:
        usual(connection, job_id, for_tick)
        return usual(connection, job_id, for_tick)

    return patch.object(requests, "run_now", run_now)


@mutant(seed=258)
def a_tick_of_a_backfill_is_made_twice() -> AbstractContextManager[Any]:
    return replaced(backfill_sql, "ADVANCE", "upto_us = :upto", "upto_us = upto_us")


@mutant(plan=worlds.FILLED)
def the_runs_of_a_backfill_are_not_counted() -> AbstractContextManager[Any]:
    return patch.object(backfills, "count_open", lambda _connection, _number: 0)


@mutant(plan=worlds.LOST_ANSWERS)
def a_commit_whose_answer_is_lost_is_taken_for_undone() -> AbstractContextManager[Any]:
    usual = MemoryLedger.connect

    def connect(self: Any, *, read_only: bool = False, resolving: bool = False) -> Any:
        return usual(self, read_only=read_only, resolving=False)

    return patch.object(MemoryLedger, "connect", connect)


@mutant(plan=worlds.PAUSED)
def a_run_that_was_cut_off_begins_again_although_it_was_cancelled() -> AbstractContextManager[Any]:
    return without(sql, "CANCEL_RUN", "rerun_until_us = NULL, ")


@mutant(plan=worlds.TAKEN_BACK)
def a_cancelled_retry_takes_the_outcome_before_it_along() -> AbstractContextManager[Any]:
    return patch.object(requests, "_restore", lambda _connection, _run_id, asked: False)


@mutant(seed=213)
def a_tick_of_a_backfill_is_passed_over() -> AbstractContextManager[Any]:
    usual = backfills._next

    def following(*about: Any) -> tuple[list[int], int]:
        found, upto = usual(*about)
        return found[:-1], upto

    return patch.object(backfills, "_next", following)


@mutant(plan=worlds.OFFERED)
def two_people_may_take_one_id() -> AbstractContextManager[Any]:
    return patch.object(offered_jobs, "_is_gone", lambda _state: True)


@mutant(plan=worlds.OFFERED)
def an_offered_function_gets_its_date_as_text() -> AbstractContextManager[Any]:
    return patch.object(executor, "as_annotated", lambda _function, args, kwargs: (args, kwargs))
