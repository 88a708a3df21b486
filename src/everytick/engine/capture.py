"""Captures the error, the traceback and the newest log lines of a run.

All of it is bounded, is text that any database takes, and shows no secret of the settings.
"""

from __future__ import annotations

import traceback
from collections import deque
from contextvars import ContextVar, Token
from typing import Any

from everytick.settings import SchedulerSettings
from loguru import logger

# Kept of an error, a traceback and a log, in characters.
_ERROR_LENGTH = 2_000
_TRACEBACK_LENGTH = 20_000
_LOG_LENGTH = 50_000
_FORMAT = "{time:YYYY-MM-DD HH:mm:ss.SSS} {level: <8} {message}"


class Lines:
    """The newest log lines of one attempt."""

    def __init__(self) -> None:
        self._lines: deque[str] = deque()
        self._length = 0
        self._dropped = 0

    def add(self, line: str) -> None:
        """Add a line; the oldest make room for it."""
        line = line if len(line) <= _LOG_LENGTH else f"{line[:_LOG_LENGTH]} ...\n"
        self._lines.append(line)
        self._length += len(line)
        while self._length > _LOG_LENGTH:
            self._length -= len(self._lines.popleft())
            self._dropped += 1

    def text(self) -> str | None:
        """Return the lines; None if there are none."""
        if not self._lines:
            return None
        first = f"({self._dropped} older line(s) left out)\n" if self._dropped else ""
        return without_secrets(first + "".join(list(self._lines)))


_lines: ContextVar[Lines | None] = ContextVar("scheduler_lines", default=None)
_sink: int | None = None
_level = "INFO"


def attach(level: str | None = None) -> None:
    """Capture what runs log; call it again after the application removed all of loguru's sinks."""
    global _sink, _level
    _level = level or _level
    if _sink is None or _sink not in logger._core.handlers:  # type: ignore[attr-defined]
        _sink = logger.add(_keep, level=_level, format=_FORMAT, backtrace=False, diagnose=False)


def begin() -> tuple[Lines, Token[Lines | None]]:
    """Keep what is logged from here on, in this context and those that are copied from it."""
    attach()
    lines = Lines()
    return lines, _lines.set(lines)


def end(token: Token[Lines | None]) -> None:
    """Keep no more of what is logged in this context."""
    _lines.reset(token)


def _keep(message: Any) -> None:
    lines = _lines.get()
    if lines is not None:
        lines.add(str(message))


def without_secrets(text: str) -> str:
    """Return text in which the secrets of the settings are stars."""
    # The longest first: one may be a part of another.
    for secret in sorted(SchedulerSettings.secrets, key=len, reverse=True):
        text = text.replace(secret, "*****")
    return _storable(text)


def one_line(problem: BaseException) -> str:
    """Return what an exception says."""
    said = " ".join("".join(traceback.format_exception_only(problem)).split())
    return _cut(without_secrets(said), _ERROR_LENGTH)


def trace(problem: BaseException) -> str:
    """Return the traceback of an exception."""
    return _cut(without_secrets("".join(traceback.format_exception(problem))), _TRACEBACK_LENGTH)


def _storable(text: str) -> str:
    """Return text without lone surrogates and NUL."""
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")


def _cut(text: str, length: int) -> str:
    """Return text that is cut in the middle if it is too long."""
    if len(text) <= length:
        return text
    return f"{text[: length // 2]} ... ({len(text) - length} characters left out) ... {text[-length // 2 :]}"
