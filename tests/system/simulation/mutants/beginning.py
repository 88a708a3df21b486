"""Planted bugs between the claim of a run and its first line."""

from __future__ import annotations

import math
from contextlib import AbstractContextManager
from itertools import chain
from typing import Any
from unittest.mock import patch

from everytick.engine import admission, held, runner
from everytick.store import queue
from everytick.store.records import Claim, JobState

from simulation.found import FOUND
from simulation.mutants import worlds
from simulation.mutants.planting import mutant


@mutant(plan=worlds.POISONED)
def a_run_is_entered_before_it_is_recorded_as_started() -> AbstractContextManager[Any]:
    usual = admission.Admission.dispatch

    def dispatch(self: Any, found: list[list[Claim]]) -> None:
        for claim in chain.from_iterable(found):
            claim.started = True
        usual(self, found)

    return patch.object(admission.Admission, "dispatch", dispatch)


@mutant(seed=1020)
def a_run_begins_at_its_tick_and_not_at_its_due_instant() -> AbstractContextManager[Any]:
    usual = admission.Admission.dispatch

    def dispatch(self: Any, found: list[list[Claim]]) -> None:
        for claim in chain.from_iterable(found):
            claim.due = claim.tick or claim.due
        usual(self, found)

    return patch.object(admission.Admission, "dispatch", dispatch)


@mutant(plan=FOUND["claimed ahead, then paused, while the clock is set back before the tick"])
def a_process_that_was_frozen_does_not_ask_whether_a_run_is_still_its_own() -> AbstractContextManager[Any]:
    return patch.object(runner, "_FRESH_SECONDS", math.inf)


@mutant(seed=4)
def a_run_that_waits_begins_in_a_pause() -> AbstractContextManager[Any]:
    return patch.object(JobState, "is_paused", lambda _state, _now: False)


@mutant(seed=1020)
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


@mutant(
    plan=FOUND[
        "a tick that waits when newer code comes, of which a tick is due before the next one of the older"
    ]
)
def a_process_whose_loop_is_blocked_keeps_what_it_has_claimed() -> AbstractContextManager[Any]:
    return patch.object(admission.Admission, "requeue_overdue", lambda _admission: None)


@mutant(plan=worlds.LATE)
def a_run_that_was_given_back_is_entered_all_the_same() -> AbstractContextManager[Any]:
    return patch.object(held.Held, "remove", _remove_or_not)


def _remove_or_not(self: Any, claims: list[Claim]) -> bool:
    self._lists.pop(id(claims), None)
    return True


@mutant(seed=11)
def the_runs_behind_one_that_was_entered_are_forgotten() -> AbstractContextManager[Any]:
    return patch.object(admission.Admission, "_hold_others", lambda _admission, _claims: False)
