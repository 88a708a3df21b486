"""Tells of jobs that are silent since the clock was set back: by hand, or where it was wrong at first.

Ticks that are used up stay so (R10). Nothing else would show why nothing runs.
"""

from __future__ import annotations

from collections.abc import Mapping

from everytick.model import ticks
from everytick.model.job import Job
from everytick.settings import zone_of_logs
from everytick.text.instants import at
from everytick.text.wording import counted, cut_list
from loguru import logger

# A clock that is kept in time is put right by less, in microseconds. It is looked at as often.
SET_BACK = 30 * ticks.SECOND


def tell(jobs: Mapping[str, Job], used: Mapping[str, int], now: int) -> None:
    """Log which of these jobs have ticks that are to come and used up already, if any have.

    used: the instant up to which the ticks of each job are used up; it and `now` in microseconds UTC.
    """
    silent = {job_id: until for job_id, until in used.items() if until > now + SET_BACK and job_id in jobs}
    found = sorted(job_id for job_id, until in silent.items() if _has_tick(jobs[job_id], now, until))
    if found:
        zone, until = zone_of_logs(), max(silent[job_id] for job_id in found)
        logger.error(
            "the clock was set back: it shows {}; silent until {} at the latest, since all ticks until then"
            " are used up already: {}, {}",
            at(now, zone),
            at(min(until, ticks.LAST), zone),
            counted(len(found), "job"),
            cut_list(found),
        )


def _has_tick(job: Job, begin: int, end: int) -> bool:
    try:
        tick = job.next_tick(begin)
    except Exception:
        # Told of when its turn comes.
        return False
    return tick is not None and tick <= end
