"""Where in the user's code something stands, for the sentences about it."""

from __future__ import annotations

import functools
import os
import sys
import sysconfig
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import apscheduler
from everytick import app
from everytick.errors import ConfigurationError, LedgerError, ScheduleError, message_of

# Of the installed package, and of APScheduler's; with a separator, or `everytick_shop` beside it would count.
_LIBRARIES = tuple(f"{Path(module).parent}{os.sep}" for module in (__file__, apscheduler.__file__))
_INSTALLED = tuple(f"{sysconfig.get_path(name)}{os.sep}" for name in ("stdlib", "platstdlib", "purelib"))


def call_site() -> str:
    """Return `file:line` of the nearest caller that is neither in this package nor in APScheduler."""
    frame = user_frame()
    return f"{shown_path(frame.f_code.co_filename)}:{frame.f_lineno}"


def user_frame() -> FrameType:
    """Return the frame of the nearest caller that is neither in this package nor in APScheduler."""
    frame = sys._getframe(1)
    while frame.f_back and is_library_file(frame.f_code.co_filename):
        frame = frame.f_back
    return frame


def frames_above() -> list[FrameType]:
    """Return the frames of the application's code that led to this call, the nearest one first.

    Those behind code of somebody else are left out: what a framework calls is not what set it up. The import
    of a module, this package and APScheduler may stand between them.
    """
    nearest = user_frame()
    own = _package(nearest)
    frame: FrameType | None = nearest
    found = []
    while frame is not None:
        filename = frame.f_code.co_filename
        if not filename.startswith("<frozen importlib") and not is_library_file(filename):
            if _package(frame) != own and is_foreign_file(filename):
                break
            found.append(frame)
        frame = frame.f_back
    return found


def _package(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0]


@functools.lru_cache(maxsize=1_000)
def is_foreign_file(filename: str) -> bool:
    """Return whether a file belongs to Python or to an installed package."""
    return filename.startswith(("<frozen ", *_INSTALLED)) or "site-packages" in filename


def is_library_file(filename: str) -> bool:
    """Return whether a file belongs to this package or to APScheduler."""
    return filename.startswith(_LIBRARIES)


@functools.lru_cache(maxsize=1_000)
def shown_path(filename: str) -> str:
    """Return a file's path as a person at the app's root would write it."""
    path = Path(filename)
    root = app.current().root
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else filename


def fail(where: str, job: str | None, problem: object) -> ScheduleError:
    """Return the error for a declaration: place, job, problem."""
    return ScheduleError(f"{where}: {f'job {job!r}: ' if job else ''}{problem}")


class failing:
    """Turn a ValueError of the block into the error for a declaration.

    A class, since there is one for each of very many jobs: a generator would take twice as long.
    """

    def __init__(self, where: str, job_id: Any) -> None:
        self._where, self._job_id = where, job_id if isinstance(job_id, str) else None

    def __enter__(self) -> None:
        """Nothing is prepared."""

    def __exit__(self, _kind: object, problem: BaseException | None, _traceback: object) -> None:
        if isinstance(problem, ValueError):
            raise fail(self._where, self._job_id, problem) from None


@contextmanager
def in_sentences() -> Iterator[None]:
    """Turn what the user's code raises in the block into an error that says where it comes from.

    The engine's own errors, which are one sentence already, pass unchanged.
    """
    try:
        yield
    except (ConfigurationError, LedgerError):
        raise
    except Exception as problem:
        raise ScheduleError(_in_a_sentence(problem)) from None


def _in_a_sentence(problem: Exception) -> str:
    """Return where in the user's code a problem comes from, and what it is."""
    if not_text := _no_crontab(problem):
        given = f"{place_of(problem)}: from_crontab({not_text[0]!r:.80})"
        return f"{given} is no text: give a line such as '0 9 * * mon-fri'"
    kind = "" if isinstance(problem, ImportError | SyntaxError) else f"{type(problem).__name__}: "
    message = problem.msg if isinstance(problem, SyntaxError) else message_of(problem)
    return f"{place_of(problem)}: {kind}{message}"


def _no_crontab(problem: Exception) -> tuple[object] | None:
    """Return what APScheduler was given for a line of a crontab that is no text, as a tuple; else None."""
    step = problem.__traceback__
    while step is not None and step.tb_next is not None:
        step = step.tb_next
    if step is None:
        return None
    code = step.tb_frame.f_code
    if code.co_name != "from_crontab" or not is_library_file(code.co_filename):
        return None
    given = step.tb_frame.f_locals.get("expr")
    return None if isinstance(given, str) else (given,)


def place_of(problem: BaseException) -> str:
    """Return `file:line` of the user's code that a problem came from."""
    if isinstance(problem, SyntaxError) and problem.filename:
        return f"{shown_path(problem.filename)}:{problem.lineno}"
    for frame in reversed(traceback.extract_tb(problem.__traceback__)):
        own = (
            Path(frame.filename).is_relative_to(app.current().root) and "site-packages" not in frame.filename
        )
        if own and not is_library_file(frame.filename):
            return f"{shown_path(frame.filename)}:{frame.lineno}"
    return app.current().schedule_file
