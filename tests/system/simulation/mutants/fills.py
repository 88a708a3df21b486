"""Planted bugs of the pace of backfills, and of those of missed ticks alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any
from unittest.mock import patch

from everytick.store import backfill_statements as sql
from everytick.store import backfills

from simulation.mutants import worlds
from simulation.mutants.planting import mutant, other_text, without


@mutant(seed=258)
def the_rate_of_a_backfill_is_not_kept() -> AbstractContextManager[Any]:
    return patch.object(backfills, "interval", lambda _backfill: 0)


@mutant(seed=326)
def all_that_a_rate_had_allowed_is_made_up_for() -> AbstractContextManager[Any]:
    return patch.object(backfills, "_MADE_UP_FOR", 2**60)


@mutant(plan=worlds.MISSED)
@contextmanager
def what_succeeded_is_made_up_for_too() -> Iterator[None]:
    # Each of the two leaves it out.
    condition = "  AND state IN ('failed', 'timed_out', 'cancelled', 'interrupted', 'lost', 'skipped')\n"
    settled = other_text(sql.LIST_SETTLED, ("'succeeded', ", ""))
    with without(sql, "LIST_NOT_SUCCEEDED", condition), settled:
        yield


@mutant(seed=98)
def what_was_made_up_for_is_made_up_for_again() -> AbstractContextManager[Any]:
    return other_text(sql.LIST_SETTLED, ("for_tick_us = given.tick", "for_tick_us = -given.tick"))


@mutant(plan=worlds.MISSED)
def ticks_that_were_skipped_together_are_not_made_up_for() -> AbstractContextManager[Any]:
    return without(sql, "LIST_NOT_SUCCEEDED", ", 'skipped'")
