"""Sinks of loguru, the places that log lines go to, which hold up nobody.

Loguru calls a sink in the thread that logs, and under a lock. A sink that a job or the application has added,
and that hangs, would hold up each thread that logs: the heartbeat, the event loop, the end. So each sink is
called by a thread of its own. Lines that it does not take in time are counted, and their number is logged.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from contextvars import Context, copy_context
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

from loguru import logger
from loguru._error_interceptor import ErrorInterceptor
from loguru._handler import Handler
from loguru._simple_sinks import AsyncSink

from .system import system

if TYPE_CHECKING:
    from loguru import Message

T = TypeVar("T")

# How many lines may wait for a sink. More are left out, until it has taken these.
_MOST_WAITING = 10_000
# How long the end waits for lines that the sinks have not taken yet, in seconds.
_PATIENCE = 2.0


class _Sink:
    """Takes the lines of one sink, each with its time and its context, and passes them on, on a thread."""

    def __init__(self, handler: Any) -> None:
        self.inner = handler._sink
        self._handler, self._pid = handler, system.pid()
        # The first one is being taken. None: there will be no more.
        self._waiting: deque[tuple[Context, Message] | None] = deque()
        self._is_full = False
        # How many lines were taken; how many when the last wait was in vain; how many were left out.
        self._taken, self._hung_at, self._left_out = 0, -1, 0
        self._changed = system.condition()
        self._thread = system.start_thread(self._work, name="log-sink")

    @property
    def is_here(self) -> bool:
        """Whether its thread is in this process, and not in the one from which this was forked."""
        return system.pid() == self._pid

    @property
    def hangs(self) -> bool:
        """Whether it has taken nothing since the last wait for it, which was in vain."""
        return self._hung_at == self._taken

    @property
    def name(self) -> str:
        """How loguru calls it, such as by the name of a function."""
        return str(self._handler._name)

    def write(self, message: Message) -> None:
        """Take a line; never blocks."""
        if not self.is_here:
            self.inner.write(message)
            return
        with self._changed:
            self._is_full = self._is_full or len(self._waiting) >= _MOST_WAITING
            if self._is_full:
                self._left_out += 1
            else:
                self._waiting.append((copy_context(), message))
                self._changed.notify_all()

    def stop(self) -> None:
        """End, and the sink too, unless it hangs. Called by `logger.remove`."""
        is_done = self.finish(_PATIENCE)
        with self._changed:
            self._waiting.append(None)
            self._changed.notify_all()
        if is_done:
            self.inner.stop()

    def tasks_to_complete(self) -> Any:
        """Wait some seconds at most until all lines are taken. Called by `logger.complete`."""
        self.finish(_PATIENCE)
        return self.inner.tasks_to_complete()

    def finish(self, patience: float) -> bool:
        """Wait some seconds at most until all lines are taken, and return whether they are.

        A sink that has taken nothing since the last time is not waited for.
        """
        if not self.is_here or threading.current_thread() is self._thread:
            return True
        with self._changed:
            is_done = self._changed.wait_for(lambda: not self._waiting, 0 if self.hangs else patience)
            self._hung_at = -1 if is_done else self._taken
            (_late.discard if is_done else _late.add)(self)
            return is_done

    def log_waiting(self) -> None:
        """Log how many lines were not taken, if any."""
        with self._changed:
            waiting, left_out, self._left_out = len(self._waiting), self._left_out, 0
        if waiting or left_out:
            logger.warning(
                "{} line(s) still wait for the log sink {}, and {} were left out",
                waiting,
                self.name,
                left_out,
            )

    def __reduce__(self) -> tuple[Callable[[Any], Any], tuple[Any]]:
        # A logger that is handed to another process has there the sink itself.
        return _itself, (self.inner,)

    def _work(self) -> None:
        while self._step():
            pass

    def _step(self) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting)
            first = self._waiting[0]
        if first is None:
            return False
        variables, message = first
        try:
            variables.run(self.inner.write, message)
        except BaseException:
            # It ends no run, as it would if the run itself had called the sink.
            self._handler._error_interceptor.print(message.record)
        with self._changed:
            self._waiting.popleft()
            self._taken += 1
            is_empty = not self._waiting
            self._is_full = self._is_full and not is_empty
            number, self._left_out = (self._left_out, 0) if is_empty else (0, self._left_out)
            self._changed.notify_all()
        if number:
            logger.warning(
                "{} line(s) were left out of the log sink {}, which was too slow", number, self.name
            )
        return True


# The sinks for which a wait was in vain, also those that were removed meanwhile.
_late: set[_Sink] = set()


def _itself(sink: T) -> T:
    return sink


def never_waits(sink: T) -> T:
    """Mark a sink that takes each line at once: loguru calls it in the thread that logs."""
    sink.never_waits = True  # type: ignore[attr-defined]
    return sink


# In which process the sinks have threads: not in a child that a job has forked, which ends without waiting.
_pid = 0


def hold_up_nobody() -> None:
    """Let no sink of loguru, whenever it is added, hold up what this process logs, or raise there."""
    global _pid
    _pid = system.pid()
    _let_no_line_raise()
    usual: Callable[..., None] = Handler.__init__
    if not hasattr(usual, "__wrapped__"):

        @wraps(usual)
        def begin(handler: Any, **about: Any) -> None:
            usual(handler, **about)
            if system.pid() == _pid:
                _give_thread(handler)

        Handler.__init__ = begin  # type: ignore[assignment, method-assign]
    for handler in _handlers():
        _give_thread(handler)


def finish() -> None:
    """Wait some seconds at most until all sinks have taken all lines, and log how many they have not."""
    ends = system.monotonic() + _PATIENCE
    sinks = [handler._sink for handler in _handlers() if isinstance(handler._sink, _Sink)]
    for sink in [it for it in sinks if not it.finish(max(0.0, ends - system.monotonic()))]:
        sink.log_waiting()


def hanging() -> list[str]:
    """Return the names of the sinks that took nothing while the end waited for them."""
    return [sink.name for sink in _late if sink.hangs]


def has_sinks() -> bool:
    """Return whether a line is logged anywhere: loguru removes all sinks before the interpreter's end."""
    return bool(_handlers())


def _handlers() -> list[Any]:
    return list(logger._core.handlers.values())  # type: ignore[attr-defined]


def _give_thread(handler: Any) -> None:
    sink = handler._sink
    if isinstance(sink, _Sink):
        if sink.is_here:
            return
        handler._sink = sink = sink.inner
    stream = getattr(sink, "_stream", None) or getattr(sink, "_function", None)
    # A sink that is a coroutine function only begins a task, on the event loop of who logs.
    if isinstance(sink, AsyncSink) or getattr(stream, "never_waits", False):
        return
    # Where no thread can be had, a line that holds up something is better than none.
    with suppress(RuntimeError):
        handler._sink = _Sink(handler)


def _let_no_line_raise() -> None:
    """Let a line of the log that cannot be written be no error of who logs it.

    Loguru tells of it on standard error, and raises where a job has closed or replaced that.
    """
    usual: Callable[..., None] = ErrorInterceptor.print
    if hasattr(usual, "__wrapped__"):
        return

    @wraps(usual)
    def tell(*about: Any, **more: Any) -> None:
        with suppress(Exception):
            usual(*about, **more)

    ErrorInterceptor.print = tell  # type: ignore[method-assign]
