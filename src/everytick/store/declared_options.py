"""What the code says of a job beside its ticks, as the ledger keeps it: `diff` compares it with other code.

Of a heartbeat URL, which is a secret, a digest is kept. Arguments are kept as people are shown them: without
secrets, and shortened.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
import reprlib
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from everytick.masking import masked, without_secrets
from everytick.model import functions, ticks
from everytick.model.job import Job, Options
from everytick.text.durations import duration
from everytick.text.wording import one_line

# Arguments may be large, and of classes of the user: their `repr` is made to a limit, and may fail.
_reprs = reprlib.Repr()
_reprs.maxstring = _reprs.maxother = _reprs.maxlong = 120
_reprs.maxlist = _reprs.maxtuple = _reprs.maxdict = _reprs.maxset = _reprs.maxfrozenset = _MOST = 8
# Where an object lies in memory, which is another place in each process.
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


def kept_options(job: Job) -> str:
    """Return what a declaration says as JSON, which is the same in each process that declares the same."""
    said = {
        "arguments": [_ADDRESS.sub("", argument) for argument in shown_arguments(job)],
        "next_run_time": _next_run_time(job),
        "jitter": job.schedule.jitter / ticks.SECOND,
    }
    return f"{json.dumps(said)[:-1]}, {_as_json(job.options)[1:]}"


def identity(job: Job) -> str:
    """Return a text that is the same for two jobs only if `kept_options` of them is; made in less time."""
    try:
        arguments = functions.as_json([job.args, job.kwargs]) if job.args or job.kwargs else ""
    except ValueError:
        arguments = str(shown_arguments(job))
    return f"{arguments} {_next_run_time(job)} {_as_json(job.options)}"


def read_options(kept: object) -> Mapping[str, Any]:
    """Return what `kept_options` of an earlier declaration says; nothing if the ledger does not know it."""
    try:
        found = json.loads(kept) if isinstance(kept, str) else {}
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def shown_arguments(job: Job) -> list[str]:
    """Return the arguments of a job as people are shown them."""
    return [
        *(shown_value(value) for value in job.args),
        *(f"{name}={shown_value(value, name)}" for name, value in job.kwargs.items()),
    ]


# Most jobs have the same options.
@lru_cache(maxsize=1_000)
def _as_json(options: Options) -> str:
    said = {field.name: getattr(options, field.name) for field in dataclasses.fields(options)}
    if options.ping is not None:
        said["ping"] = hashlib.sha256(options.ping.encode()).hexdigest()[:16]
    return json.dumps(said)


def _next_run_time(job: Job) -> str | None:
    """Return how a job with `next_run_time=` begins."""
    if job.paused_at_first:
        return "paused at first"
    if job.startup_delay is None:
        return None
    return "at each start" + (f", {duration(job.startup_delay)} later" if job.startup_delay else "")


def shown_value(value: object, name: str = "") -> str:
    """Return a value as code has it, on one line, shortened and without secrets."""
    return masked(one_line(_reprs.repr(without_secrets(value, name, _MOST))))
