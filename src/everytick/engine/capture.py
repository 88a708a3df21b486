"""Captures the error, the traceback and the newest log lines of a run.

All of it is bounded, is text that any database takes, and shows no secret of the settings.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import os
import re
import traceback
from collections import Counter, deque
from collections.abc import Callable
from contextvars import ContextVar, Token
from datetime import timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from everytick.call_site import is_library_file
from everytick.masking import LONGEST_TEXT, masked
from everytick.settings import zone_of_logs
from everytick.text.wording import cut_in_the_middle, storable, with_further_lines_indented
from loguru import logger

from .safe_errors import NotShown, safe_now, type_name

if TYPE_CHECKING:
    from loguru import Record

# Kept of an error, a traceback and a log, in characters.
_ERROR_LENGTH = 2_000
_TRACEBACK_LENGTH = 20_000
_LOG_LENGTH = 50_000
# How a log line shows when it was written: in the scheduler's zone, with its offset; see `prepare`.
TIME_OF_LINE = "{time:YYYY-MM-DD HH:mm:ss.SSSZ}"


# What loguru takes for a colour.
_TAG = re.compile(r"\\?</?(?:[fb]g\s)?[^<>\s]*>")
_NO_FRAMES = "_everytick_no_frames"
# By these the engine calls jobs.
_CALLING = tuple(
    f"{Path(module.__file__).parent}{os.sep}" for module in (asyncio, concurrent.futures) if module.__file__
)


class Lines:
    """The newest log lines of one attempt."""

    def __init__(self) -> None:
        self._lines: deque[str] = deque()
        self._length = 0
        self._dropped = 0
        # How many lines were ever added.
        self.number = 0

    def add(self, line: str) -> None:
        """Add a line; the oldest make room for it."""
        # Masked before it is cut: of a secret that is cut, a part would be left.
        line = storable(masked(line))
        line = line if len(line) <= _LOG_LENGTH else f"{line[:_LOG_LENGTH]} ...\n"
        self._lines.append(line)
        self._length += len(line)
        while self._length > _LOG_LENGTH:
            self._length -= len(self._lines.popleft())
            self._dropped += 1
        self.number += 1

    def text(self) -> str | None:
        """Return the lines; None if there are none."""
        if not self._lines:
            return None
        first = f"({self._dropped} older line(s) left out)\n" if self._dropped else ""
        return first + "".join(list(self._lines))


_lines: ContextVar[Lines | None] = ContextVar("scheduler_lines", default=None)
_sink: int | None = None
_level = "INFO"


def attach(level: str | None = None) -> None:
    """Capture what runs log; call it again after the application removed all of loguru's sinks."""
    global _sink, _level
    _level = level or _level
    if _sink is None or _sink not in logger._core.handlers:  # type: ignore[attr-defined]
        _sink = logger.add(
            _keep, level=_level, format=_line, filter=_is_of_a_run, backtrace=False, diagnose=False
        )


def prepare(record: Record) -> None:
    """Put the time of a log line into the scheduler's zone, and cut what nobody can read.

    Called by all that formats it, before anything looks at the text.
    """
    if len(record["message"]) > LONGEST_TEXT:
        record["message"] = masked(record["message"])
    there = record["time"].astimezone(zone_of_logs())
    # Loguru can show the offset of a zone only if that has always the same.
    record["time"] = there.astimezone(timezone(there.utcoffset() or timedelta(), there.tzname() or ""))
    if record["exception"] is not None and record["exception"].value is not None:
        # Loguru makes its text too, and mostly on the event loop.
        shown = safe_now(record["exception"].value)
        record["exception"] = record["exception"]._replace(type=type(shown), value=shown)


def trace_of(record: Record) -> str:
    """Return the traceback of a log line, as `trace` has it, with a line end; nothing if there is none."""
    raised = record["exception"]
    return "" if raised is None or raised.value is None else f"{trace(raised.value).rstrip()}\n"


def in_template(text: str) -> str:
    """Return text as it stands in a template of loguru, where braces and tags mean something."""
    return _TAG.sub(r"\\\g<0>", text.replace("{", "{{").replace("}", "}}"))


def _line(record: Record) -> str:
    prepare(record)
    said = with_further_lines_indented(record["message"])
    message = "{message}" if said == record["message"] else in_template(said)
    trace = with_further_lines_indented(f"\n{trace_of(record)}".rstrip())
    return f"{TIME_OF_LINE} {{level: <8}} {message}{in_template(trace)}\n"


def begin() -> tuple[Lines, Token[Lines | None]]:
    """Keep the log lines from here on, in this context and those that are copied from it."""
    attach()
    lines = Lines()
    return lines, _lines.set(lines)


def end(token: Token[Lines | None]) -> None:
    """Keep no more log lines of this context."""
    _lines.reset(token)


