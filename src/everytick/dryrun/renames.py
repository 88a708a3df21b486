"""Guesses which of the jobs that a start would remove goes on under another id."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import SequenceMatcher
from typing import Any

from .start import DryRun

# What two jobs have in common counts as much; below the least they are taken for two.
_SAME_FUNCTION = 2.0
_SAME_TICKS = 2.0
_LEAST = 2.5
# More pairs take too long to compare, and mean that it is another schedule.
_MOST_PAIRS = 10_000


def perhaps_renamed(found: DryRun) -> dict[str, str]:
    """Return, for ids that a start would add, the removed one that is most probably the same job.

    Each id is guessed once, the most alike first.
    """
    registration = found.registration
    if len(registration.added) * len(registration.removed) > _MOST_PAIRS:
        return {}
    pairs = sorted(
        (
            (-_likeness(found.before[former], found.after[job_id]), job_id, former)
            for job_id in registration.added
            for former in registration.removed
        ),
    )
    guessed: dict[str, str] = {}
    for unlikeness, job_id, former in pairs:
        if -unlikeness >= _LEAST and job_id not in guessed and former not in guessed.values():
            guessed[job_id] = former
    return guessed


def _likeness(before: Mapping[str, Any], after: Mapping[str, Any]) -> float:
    """Return how much two jobs have in common: function, ticks, and letters of their ids."""
    ids = SequenceMatcher(None, before["job_id"], after["job_id"]).ratio()
    function = _SAME_FUNCTION if before["function"] == after["function"] else 0
    return ids + function + (_SAME_TICKS if before["definition"] == after["definition"] else 0)
