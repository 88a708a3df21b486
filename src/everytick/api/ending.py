"""The end of a process of the scheduler's own, whatever jobs do to keep it."""

from __future__ import annotations

import _thread
import asyncio
import os
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from everytick import standard_streams
from everytick.engine.children import of_multiprocessing
from everytick.engine.tasks import OwnTask, RunTask
from everytick.system import HANGUP_SIGNAL, STOP_SIGNALS, at_end_of_program, end_of_children, system
from everytick.system.threads import ASIDE
from loguru import logger

# How long the interpreter may take for its end, in seconds: when a thread or process holds it up, and when
# nothing is known that does.
_HELD_UP, _BUSY = 2.0, 8.0
# How long behind the grace time runs are cancelled and outcomes written, in seconds.
_CLEAN_UP = 10.0
# How long the last line of the log, and the end of children and streams, may take, in seconds.
_LAST_LINE, _LAST_THINGS = 1.0, 3.0
# Made before there is no memory for it.
_NO_MEMORY_LINE = b"error: ended: no memory is left\n"
# Where the code of the scheduler itself is.
_PACKAGE = f"{Path(__file__).parents[1]}{os.sep}"
# Set when the main thread has come to the end of the program.
_program_is_over = system.event()
at_end_of_program(_program_is_over.set)


def end(code: int, said: str = "") -> NoReturn:
    """End the process at once, and the processes that jobs have begun by `multiprocessing`.

    `said`: the last line of the log. A log and streams that a job has made hang do not keep the process.
    """
    try:
        if said and not _is_done_within(_LAST_LINE, partial(logger.error, "{}", said)):
            standard_streams.last_line(f"error: {said}\n".encode(errors="backslashreplace"))
        _is_done_within(_LAST_THINGS, _finish)
    except MemoryError:
        standard_streams.last_line(_NO_MEMORY_LINE)
    finally:
        system.end_process(code)


def end_without_memory() -> NoReturn:
    """End the process at once: nothing more can be written down, and its leases are left to the others."""
    try:
        standard_streams.last_line(_NO_MEMORY_LINE)
    finally:
        system.end_process(1)


def _finish() -> None:
    end_of_children(of_multiprocessing())
    logger.complete()
    standard_streams.put_back("flush")
    for stream in (sys.stdout, sys.stderr):
        # A job may have put there whatever it likes.
        with suppress(Exception):
            stream.flush()
    standard_streams.finish()


def _is_done_within(seconds: float, step: Callable[[], object]) -> bool:
    """Do a step that may never return on another thread; return whether it was done in time."""
    done = system.event()

    def work() -> None:
        with suppress(BaseException):
            step()
        done.set()

    try:
        # Not by `threading`, which waits until the thread has begun: without memory it never does.
        _thread.start_new_thread(work, ())
    except RuntimeError:
        # No thread can be had.
        work()
    return done.wait(seconds)


class Guard:
    """Ends the process in time if it was asked to stop, whatever jobs have done to keep it."""

    def __init__(self, loop: asyncio.AbstractEventLoop, grace: float) -> None:
        self._loop, self._grace = loop, grace
        self.is_asked = self._is_awake = False
        # A lock, since its release needs no memory, of which a job may have left none.
        self._sleep = threading.Lock()
        self._sleep.acquire()
        self._asked_again, self._over = system.event(), system.event()
        self._then: Callable[[], None] | None = None
        # Not when it is asked: by then a job may have left no memory for a thread.
        try:
            system.start_thread(self._watch, name="scheduler-guard")
        except (RuntimeError, MemoryError) as problem:
            logger.error("nothing watches that the process ends in time, whatever jobs hold up: {}", problem)

    def asked(self, *, again: bool) -> None:
        """Begin to watch, and hurry when it was asked `again`. Called by the handler of a signal."""
        if not self.is_asked:
            self.is_asked = True
            self._wake()
        elif again:
            self._asked_again.set()

    def over(self, then: Callable[[], None] | None = None) -> None:
        """Watch no more: all runs have ended or were cut. The thread goes on with `then`."""
        self._then = then
        self._over.set()
        self._asked_again.set()
        self._wake()

    def _wake(self) -> None:
        if not self._is_awake:
            self._is_awake = True
            self._sleep.release()

    def _watch(self) -> None:
        self._sleep.acquire()
        self._ends_at = system.monotonic() + self._grace + _CLEAN_UP + _BUSY
        while True:
            try:
                self._wait_until_over()
                break
            except MemoryError:
                if system.monotonic() >= self._ends_at:
                    end_without_memory()
                system.sleep(_HELD_UP)
        if self._then is not None:
            self._then()

    def _wait_until_over(self) -> None:
        self._asked_again.wait(self._ends_at - _BUSY - system.monotonic())
        if self._asked_again.is_set():
            self._ends_at = min(self._ends_at, system.monotonic() + _CLEAN_UP + _BUSY)
        while not self._over.is_set():
            patience = _HELD_UP if self._asked_again.is_set() else _BUSY
            if not self._answers(patience) and not self._over.is_set():
                task = asyncio.current_task(self._loop)
                name = task.get_name() if task else "something outside of any task"
                end(1, f"ended without waiting for runs: {name} blocks the event loop")
            if system.monotonic() >= self._ends_at and not self._over.is_set():
                end(1, _why_not_over(self._loop))
            self._over.wait(1.0)

    def _answers(self, patience: float) -> bool:
        """Return whether the event loop, or the end of the program behind it, goes on."""
        return answers(self._loop, patience)


