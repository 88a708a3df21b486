"""What was declared of a job beside its trigger: its arguments, its options, and where it stands."""

from __future__ import annotations

import reprlib
from typing import TYPE_CHECKING

from everytick.masking import masked, without_secrets
from everytick.model import ticks
from everytick.model.job import Job
from everytick.text.wording import one_line

from .known_job import Declared, KnownJob

if TYPE_CHECKING:
    from .schemas import JobOptions

# Arguments may be large, and of classes of the user: their `repr` is made to a limit, and may fail.
_reprs = reprlib.Repr()
_reprs.maxstring = _reprs.maxother = _reprs.maxlong = 120
_reprs.maxlist = _reprs.maxtuple = _reprs.maxdict = _reprs.maxset = _reprs.maxfrozenset = _MOST = 8


def declared_job(job: KnownJob, declared: Declared) -> Job | None:
    """Return a job as it stands in the code, or as it was added while running.

    None if it stands in code that is not loaded here, or cannot run here.
    """
    return declared.in_code.get(job.id) or job.load(declared)[0]


def job_options(job: Job) -> JobOptions:
    """Return the options of a job as they are shown; lengths are seconds."""
    options = job.options
    return {
        "arguments": [
            *(shown_value(value) for value in job.args),
            *(f"{name}={shown_value(value, name)}" for name, value in job.kwargs.items()),
        ],
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


def shown_value(value: object, name: str = "") -> str:
    """Return a value as code has it, on one line, shortened and without secrets."""
    return masked(one_line(_reprs.repr(without_secrets(value, name, _MOST))))
