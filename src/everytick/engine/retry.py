"""Whether a run that did not succeed begins another attempt, and when."""

from __future__ import annotations

from dataclasses import replace

from everytick.model import ticks
from everytick.model.job import Job
from everytick.store.records import Outcome
from everytick.store.workers import MOST_CRASHES
from everytick.text.durations import duration
from loguru import logger


def with_next_attempt(outcome: Outcome, job: Job, now: int) -> Outcome:
    """Say when a failed run is tried again, or until when one that was cut off may be; `now`: an instant."""
    claim = outcome.claim
    if outcome.state in ("failed", "timed_out"):
        retry_at = job.retry_at(claim.run_id, claim.attempt - claim.crashes, now)
        if retry_at is not None:
            logger.bind(job=job.id).warning("will be tried again in {}", duration(retry_at - now))
        return replace(outcome, retry_at=retry_at)
    again = job.options.on_crash == "rerun" and claim.crashes < MOST_CRASHES
    if outcome.state == "interrupted" and again:
        grace = job.options.grace
        return replace(outcome, rerun_until=ticks.FOREVER if grace is None else now + grace)
    return outcome
