"""Planted bugs of excluded days, and of ticks that are moved to a workday."""

from __future__ import annotations

from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Any
from unittest.mock import patch

from everytick.model.ticks import counting
from everytick.model.ticks.excluding import ExcludingTicks

from simulation.mutants.planting import mutant

_DAY = timedelta(days=1)


@mutant(seed=11)
def a_tick_of_an_excluded_day_is_due() -> AbstractContextManager[Any]:
    return patch.object(ExcludingTicks, "_next_kept", lambda ticks, after: ticks.source.next(after))


@mutant(seed=11)
def the_day_after_an_excluded_one_is_left_out_too() -> AbstractContextManager[Any]:
    usual = ExcludingTicks._find_target

    def find_target(self: Any, day: Any) -> Any:
        return None if usual(self, day - _DAY) is None else usual(self, day)

    return patch.object(ExcludingTicks, "_find_target", find_target)


@mutant(seed=31)
def the_ticks_of_excluded_days_are_counted_in_a_gap() -> AbstractContextManager[Any]:
    def count(ticks: Any, after: int, until: int, limit: int, check: Any) -> int | None:
        return counting.count(ticks.source, after, until, limit, check)

    return patch.object(counting, "_count_excluding", count)


@mutant(seed=258)
def the_ticks_of_an_excluded_day_are_not_moved() -> AbstractContextManager[Any]:
    return patch.object(ExcludingTicks, "_next_of_shifted", ExcludingTicks._next_kept)


@mutant(seed=258)
def a_tick_is_moved_by_a_day_more_than_needed() -> AbstractContextManager[Any]:
    usual = ExcludingTicks._workday_from

    def workday_from(self: Any, day: Any, step: Any) -> Any:
        found = usual(self, day, step)
        return None if found is None else usual(self, found, step)

    return patch.object(ExcludingTicks, "_workday_from", workday_from)
