"""Where in the user's code something stands, for the sentences about it."""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import apscheduler

from .errors import ScheduleError
from .settings import APP_ROOT

_MACHINERY = (str(Path(__file__).parent), str(Path(apscheduler.__file__).parent))


def call_site() -> str:
    """Return `file:line` of the nearest caller that is not part of the machinery."""
    frame = sys._getframe(1)
    while frame.f_back and is_machinery(frame.f_code.co_filename):
        frame = frame.f_back
    return f"{shown_path(frame.f_code.co_filename)}:{frame.f_lineno}"


def is_machinery(filename: str) -> bool:
    """Return whether a file belongs to this runtime or to APScheduler."""
    return filename.startswith(_MACHINERY)


@functools.lru_cache(maxsize=1_000)
def shown_path(filename: str) -> str:
    """Return a file's path as a person at the app's root would write it."""
    path = Path(filename)
    return path.relative_to(APP_ROOT).as_posix() if path.is_relative_to(APP_ROOT) else filename


def fail(where: str, job: str | None, problem: object) -> ScheduleError:
    """Return the error for a declaration: place, job, what is wrong."""
    return ScheduleError(f"{where}: {f'job {job!r}: ' if job else ''}{problem}")


@contextmanager
def failing(where: str, job_id: Any) -> Iterator[None]:
    """Turn a ValueError of the block into the error for a declaration."""
    try:
        yield
    except ValueError as problem:
        raise fail(where, job_id if isinstance(job_id, str) else None, problem) from None
