"""Planted bugs of limits: groups of jobs, and what becomes of the ticks that wait for earlier runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any
from unittest.mock import patch

from everytick.engine import heartbeats
from everytick.store import limit_statements, limits, queue
from everytick.store.connections import Connection

from simulation.found import FOUND
from simulation.mutants import worlds
from simulation.mutants.planting import mutant, other_text
from simulation.plan import Plan


@mutant(plan=worlds.GROUP)
def the_limit_of_a_group_is_not_looked_at() -> AbstractContextManager[Any]:
    return patch.object(queue._Taker, "_has_place_in_group", lambda _taker, _job: True)


@mutant(plan=worlds.GROUP)
def a_run_that_was_taken_does_not_count_in_its_group() -> AbstractContextManager[Any]:
    usual = queue._Taker._count

    def count(self: Any, run: Any, job: Any) -> None:
        before = self._in_groups.copy()
        usual(self, run, job)
        self._in_groups = before

    return patch.object(queue._Taker, "_count", count)


@mutant(plan=worlds.GROUP)
def what_is_under_way_elsewhere_does_not_count_in_its_group() -> AbstractContextManager[Any]:
    return other_text(
        limit_statements.COUNT_IN_GROUPS,
        ("runs.state IN ('claimed', 'running')", "runs.state = 'claimed'"),
    )


@mutant(plan=worlds.CUT_OFF)
def a_new_tick_goes_before_a_run_that_was_cut_off() -> AbstractContextManager[Any]:
    return other_text(
        limit_statements.COUNT_UNDER_WAY, ("rerun_until_us >= :now", "rerun_until_us > :now + :now")
    )


@mutant(
    plan=FOUND["a run that was reserved for later, while older ones wait for the place of a dead process"],
    is_rare=True,
)
@contextmanager
def a_run_that_was_reserved_goes_before_older_ones_that_wait_for_a_dead_process() -> Iterator[None]:
    # The one that finds that process dead looks at once for what waits: so nothing is left in that world.
    usual = heartbeats.Heartbeats._show_life

    def show_life(self: Any, connection: Connection) -> None:
        with patch.object(self, "_again", lambda _seconds: None):
            usual(self, connection)

    with (
        patch.object(limits, "is_reserved", lambda _held: False),
        patch.object(heartbeats.Heartbeats, "_show_life", show_life),
    ):
        yield


@mutant(seed=11)
def older_ticks_wait_on_behind_a_newer_one() -> AbstractContextManager[Any]:
    return patch.object(limits, "skip_older_queued", lambda *_about, at_once=False: None)


@mutant(seed=11)
def nothing_makes_way_for_a_newer_tick() -> AbstractContextManager[Any]:
    return patch.object(limits, "make_way", lambda *_about: None)


# Its jitter makes an older tick due while the run of a newer one is under way.
@mutant(plan=Plan(1, ("replaced_late",), 1, False, 6, 2.0, 6.0, ()), is_rare=True)
def a_newer_tick_makes_way_for_an_older_one() -> AbstractContextManager[Any]:
    return other_text(
        limit_statements.LIST_IN_THE_WAY,
        ("runs.job_id, process_id, tick_us", "runs.job_id, process_id, NULL"),
    )
