"""Planted bugs of what becomes of a process that died, and of what it held."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any
from unittest.mock import patch

from everytick.engine import heartbeats
from everytick.model import ticks
from everytick.store import joining, workers
from everytick.store import process_statements as process_sql
from everytick.store import statements as sql
from everytick.system import system

from simulation.found import FOUND
from simulation.mutants import worlds
from simulation.mutants.planting import mutant, replaced, without


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


@mutant(seed=159)
def a_lease_ends_by_the_wall_clock() -> AbstractContextManager[Any]:
    return _dying(heartbeats.LEASE_SECONDS, lambda: ticks.now() / ticks.SECOND)


@mutant(plan=worlds.STORM)
def a_lease_is_too_short() -> AbstractContextManager[Any]:
    return _dying(4.0, lambda: system.monotonic())


@mutant(plan=worlds.STORM)
def nobody_looks_for_those_that_died() -> AbstractContextManager[Any]:
    return patch.object(heartbeats.Heartbeats, "_find_silent", lambda _beats, _connection, _dead: None)


@mutant(seed=326)
def a_lost_run_is_rescued_twice() -> AbstractContextManager[Any]:
    return without(sql, "TAKE_CUT", "rerun_until_us = NULL,")


@mutant(seed=326)
def what_a_dead_process_had_reserved_is_not_given_back() -> AbstractContextManager[Any]:
    return patch.object(sql, "RELEASE_RUNS_OF", f"{sql.RELEASE_RUNS_OF} AND false")


@mutant(plan=worlds.POISONED)
def what_a_dead_process_ran_is_given_up() -> AbstractContextManager[Any]:
    return replaced(sql, "LOSE_RUNS_OF", "<> 'rerun'", "= 'rerun'")


@mutant(seed=4)
def a_lost_run_keeps_its_attempt_to_itself() -> AbstractContextManager[Any]:
    return replaced(sql, "ARCHIVE_CUT", " ON CONFLICT", " AND false ON CONFLICT")


@mutant(seed=14)
def a_process_that_joins_others_takes_its_start_for_a_new_one() -> AbstractContextManager[Any]:
    usual = joining._clear_dead

    def clear(connection: Any, me: Any) -> Any:
        found = usual(connection, me)
        found.peers.clear()
        return found

    return patch.object(joining, "_clear_dead", clear)


@mutant(plan=worlds.POISONED)
def a_run_is_tried_again_after_any_number_of_crashes() -> AbstractContextManager[Any]:
    return patch.object(workers, "MOST_CRASHES", 1_000)


@mutant(plan=worlds.STORM)
def a_process_that_joins_the_dead_never_learns_that_they_are() -> AbstractContextManager[Any]:
    return patch.object(heartbeats.Heartbeats, "_is_new_start", lambda *_about: False)


@mutant(
    plan=FOUND["a start of several that find only dead ones, by a clock that was set back before they died"],
    is_rare=True,
)
@contextmanager
def a_heartbeat_since_the_join_is_told_by_the_wall_clock() -> Iterator[None]:
    joined = heartbeats.Heartbeats.joined

    def join(self: Any, registration: Any) -> None:
        joined(self, registration)
        self._found = dict.fromkeys(registration.peers, registration.joined)

    def had_died(connection: Any, process_id: str, by: int) -> bool:
        row = connection.execute(process_sql.READ_END, {"process_id": process_id}).fetchone()
        return row is not None and row[0] == 1 and row[1] <= by

    with patch.object(heartbeats.Heartbeats, "joined", join), patch.object(workers, "had_died", had_died):
        yield
