"""Planted bugs of the claim: which ticks are claimed, how many runs may be under way, what is skipped."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any
from unittest.mock import patch

from everytick.engine import clock
from everytick.model.job import Job
from everytick.store import gaps, limits
from everytick.store import job_statements as job_sql

from simulation.mutants import worlds
from simulation.mutants.planting import mutant, other_text


@mutant(seed=1020)
def the_watermark_is_not_moved() -> AbstractContextManager[Any]:
    return other_text(
        job_sql.ADVANCE_WATERMARKS, ("watermark_us = given.upto FROM", "watermark_us = given.seen FROM")
    )


@mutant(seed=4)
def a_claim_does_not_look_whether_another_one_moved_the_watermark() -> AbstractContextManager[Any]:
    return other_text(
        job_sql.ADVANCE_WATERMARKS, ("watermark_us = given.seen\n", "watermark_us >= given.seen\n")
    )


@mutant(plan=worlds.PAUSED)
def a_claim_does_not_look_for_a_pause() -> AbstractContextManager[Any]:
    return other_text(job_sql.ADVANCE_WATERMARKS, ("AND paused_us IS NULL", ""))


@mutant(seed=237)
def skipped_ticks_are_not_written_down() -> AbstractContextManager[Any]:
    return patch.object(gaps, "skip_all", lambda _connection, _skipped, _now: None)


@mutant(seed=1020)
def runs_that_are_under_way_are_not_counted() -> AbstractContextManager[Any]:
    return patch.object(limits, "added_up", lambda _rows, _by: {})


@mutant(plan=worlds.LATE_FOR_MANY)
def more_is_made_up_for_than_was_asked_for() -> AbstractContextManager[Any]:
    return patch.object(Job, "most_waiting", 10)


@mutant(plan=worlds.LATE)
def the_grace_is_not_looked_at() -> AbstractContextManager[Any]:
    return patch.object(Job, "too_late", lambda _job, _due, _now: False)


@mutant(plan=worlds.FULL)
def a_failed_claim_is_forgotten() -> AbstractContextManager[Any]:
    return patch.object(clock.Clock, "_try_again", lambda _clock, _jobs, _problem: None)
