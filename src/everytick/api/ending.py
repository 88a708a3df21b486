"""The end of a process of the scheduler's own, whatever jobs do to keep it."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from everytick import standard_streams
from everytick.system import HANGUP_SIGNAL, STOP_SIGNALS, end_of_children, system
from loguru import logger

# How long the interpreter may take for its end, in seconds: when a thread or process holds it up, and when
# nothing is known that does.
_HELD_UP, _BUSY = 2.0, 8.0
# How long behind the grace time runs are cancelled and outcomes written, in seconds.
_CLEAN_UP = 10.0


def end(code: int) -> None:
    """End the process at once, and the processes that jobs have begun by `multiprocessing`."""
    end_of_children(_children())
    logger.complete()
    standard_streams.put_back("flush")
    for stream in (sys.stdout, sys.stderr):
        # A job may have put there whatever it likes.
        with suppress(Exception):
            stream.flush()
    standard_streams.finish()
    system.end_process(code)


class Guard:
    """Ends the process if it was asked to stop and its event loop, blocked by a job, does not answer."""

    def __init__(self, loop: asyncio.AbstractEventLoop, grace: float) -> None:
        self._loop, self._grace = loop, grace
        self.is_asked = False
        self._asked, self._asked_again, self._over = system.event(), system.event(), system.event()
        self._then: Callable[[], None] | None = None
        # Not when it is asked: by then a job may have left no memory for a thread.
        try:
            system.start_thread(self._watch, name="scheduler-guard")
        except (RuntimeError, MemoryError) as problem:
            logger.error("nothing watches that the process ends in time, whatever jobs hold up: {}", problem)

    def asked(self, *, again: bool) -> None:
        """Begin to watch, and hurry when it was asked `again`. Called by the handler of a signal."""
        if self.is_asked and again:
            self._asked_again.set()
        elif not self.is_asked:
            self.is_asked = True
            self._asked.set()

    def over(self, then: Callable[[], None] | None = None) -> None:
        """Watch no more: all runs have ended or were cut. The thread goes on with `then`."""
        self._then = then
        self._over.set()
        self._asked.set()
        self._asked_again.set()

    def _watch(self) -> None:
        self._asked.wait()
        self._asked_again.wait(self._grace + _CLEAN_UP)
        while not self._over.is_set():
            answered = system.event()
            try:
                self._loop.call_soon_threadsafe(answered.set)
            except RuntimeError:
                # It is closed.
                return
            patience = _HELD_UP if self._asked_again.is_set() else _BUSY
            if not answered.wait(patience) and not self._over.is_set():
                task = asyncio.current_task(self._loop)
                name = task.get_name() if task else "something outside of any task"
                logger.error("ended without waiting for runs: {} blocks the event loop", name)
                end(1)
            self._over.wait(1.0)
        if self._then is not None:
            self._then()


def end_in_time(guard: Guard, ends_at: float, in_a_hurry: bool) -> None:
    """Let the process end by then, a moment of the monotonic clock, or when a further signal comes.

    `guard`: it has no run to watch any more. Otherwise the interpreter waits at its end for each thread and
    each process that a job left behind.
    """
    hurry = system.event()
    for number in STOP_SIGNALS:
        if number == HANGUP_SIGNAL:
            system.ignore_signal(number)
        else:
            system.on_signal(number, hurry.set)
    patience = 0.0 if in_a_hurry else ends_at - system.monotonic()
    loop = asyncio.get_running_loop()
    mine = asyncio.current_task()

    def end_soon() -> None:
        hurry.wait(patience)
        # Most often the interpreter ends meanwhile, and this thread with it.
        system.sleep(_HELD_UP)
        if not (left := _left_behind(loop, mine)):
            system.sleep(_BUSY)
            left = _left_behind(loop, mine) or ["something that is neither a thread nor a process"]
        logger.error("ended, although a job had left behind what goes on: {}", ", ".join(left))
        end(1)

    # On the thread that is there: where a job left no memory, the start of another one may never return.
    guard.over(end_soon)


def _children() -> list[Any]:
    """Return the processes that jobs have begun by `multiprocessing` and that go on."""
    # Not imported for this: then there are none.
    module = sys.modules.get("multiprocessing.process")
    return [] if module is None else sorted(module.active_children(), key=lambda it: str(it.name))


def _left_behind(loop: asyncio.AbstractEventLoop, mine: asyncio.Task[Any] | None) -> list[str]:
    """Return what jobs left behind that the interpreter waits for at its end."""
    threads = [it for it in threading.enumerate() if not it.daemon and it is not threading.main_thread()]
    found = [f"the process {child.name}" for child in _children()]
    found += [f"the thread {thread.name}" for thread in threads]
    try:
        tasks = [task.get_coro() for task in asyncio.all_tasks(loop) if task is not mine]
    except RuntimeError:
        # They change meanwhile.
        tasks = []
    return found + [f"a task of {getattr(work, '__qualname__', type(work).__name__)}" for work in tasks]