def _is_of_a_run(_record: Record) -> bool:
    # Asked before the line gets its text, which is most of the work.
    return _lines.get() is not None


def _keep(message: Any) -> None:
    lines = _lines.get()
    if lines is not None:
        lines.add(str(message))


def without_secrets(text: str) -> str:
    """Return text in which the secrets of the settings are stars, as any database takes it."""
    return storable(masked(text))


def one_line(problem: BaseException) -> str:
    """Return what an exception says, and why: the parts of a group, else what it was raised from.

    Raises nothing, whatever the exception does.
    """
    return _described(problem, _one_line, _ERROR_LENGTH)


def _described(problem: BaseException, describe: Callable[[BaseException], str], length: int) -> str:
    """Return a text about an exception, in which nothing that its code does is an error of who asks."""
    try:
        return cut_in_the_middle(storable(describe(safe_now(problem))), length)
    except BaseException:
        return storable(f"an exception of type {type_name(problem)} that cannot be shown")


def _one_line(problem: BaseException) -> str:
    return _said(problem, {id(problem)})


def _said(problem: BaseException, seen: set[int]) -> str:
    raised = traceback.TracebackException(type(problem), problem, None)
    # A program may have put anything there.
    notes: Any = raised.__notes__
    raised.__notes__ = None
    # Masked before the white space goes, which may be a part of a secret.
    sentence = _on_a_line("".join(raised.format_exception_only()))
    texts = [note for note in notes if isinstance(note, str)] if isinstance(notes, list) else []
    sentence += "".join(f" (note: {_on_a_line(note)})" for note in texts)
    if isinstance(problem, BaseExceptionGroup):
        # Often many parts say the same, as when one host does not answer.
        shown = [part for part in problem.exceptions if not isinstance(part, NotShown)]
        parts = Counter(_said(part, seen | {id(part)}) for part in shown)
        listed = [text if number == 1 else f"{text} ({number} times)" for text, number in parts.items()]
        if rest := len(problem.exceptions) - len(shown):
            listed.append(f"and {rest} more")
        sentence += f": [{'; '.join(listed)}]"
    cause = problem.__cause__
    if cause is None or id(cause) in seen:
        return sentence
    why = _said(cause, seen | {id(cause)})
    # Most libraries repeat what the error below said.
    return sentence if masked(str(cause)) in sentence else f"{sentence} (from {why})"


def _on_a_line(text: str) -> str:
    return " ".join(masked(text).split())


def without_frames(problem: RuntimeError) -> RuntimeError:
    """Return an error that the engine raises about a job, of which no frame leads to the user's code."""
    problem.__dict__[_NO_FRAMES] = True
    return problem


def trace(problem: BaseException) -> str:
    """Return the traceback of an exception, from the first frame on that is the user's own.

    Raises nothing, whatever the exception does.
    """
    return _described(problem, _trace, _TRACEBACK_LENGTH)


def _trace(problem: BaseException) -> str:
    shown = traceback.TracebackException.from_exception(problem)
    _count_all_parts(shown, problem)
    _leave_out_machinery(shown)
    if _NO_FRAMES in problem.__dict__:
        shown.stack.clear()
    return masked("".join(shown.format()))


def _count_all_parts(shown: traceback.TracebackException, problem: BaseException) -> None:
    """Let a group show how many parts it has, of which there may be only some (see `safe_errors`)."""
    todo: list[tuple[Any, BaseException | None]] = [(shown, problem)]
    while todo:
        one, of = todo.pop()
        if one is None or of is None:
            continue
        todo += [(one.__cause__, of.__cause__), (one.__context__, of.__context__)]
        if isinstance(of, BaseExceptionGroup) and one.exceptions:
            todo += zip(one.exceptions, of.exceptions, strict=True)
            one.exceptions += one.exceptions[-1:] * (len(of.exceptions) - len(one.exceptions))


def _leave_out_machinery(shown: traceback.TracebackException) -> None:
    """Let a traceback, and those of its causes, begin with the user's code; the engine's own error stays."""
    todo, seen = [shown], set[int]()
    while todo:
        one = todo.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        # There is none of the user's in a cause that asyncio raised, nor in the group that Python makes at
        # the end of an `except*`.
        without = 0 if one is shown and not one.exceptions else len(one.stack)
        begin = next((at for at, frame in enumerate(one.stack) if not _is_machinery(frame.filename)), without)
        del one.stack[:begin]
        todo += [other for other in (one.__cause__, one.__context__, *(one.exceptions or ())) if other]


def _is_machinery(filename: str) -> bool:
    """Return whether a file belongs to the engine, or to a library by which it calls jobs."""
    return is_library_file(filename) or filename.startswith(_CALLING)