def answers(loop: asyncio.AbstractEventLoop, patience: float) -> bool:
    """Return whether an event loop goes on, for which it has some seconds, or is closed. From any thread."""
    answered = system.event()
    try:
        loop.call_soon_threadsafe(answered.set)
    except RuntimeError:
        return True
    return answered.wait(patience)


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

    def end_soon() -> None:
        hurry.wait(patience)
        _end_what_is_left(loop)

    # On the thread that is there: where a job left no memory, the start of another one may never return.
    guard.over(end_soon)


def end_after_program(guard: Guard, loop: asyncio.AbstractEventLoop) -> None:
    """Let the process end soon after its program, whatever goes on that was cut."""

    def end_then() -> None:
        _program_is_over.wait()
        _end_what_is_left(loop)

    guard.over(end_then)


def _end_what_is_left(loop: asyncio.AbstractEventLoop) -> None:
    # Most often the interpreter ends meanwhile, and this thread with it.
    system.sleep(_HELD_UP)
    if not _left_behind(loop):
        system.sleep(_BUSY)
    end(1, f"ended, although a job had left behind what goes on: {_listed(loop)}")


# Where no job holds up the end, only what the scheduler itself has to write down can.
NOT_WRITTEN = "the ledger does not answer, so the outcomes that it lacks are not written"


def _why_not_over(loop: asyncio.AbstractEventLoop) -> str:
    if left := _left_behind(loop):
        return f"ended, although jobs hold up the end: {', '.join(left)}"
    return f"ended, although the schedule has not stopped: {NOT_WRITTEN}"


def tell_why_not_over(loop: asyncio.AbstractEventLoop) -> None:
    """Log why a schedule has not stopped when the program ends. Blocks for some seconds at most."""
    if answers(loop, _HELD_UP):
        logger.error("{}", _why_not_over(loop))
    else:
        logger.error("a coroutine blocks the event loop of the jobs: the program ends without its runs")


def _listed(loop: asyncio.AbstractEventLoop) -> str:
    return ", ".join(_left_behind(loop)) or "something that is neither a thread nor a process"


def _left_behind(loop: asyncio.AbstractEventLoop) -> list[str]:
    """Return what jobs left behind that the interpreter waits for at its end."""
    own = (threading.main_thread().name, ASIDE)
    threads = [it for it in threading.enumerate() if not it.daemon and it.name not in own]
    found = [f"the process {child.name}" for child in of_multiprocessing()]
    found += [f"the thread {thread.name}" for thread in threads]
    try:
        tasks = [task for task in asyncio.all_tasks(loop) if not _is_own(task)]
    except RuntimeError:
        # They change meanwhile.
        tasks = []
    return found + [_named(task) for task in tasks]


def _named(task: asyncio.Task[Any]) -> str:
    if isinstance(task, RunTask):
        return task.get_name()
    work = task.get_coro()
    return f"a task of {getattr(work, '__qualname__', type(work).__name__)}"


def _is_own(task: asyncio.Task[Any]) -> bool:
    """Return whether a task is the scheduler's own, such as its stop, and no run of a job."""
    if isinstance(task, RunTask):
        return False
    code = getattr(task.get_coro(), "cr_code", None)
    return isinstance(task, OwnTask) or (code is not None and code.co_filename.startswith(_PACKAGE))
