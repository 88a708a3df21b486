"""The errors that a person is meant to read: one sentence each, never a traceback."""

from __future__ import annotations

import difflib
import errno
from collections.abc import Iterable


class ConfigurationError(Exception):
    """A setting is wrong. The message names the variable and what would be right (exit code 2).

    Example:
        from everytick import ConfigurationError, SchedulerSettings

        try:
            SchedulerSettings(scheduler_max_workers=0)
        except ConfigurationError as problem:
            print(problem)
    """


class ScheduleError(ConfigurationError):
    """A declaration in the schedule is wrong. The message begins with its file and line.

    Example:
        from everytick import AsyncIOScheduler, ScheduleError

        try:
            AsyncIOScheduler().add_job(print, "cron", hour=25)
        except ScheduleError as problem:
            print(problem)
    """


class NotFoundError(ConfigurationError):
    """There is no such job, or no such run (exit code 2; the API answers 404)."""


class LedgerError(Exception):
    """The ledger cannot be used. The message names the file and what to do (exit code 1).

    Example:
        from everytick import LedgerError, SchedulerClient

        try:
            print(len(SchedulerClient().get_jobs()))
        except LedgerError as problem:
            print(problem)
    """


# Why a process that was forked while the ledger was open here is not let at it.
FORKED = (
    "the ledger was open in the process from which this one was forked, so it cannot be used here: start the"
    " scheduler after the fork (in gunicorn in post_fork, or without --preload), or the child by"
    " multiprocessing.get_context('spawn') with SchedulerClient in it"
)


class LedgerUnavailable(LedgerError):
    """The ledger did not answer this time (locked, full, away); trying again may help."""


NO_FILE_HANDLES = (
    "no file handle is left for this process: raise its limit (`ulimit -n`, or LimitNOFILE= in a unit)"
)

# What Python says where the system gives no thread.
_NO_THREAD = "can't start new thread"
NO_THREADS = (
    "no thread is left for this process: raise its limit (`ulimit -u`, TasksMax= in a unit, or the limit of"
    " processes of a container)"
)


def lacks_threads(problem: BaseException) -> bool:
    """Return whether something failed because this process, or its user, can begin no more threads."""
    return isinstance(problem, RuntimeError) and str(problem) == _NO_THREAD


def lacks_file_handles(problem: BaseException) -> bool:
    """Return whether something failed because this process, or the system, can open no more files."""
    return isinstance(problem, OSError) and problem.errno in (errno.EMFILE, errno.ENFILE)


def message_of(problem: BaseException) -> str:
    """Return the message of an error of the user's code, without the values that pydantic shows."""
    if type(problem).__module__.partition(".")[0] != "pydantic_core" or not hasattr(problem, "errors"):
        return str(problem)
    wrong = problem.errors(include_url=False, include_input=False)
    return "; ".join(f"{'.'.join(map(str, one['loc'])) or 'all'}: {one['msg']}" for one in wrong)


def nearest(name: str, known: Iterable[str]) -> str:
    """Return `; did you mean 'x'?` for the closest of `known`, or an empty string."""
    by_lower = {candidate.lower(): candidate for candidate in known}
    close = difflib.get_close_matches(name.lower(), by_lower, n=1, cutoff=0.6)
    return f"; did you mean '{by_lower[close[0]]}'?" if close else ""


def how_to_install(part: str) -> str:
    """Return how a part of the engine is installed, as a half of a sentence."""
    answer = "answer `dashboard` with yes" if part == "dashboard" else f"name `{part}` in the answer `parts`"
    return f"install everytick[{part}] (made from the template: {answer})"
