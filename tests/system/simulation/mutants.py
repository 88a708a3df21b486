"""Planted bugs: each takes one of the engine's precautions away, and some seed must find that.

A mutant that no seed finds is a hole in the faults, or in the checker.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from itertools import chain
from typing import Any
from unittest.mock import patch

from everytick.engine import admission, clock, heartbeats, held, process, runner
from everytick.model import ticks
from everytick.model.job import Job
from everytick.store import backfill_statements as backfill_sql
from everytick.store import (
    backfills,
    definitions,
    gaps,
    joining,
    limits,
    queue,
    renaming,
    requests,
    runs,
    workers,
    writer,
)
from everytick.store import job_statements as job_sql
from everytick.store import statements as sql
from everytick.store.records import Claim, JobState
from everytick.system import system

from simulation.disk import MemoryLedger
from simulation.plan import plan_of
from simulation.story import tell

Plant = Callable[[], AbstractContextManager[Any]]


@dataclass(frozen=True)
class Mutant:
    """A bug, and a seed that is known to find it."""

    plant: Plant
    seed: int

    def is_found_by(self, seed: int) -> bool:
        """Return whether the world of a seed breaks the contract with this bug."""
        with self.plant():
            return bool(tell(plan_of(seed)).violations)


MUTANTS: dict[str, Mutant] = {}


def _mutant(*, seed: int) -> Callable[[Plant], Plant]:
    def keep(plant: Plant) -> Plant:
        MUTANTS[plant.__name__] = Mutant(plant, seed)
        return plant

    return keep


@contextmanager
def _other_text(statement: object, *changes: tuple[str, str]) -> Iterator[None]:
    """Change the text of a statement that is about many rows."""
    changed: str = statement._sqlite  # type: ignore[attr-defined]
    for old, new in changes:
        assert old in changed, (old, changed)
        changed = changed.replace(old, new)
    with patch.object(statement, "_sqlite", changed):
        yield


def _without(module: Any, name: str, condition: str) -> AbstractContextManager[Any]:
    """Take a condition out of a statement."""
    text: str = getattr(module, name)
    assert condition in text, (condition, text)
    return patch.object(module, name, text.replace(condition, ""))


# --- claims ---


@_mutant(seed=4)
def the_watermark_is_not_moved() -> AbstractContextManager[Any]:
    return _other_text(
        job_sql.ADVANCE_WATERMARKS, ("watermark_us = given.upto FROM", "watermark_us = given.seen FROM")
    )


@_mutant(seed=4)
def a_claim_does_not_look_whether_another_one_moved_the_watermark() -> AbstractContextManager[Any]:
    return _other_text(
        job_sql.ADVANCE_WATERMARKS, ("watermark_us = given.seen\n", "watermark_us >= given.seen\n")
    )


@_mutant(seed=14)
def a_claim_does_not_look_for_a_pause() -> AbstractContextManager[Any]:
    return _other_text(job_sql.ADVANCE_WATERMARKS, ("AND paused_us IS NULL", ""))


@_mutant(seed=1)
def skipped_ticks_are_not_written_down() -> AbstractContextManager[Any]:
    return patch.object(gaps, "skip_all", lambda _connection, _skipped, _now: None)


@_mutant(seed=1)
def runs_that_are_under_way_are_not_counted() -> AbstractContextManager[Any]:
    return patch.object(limits, "added_up", lambda _rows: {})


@_mutant(seed=14)
def more_is_made_up_for_than_was_asked_for() -> AbstractContextManager[Any]:
    return patch.object(Job, "most_waiting", 10)


@_mutant(seed=20)
def the_grace_is_not_looked_at() -> AbstractContextManager[Any]:
    return patch.object(Job, "too_late", lambda _job, _due, _now: False)


@_mutant(seed=7)
def a_failed_claim_is_forgotten() -> AbstractContextManager[Any]:
    return patch.object(clock.Clock, "_try_again", lambda _clock, _jobs, _problem: None)


# --- beginning ---


@_mutant(seed=1)
def a_run_is_entered_before_it_is_recorded_as_started() -> AbstractContextManager[Any]:
    usual = admission.Admission.dispatch

    def dispatch(self: Any, found: list[list[Claim]]) -> None:
        for claim in chain.from_iterable(found):
            claim.started = True
        usual(self, found)

    return patch.object(admission.Admission, "dispatch", dispatch)


@_mutant(seed=1)
def a_run_begins_at_its_tick_and_not_at_its_due_instant() -> AbstractContextManager[Any]:
    usual = admission.Admission.dispatch

    def dispatch(self: Any, found: list[list[Claim]]) -> None:
        for claim in chain.from_iterable(found):
            claim.due = claim.tick or claim.due
        usual(self, found)

    return patch.object(admission.Admission, "dispatch", dispatch)


@_mutant(seed=124)
def a_process_that_was_frozen_does_not_ask_whether_a_run_is_still_its_own() -> AbstractContextManager[Any]:
    return patch.object(runner, "_FRESH_SECONDS", math.inf)


@_mutant(seed=4)
def a_run_that_waits_begins_in_a_pause() -> AbstractContextManager[Any]:
    return patch.object(JobState, "is_paused", lambda _state, _now: False)


@_mutant(seed=1)
def a_waiting_run_is_taken_whatever_runs_of_its_job() -> AbstractContextManager[Any]:
    return patch.object(queue, "Counter", _NoCounter)


class _NoCounter(dict[str, int]):
    """Counts nothing."""

    def __missing__(self, _key: str) -> int:
        return 0

    def __setitem__(self, _key: str, _value: int) -> None:
        pass

    def __iadd__(self, _other: Any) -> _NoCounter:
        return self


@_mutant(seed=1)
def a_process_whose_loop_is_blocked_keeps_what_it_has_claimed() -> AbstractContextManager[Any]:
    return patch.object(admission.Admission, "requeue_overdue", lambda _admission: None)


@_mutant(seed=1)
def a_run_that_was_given_back_is_entered_all_the_same() -> AbstractContextManager[Any]:
    return patch.object(held.Held, "remove", _remove_or_not)


def _remove_or_not(self: Any, claims: list[Claim]) -> bool:
    self._lists.pop(id(claims), None)
    return True


# --- ends ---


@_mutant(seed=49)
def the_token_of_an_outcome_is_not_looked_at() -> AbstractContextManager[Any]:
    return _other_text(
        sql.FINISH_RUNS,
        ("AND process_id = :process_id AND attempt = given.number\n", ""),
        ("  AND claimed_us = given.claimed", ""),
        (" AND state IN ('claimed', 'running')", ""),
    )


@_mutant(seed=9)
def an_outcome_is_dropped_when_the_ledger_is_away() -> AbstractContextManager[Any]:
    usual = writer.Writer._postpone

    def postpone(self: Any, batch: list[Any], problem: Exception) -> None:
        for task in batch:
            task.keep = False
        usual(self, batch, problem)

    return patch.object(writer.Writer, "_postpone", postpone)


@_mutant(seed=1)
def a_run_that_may_not_begin_yet_is_not_given_back() -> AbstractContextManager[Any]:
    return patch.object(runs, "_turn_away", lambda _connection, _me, _held, reason: reason)


@_mutant(seed=6)
def a_process_leaves_before_its_outcomes_are_written() -> AbstractContextManager[Any]:
    usual = writer.Writer.close

    def close(self: Any, last: Any = None, patience: float = 5.0) -> int:
        self._urgent.clear()
        while self._queue.qsize():
            self._queue.get_nowait()
        return usual(self, last, patience)

    return patch.object(writer.Writer, "close", close)


@_mutant(seed=9)
def a_failed_run_is_not_tried_again() -> AbstractContextManager[Any]:
    return patch.object(Job, "retry_at", lambda *_about: None)


@_mutant(seed=1)
def a_cut_run_is_not_told_of() -> AbstractContextManager[Any]:
    usual = process.Process.drain

    async def drain(self: Any, hurry: Any = None, *, ending: bool = False) -> int:
        await usual(self, hurry, ending=ending)
        return 0

    return patch.object(process.Process, "drain", drain)


# --- those that died ---


def _dying(after: float, clock: Callable[[], float]) -> AbstractContextManager[Any]:
    """Declare those dead whose heartbeat has not moved for so many seconds by a clock."""

    def is_dead(self: Any, process_id: str, host: str, pid: int, beat: int, _now: float) -> bool:
        if workers.is_provably_dead(self._me, process_id, host, pid):
            return True
        before = self._watched.get(process_id)
        if before is None or before[0] != beat:
            self._watched[process_id] = (beat, clock())
            return False
        return bool(clock() - before[1] >= after)

    return patch.object(heartbeats.Heartbeats, "_is_dead", is_dead)


@_mutant(seed=341)
def a_lease_ends_by_the_wall_clock() -> AbstractContextManager[Any]:
    return _dying(heartbeats.LEASE_SECONDS, lambda: ticks.now() / ticks.SECOND)


@_mutant(seed=72)
def a_lease_is_too_short() -> AbstractContextManager[Any]:
    return _dying(4.0, lambda: system.monotonic())


@_mutant(seed=14)
def nobody_looks_for_those_that_died() -> AbstractContextManager[Any]:
    return patch.object(heartbeats.Heartbeats, "_find_silent", lambda _beats, _connection, _dead: None)


@_mutant(seed=8)
def a_lost_run_is_rescued_twice() -> AbstractContextManager[Any]:
    return patch.object(sql, "TAKE_CUT", sql.TAKE_CUT.replace("rerun_until_us = NULL,", ""))


@_mutant(seed=8)
def what_a_dead_process_had_reserved_is_not_given_back() -> AbstractContextManager[Any]:
    return patch.object(sql, "RELEASE_RUNS_OF", f"{sql.RELEASE_RUNS_OF} AND false")


@_mutant(seed=8)
def what_a_dead_process_ran_is_given_up() -> AbstractContextManager[Any]:
    return patch.object(sql, "LOSE_RUNS_OF", sql.LOSE_RUNS_OF.replace("<> 'rerun'", "= 'rerun'"))


@_mutant(seed=4)
def a_lost_run_keeps_its_attempt_to_itself() -> AbstractContextManager[Any]:
    return patch.object(
        sql, "ARCHIVE_ATTEMPT", sql.ARCHIVE_ATTEMPT.replace(":run_id\nON", ":run_id AND false\nON")
    )


@_mutant(seed=14)
def a_process_that_joins_others_takes_its_start_for_a_new_one() -> AbstractContextManager[Any]:
    usual = joining._clear_dead

    def clear(connection: Any, me: Any) -> Any:
        found = usual(connection, me)
        found.peers.clear()
        return found

    return patch.object(joining, "_clear_dead", clear)


# --- what people ask for ---


@_mutant(seed=54)
def a_cancellation_is_forgotten() -> AbstractContextManager[Any]:
    return patch.object(runner.Runner, "cancel", lambda _runner, _unwanted: None)


@_mutant(seed=14)
def a_retry_loses_its_attempt_count() -> AbstractContextManager[Any]:
    return _without(sql, "RETRY_ENDED", "attempt = attempt + 1, ")


@_mutant(seed=14)
def a_retry_is_cancelled_as_the_attempt_before_it_was() -> AbstractContextManager[Any]:
    return _without(sql, "RETRY_ENDED", "cancel_us = NULL, ")


@_mutant(seed=14)
def a_run_that_is_asked_for_is_made_twice() -> AbstractContextManager[Any]:
    usual = requests.run_now

    def run_now(connection: Any, job_id: str, for_tick: int | None) -> int:
        usual(connection, job_id, for_tick)
        return usual(connection, job_id, for_tick)

    return patch.object(requests, "run_now", run_now)


@_mutant(seed=6)
def a_tick_of_a_backfill_is_made_twice() -> AbstractContextManager[Any]:
    return patch.object(
        backfill_sql, "ADVANCE", backfill_sql.ADVANCE.replace("upto_us = :upto", "upto_us = upto_us")
    )


@_mutant(seed=6)
def the_runs_of_a_backfill_are_not_counted() -> AbstractContextManager[Any]:
    return patch.object(backfills, "count_open", lambda _connection, _number: 0)


@_mutant(seed=12)
def a_commit_whose_answer_is_lost_is_taken_for_undone() -> AbstractContextManager[Any]:
    usual = MemoryLedger.connect

    def connect(self: Any, *, read_only: bool = False, resolving: bool = False) -> Any:
        return usual(self, read_only=read_only, resolving=False)

    return patch.object(MemoryLedger, "connect", connect)


# --- deploys ---


@_mutant(seed=14)
def a_removed_job_goes_on() -> AbstractContextManager[Any]:
    return patch.object(definitions, "_part_with", lambda *_about, is_whole: None)


@_mutant(seed=137)
def what_waits_when_its_job_is_removed_waits_on() -> AbstractContextManager[Any]:
    return patch.object(requests, "cancel_waiting", lambda _connection, _job_id, _now: None)


@_mutant(seed=14)
def a_renamed_job_loses_its_watermark() -> AbstractContextManager[Any]:
    usual = renaming._carry_over

    def carry_over(connection: Any, former: str, job_id: str, now: int) -> bool:
        done = usual(connection, former, job_id, now)
        if done:
            connection.execute(
                "UPDATE scheduler_jobs SET watermark_us = :now WHERE job_id = :job_id",
                {"now": now + 2 * ticks.SECOND, "job_id": job_id},
            )
        return done

    return patch.object(renaming, "_carry_over", carry_over)


@_mutant(seed=20)
def the_former_id_of_a_renamed_job_stays_in_force() -> AbstractContextManager[Any]:
    usual = renaming._carry_over

    def carry_over(connection: Any, former: str, job_id: str, now: int) -> bool:
        with patch.object(job_sql, "REMOVE_JOB", f"{job_sql.REMOVE_JOB} AND false"):
            return usual(connection, former, job_id, now)

    return patch.object(renaming, "_carry_over", carry_over)
