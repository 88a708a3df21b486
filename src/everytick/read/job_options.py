"""What was declared of a job beside its trigger: its arguments, its options, and where it stands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from everytick.model import ticks
from everytick.model.job import Job
from everytick.store.declared_options import shown_arguments

from .known_job import Declared, KnownJob

if TYPE_CHECKING:
    from .schemas import JobOptions


def declared_job(job: KnownJob, declared: Declared) -> Job | None:
    """Return a job as it stands in the code, or as it was added while running.

    None if it stands in code that is not loaded here, or cannot run here.
    """
    return declared.in_code.get(job.id) or job.load(declared)[0]


def job_options(job: Job) -> JobOptions:
    """Return the options of a job as they are shown; lengths are seconds."""
    options = job.options
    return {
        "arguments": shown_arguments(job),
        "misfire_grace_time": options.misfire_grace_time,
        "coalesce": options.coalesce,
        "max_instances": options.max_instances,
        "overlap": options.overlap,
        "max_catch_up": options.max_catch_up,
        "timeout": options.timeout,
        "retries": options.retries,
        "retry_delay": options.retry_delay,
        "on_crash": options.on_crash,
        "queue": options.queue,
        "group": options.group,
        "alert": options.alert,
        "ping": options.ping is not None,
        "jitter": job.schedule.jitter / ticks.SECOND,
    }
