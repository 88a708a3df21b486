"""What the log tells of runs: in each line which run it is, and how it ended."""

from __future__ import annotations

from contextlib import suppress
from contextvars import Token
from typing import Any

from everytick.model.job import Job
from loguru import logger
from loguru._logger import context as _in_each_line


def tell_in_each_line(**about: Any) -> Token[dict[str, Any]]:
    """Let each log line of this context tell what it is about, as `logger.contextualize` does.

    That is a generator, and takes the lock of all log lines twice: too much for each run.
    """
    told = _in_each_line.get()
    token: Token[dict[str, Any]] = _in_each_line.set({**told, **about} if told else about)
    return token


def tell_no_more(token: Token[dict[str, Any]]) -> None:
    """Let them tell what they told before."""
    _in_each_line.reset(token)


def log_success(job: Job) -> None:
    """Log that a run succeeded, as most do: where nobody wants to see it, that costs next to nothing."""
    # As in `log_end`. `suppress` would cost more than the line.
    try:  # noqa: SIM105
        logger.trace("{} succeeded", job.name)
    except BaseException:
        pass


def log_end(
    level: str, said: str, *values: str, job: str | None = None, problem: BaseException | None = None
) -> None:
    """Log about a run that ends: what comes of the line is no reason for the run not to end.

    A patcher or a sink of the application, which a job may also have set, may raise anything.
    """
    with suppress(BaseException):
        log = logger if job is None else logger.bind(job=job)
        log.opt(exception=problem, depth=1).log(level, said, *values)
