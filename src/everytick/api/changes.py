"""The attributes that can be changed of a job that was added while running, and what to use for the rest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from everytick.errors import nearest
from everytick.model.job import OPTION_NAMES

from . import exclusions, triggers
from .declare import KNOWN_NAMES

CHANGEABLE = OPTION_NAMES | exclusions.NAMES | {"func", "args", "kwargs", "name", "trigger"}


def instead(job_id: str, name: str, given: Mapping[str, Any]) -> str:
    """Return what to use instead of an argument that a method does not take: the end of its sentence."""
    if name == "next_run_time" and given[name] is None:
        return f": write pause_job({job_id!r}) to pause the job"
    if name == "next_run_time":
        return (
            f", since a job runs when its trigger says: write run_job_now({job_id!r}) for a run now,"
            f" resume_job({job_id!r}) to end a pause, or add a job with trigger='date' for a run at another"
            " time"
        )
    if name in CHANGEABLE:
        return f": write modify_job({job_id!r}, {name}=...)"
    if name in KNOWN_NAMES:
        return ": remove the job and add it anew"
    if any(name in triggers.parameters(trigger) for trigger in triggers.BY_NAME):
        return f": write reschedule_job({job_id!r}, trigger=..., {name}=...)"
    return nearest(name, CHANGEABLE) or f": it takes {', '.join(sorted(CHANGEABLE))}"
