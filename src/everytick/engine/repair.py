"""Puts back what all code of the process shares where a job has made it unusable (R12)."""

from __future__ import annotations

import sys
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, TypeVar

from everytick import standard_streams
from everytick.masking import masked
from everytick.system import put_back_signals, system
from everytick.text.wording import without_control
from loguru import logger
from loguru._error_interceptor import ErrorInterceptor
from loguru._handler import Handler

from . import capture

T = TypeVar("T")

_emit_of_loguru: Any = Handler.emit
# Without them Python starts no more threads.
_HOOKS = ((sys, sys.__excepthook__), (threading, threading.__excepthook__))


def before_a_run() -> None:
    """Put back what a run needs, and log it in the name of the one that begins here."""
    if done := _what_runs_need():
        _tell_of(done, "before this run")


def after_a_run() -> None:
    """Put back the unusable, and log it in the name of the run that ends here: most often it did that.

    A signal that was taken over is no matter of who begins: it is given back with the next end of a run.
    """
    done = _what_runs_need()
    done += put_back_signals()
    if done:
        _tell_of(done, "by the end of this run")


def _what_runs_need() -> list[str]:
    done = standard_streams.put_back()
    for module, usual in _HOOKS:
        if getattr(module, "excepthook", None) is None:
            module.excepthook = usual  # type: ignore[attr-defined]
            done.append(f"{module.__name__}.excepthook")
    return done


def _tell_of(done: list[str], when: str) -> None:
    for name in done:
        logger.error("{} was put back: {} a job had made it unusable for all code of the process", name, when)


async def aside(function: Callable[[], T]) -> T:
    """Call a function on a thread of its own; here where a job has left no room for threads."""
    try:
        calling: Awaitable[T] = system.in_thread(function)
    except RuntimeError:
        return function()
    return await calling


def let_no_log_line_raise() -> None:
    """Let a line of the log that cannot be written be no error of who logs it.

    Loguru tells of it on standard error with the `repr` of all that was logged, secrets and code of jobs
    included, and raises where a job has closed or replaced that. A sink that a job has added with
    `catch=False` would raise into the scheduler and into other runs.
    """
    ErrorInterceptor.print = _tell_of_line  # type: ignore[method-assign]
    if Handler.emit is not _emit:
        Handler.emit = _emit  # type: ignore[method-assign]


def _emit(handler: Any, record: dict[str, Any], *given: Any) -> None:
    try:
        _emit_of_loguru(handler, record, *given)
    except KeyboardInterrupt:
        # Of a person, most often.
        raise
    except BaseException as problem:
        _tell_of_line(handler._error_interceptor, record, exception=problem)


def _tell_of_line(
    interceptor: Any, record: dict[str, Any] | None = None, *, exception: BaseException | None = None
) -> None:
    problem = exception or sys.exc_info()[1]
    with suppress(Exception):
        why = "" if problem is None else capture.trace(problem)
        line = "" if record is None else f": {record['message']}"
        said = f"a line of the log could not be written by sink {interceptor._handler_id}{line}\n{why}"
        sys.stderr.write(without_control(masked(said)))
