"""Schedulers that bring an event loop of their own: on a thread beside the program, or in its place.

They differ from `AsyncIOScheduler` only in that.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from concurrent.futures import Future
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from typing import Any

from apscheduler.schedulers.base import STATE_STOPPED
from apscheduler.util import asbool
from everytick.app import typed
from everytick.call_site import call_site, fail
from everytick.engine.children import tell_of_those_left
from everytick.engine.context import current_run, running_loop
from everytick.engine.process import Process
from everytick.system import (
    HANGUP_SIGNAL,
    STOP_SIGNALS,
    check_handles_of_a_loop,
    hearing,
    system,
)
from loguru import logger

from .ending import Guard, end_after_program, tell_why_not_over
from .scheduler import CLEAN_UP, MOMENT, AsyncIOScheduler, in_spite_of_jobs
from .service import run_alone, run_to_the_end, start_line

_LOOK_SECONDS = 0.25
# The function of werkzeug (Flask) and of Django in which the main thread waits for the other process, and how
# long after the start, in seconds, it is there at the latest.
_WATCHES, _WATCHERS_SHOW_WITHIN = "restart_with_reloader", 60.0


class _OwnLoop(AsyncIOScheduler):
    """What both have in common: their loop lives from `start()` until all that was begun has ended."""

    # Set by `shutdown()`, on the loop; None where the loop is somebody else's, as in `async with`.
    _asked: asyncio.Event | None = None
    _hurry: asyncio.Event
    _loop: asyncio.AbstractEventLoop
    # Whether nothing of the program comes after the schedule.
    _ends_program = False
    # Set when nothing runs any more but functions that cannot be cut.
    _ended: threading.Event | None = None

    def shutdown(self, wait: bool = True) -> None:
        """Stop: nothing more begins, and runs get SCHEDULER_SHUTDOWN_GRACE_TIME seconds; the rest is cut.

        Args:
            wait: return when that is done; else at once, and runs get a moment only. A job that calls this
                does not wait for its own end.

        Raises:
            SchedulerNotRunningError: it was not started, or was shut down already.
        """
        waits = wait and self._asked is not None and current_run() is None and not self._is_on_loop()
        super().shutdown(wait)
        self.state = STATE_STOPPED
        if waits:
            self._wait_for_the_end()

    def _shutdown(self, wait: bool) -> None:
        if self._asked is None:
            super()._shutdown(wait)
            return
        self._asked.set()
        if not wait:
            self._loop.call_later(MOMENT, self._hurry.set)

    def _is_on_loop(self) -> bool:
        return running_loop() is self._loop

    def _become_client(self) -> None:
        super()._become_client()
        self._asked = self._ended = None

    def _forget_start_elsewhere(self) -> bool:
        forgotten = super()._forget_start_elsewhere()
        if forgotten:
            # Copies, after a fork: the thread that would set them is in the parent.
            self._asked = self._ended = None
        return forgotten

    def _wait_for_the_end(self) -> None:
        ended = self._ended
        if ended is None:
            # Whatever there was to wait for is over, or in the process from which this one was forked.
            return
        # No longer, or a coroutine that blocks the loop would keep the program for ever.
        patience = self.settings.scheduler_shutdown_grace_time + CLEAN_UP
        try:
            ended.wait(patience)
        except KeyboardInterrupt:
            # Asked to stop once more while it stops.
            self._loop.call_soon_threadsafe(self._hurry.set)
            ended.wait(CLEAN_UP)
        if not ended.is_set():
            tell_why_not_over(self._loop)

    def _prepare(self) -> Process:
        # After a shutdown that did not wait.
        self._wait_for_the_end()
        check_handles_of_a_loop()
        process = self._open()
        self._ended = system.event()
        self._asked, self._hurry = asyncio.Event(), asyncio.Event()
        return process

    async def _live(self, process: Process) -> int:
        """Keep the schedule until somebody asks for its end; return how many runs were cut."""
        ended = self._ended
        assert ended is not None, "_prepare() comes first"
        self._begin(process)
        self._has_begun()
        await in_spite_of_jobs(self._until_asked)
        cut = await in_spite_of_jobs(lambda: self.drain(self._hurry, ending=self._ends_program))
        self._asked = None
        ended.set()
        # A function on a thread cannot be cut, and its outcome comes by way of this loop.
        await process.until_none_is_left()
        return cut

    def _has_begun(self) -> None:
        """Called on the loop when the schedule has begun."""

    async def _until_asked(self) -> None:
        assert self._asked is not None
        await self._asked.wait()


class BackgroundScheduler(_OwnLoop):
    """A schedule that a thread of its own keeps, for programs without an event loop: Flask, Django, a script.

    Its event loop is on that thread; jobs may be coroutines all the same. All methods may be called from any
    thread. When the program ends, what runs then gets SCHEDULER_SHUTDOWN_GRACE_TIME seconds, as by
    `shutdown()`.

    Args:
        gconfig, options: as of `AsyncIOScheduler`.

    Raises:
        ScheduleError: something declared is wrong; the sentence begins with its file and line.

    Example:
        from everytick import BackgroundScheduler
        from shop.tasks import remind

        scheduler = BackgroundScheduler(timezone="Europe/Berlin")
        scheduler.add_job(remind, "cron", hour=9, args=["you"], id="reminder")

        def begin() -> None:
            scheduler.start()
    """

    def _configure(self, config: dict[str, Any]) -> None:
        if not asbool(config.pop("daemon", True)):
            instead = f"a BlockingScheduler keeps the program alive, and so does `{typed('run')}`"
            raise fail(call_site(), None, f"daemon=False cannot be: {instead}")
        super()._configure(config)

    def start(self, paused: bool = False) -> None:
        """Start the thread, and return when the schedule is kept.

        Raises:
            SchedulerAlreadyRunningError: it runs already.
            LedgerError: the ledger cannot be used; nothing was started.
        """
        self._check_start(paused)
        process = self._prepare()
        self._begun: Future[None] = Future()
        system.start_thread(copy_context().run, args=(self._work, process), name="scheduler")
        self._begun.result()

    def _work(self, process: Process) -> None:
        ended = self._ended
        assert ended is not None, "_prepare() comes first"
        try:
            with asyncio.Runner() as runner:
                self._loop = runner.get_loop()
                run_to_the_end(self._loop, self._live(process))
        except BaseException as problem:
            if self._begun.done():
                logger.exception("the scheduler's thread has failed")
            else:
                process.give_up()
                self._begun.set_exception(problem)
        finally:
            # Also if it failed. Another start may have come meanwhile, while a function was waited for.
            ended.set()

    def _has_begun(self) -> None:
        self._begun.set_result(None)

    async def _live(self, process: Process) -> int:
        cut = await super()._live(process)
        if self._is_watcher:
            self._become_client()
        return cut

    async def _until_asked(self) -> None:
        """Wait until somebody asks, or until this process turns out to watch files for another one alone.

        That is the parent of a development server that reloads changed code: it would go on with the code of
        its start for ever. It leaves when the other has joined: if nobody were there when the other starts,
        that would count as a new start of the schedule, and startup jobs would run again.
        """
        self._is_watcher = False
        look_until = system.monotonic() + _WATCHERS_SHOW_WITHIN
        while self._is_watcher or system.monotonic() < look_until:
            self._is_watcher = _main_thread_is_in(_WATCHES)
            process = self._process
            if self._is_watcher and process is not None and process.sees_others:
                logger.info("this process watches files for the development server, which runs the schedule")
                return
            with suppress(TimeoutError):
                await asyncio.wait_for(super()._until_asked(), _LOOK_SECONDS)
                return
        await super()._until_asked()

    def _end_with_program(self) -> None:
        if self._runs_here():
            if self.running:
                self.shutdown()
            self._wait_for_the_end()
            # Functions of `atexit` that are called later may still use the scheduler: shutdown() does nothing
            # then, and other calls go through the ledger.
            self._become_client()


def _main_thread_is_in(function: str) -> bool:
    frame = sys._current_frames().get(threading.main_thread().ident or 0)
    while frame is not None and frame.f_code.co_name != function:
        frame = frame.f_back
    return frame is not None


class BlockingScheduler(_OwnLoop):
    """A schedule that is all that a program does: `start()` returns when it has ended.

    It ends by `shutdown()`, from a job or a thread, and by SIGINT (Ctrl+C) or SIGTERM; a second one cuts the
    time short that runs get.

    Args:
        gconfig, options: as of `AsyncIOScheduler`.

    Raises:
        ScheduleError: something declared is wrong; the sentence begins with its file and line.

    Example:
        from everytick import BlockingScheduler
        from shop.tasks import remind

        scheduler = BlockingScheduler(timezone="Europe/Berlin")
        scheduler.add_job(remind, "cron", hour=9, args=["you"], id="reminder")

        def keep_the_schedule() -> None:
            scheduler.start()
    """

    def start(self, paused: bool = False) -> None:
        """Keep the schedule until it is shut down, or the process is asked to stop.

        Raises:
            SchedulerAlreadyRunningError: it runs already.
            LedgerError: the ledger cannot be used; nothing was started.
            SystemExit: the process was asked to stop, and runs had to be cut (exit code 1).
        """
        self._check_start(paused)
        if running_loop() is not None:
            instead = "use AsyncIOScheduler, with `async with`"
            raise fail(
                call_site(), None, f"a BlockingScheduler cannot start on an event loop that runs: {instead}"
            )
        process, runner = self._prepare(), asyncio.Runner()
        self._loop, cut = runner.get_loop(), None
        guard = Guard(self._loop, self.settings.scheduler_shutdown_grace_time)
        with hearing(STOP_SIGNALS, partial(self._asked_by_signal, guard)):
            try:
                with runner:
                    cut = run_alone(self._loop, self._live(process))
            finally:
                if not (cut and guard.is_asked):
                    guard.over()
        tell_of_those_left()
        logger.info("stopped")
        if cut and guard.is_asked:
            end_after_program(guard, self._loop)
            raise SystemExit(1)

    def _has_begun(self) -> None:
        logger.info("{}", start_line(self))

    def _asked_by_signal(self, guard: Guard, number: int) -> None:
        again = guard.is_asked and number != HANGUP_SIGNAL
        self._ends_program = True
        guard.asked(again=again)
        # Raised when the loop is closed: the end is under way.
        with suppress(RuntimeError):
            if self._asked is not None:
                self._loop.call_soon_threadsafe((self._hurry if again else self._asked).set)
