"""Names that this package had in an earlier version or APScheduler has, for files of yours that use them.

A name that is removed still works for one minor version, with a warning that says what to write instead.
"""

from __future__ import annotations

import warnings
from typing import NamedTuple


class Renamed(NamedTuple):
    """The present name for a former one, and the version of the template in which the former ends."""

    name: str
    until: str


FORMER_NAMES: dict[str, Renamed] = {}

# APScheduler's classes for other kinds of programs, and what does their work here.
_OF_APSCHEDULER = {
    "TornadoScheduler": "take AsyncIOScheduler, since Tornado runs on the event loop of asyncio",
    "TwistedScheduler": "take BackgroundScheduler, whose event loop is on a thread of its own",
    "QtScheduler": "take BackgroundScheduler, whose event loop is on a thread of its own",
    "GeventScheduler": "take AsyncIOScheduler, and run it as a process of its own with `everytick run`",
}


def present_name(module: str, name: str) -> str:
    """Return what `module` calls `name` now, with a DeprecationWarning at the line that used it.

    Raises:
        AttributeError: it never had that name, or has it no more.
        ImportError: APScheduler has a class of this name, which has no counterpart here.
    """
    if name in _OF_APSCHEDULER:
        # `from everytick import ...` shows the sentence of an ImportError, not that of an AttributeError.
        instead = _OF_APSCHEDULER[name]
        raise ImportError(f"{module} has no {name}: {instead}", name=name)
    if name not in FORMER_NAMES:
        raise AttributeError(f"module {module!r} has no attribute {name!r}")
    now = FORMER_NAMES[name]
    warnings.warn(
        f"{module}.{name} is called {now.name} now: write that; the old name goes with version {now.until}"
        " of the template",
        DeprecationWarning,
        # Over this function and the package's __getattr__, to the import.
        stacklevel=3,
    )
    return now.name
