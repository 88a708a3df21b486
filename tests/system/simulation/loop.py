"""An event loop in simulated time: asyncio's own tasks and futures run on it."""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from contextvars import copy_context
from typing import Any

from simulation.threads import in_thread
from simulation.world import SECOND, Ended, Thread, World


class _Handle(asyncio.Handle):
    """As asyncio's own, but made in half the time: there is no debugging, and each has its context."""

    def __init__(self, callback: Any, args: Any, loop: Loop, context: Any) -> None:
        self._callback, self._args, self._loop = callback, args, loop
        self._context = copy_context() if context is None else context
        self._cancelled, self._repr, self._source_traceback = False, None, None


class Loop(asyncio.AbstractEventLoop):
    """The event loop of one thread of one process."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._ready: deque[asyncio.Handle] = deque()
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._number = 0
        self._thread: Thread | None = None
        self._waits = False
        self._handler: Callable[..., Any] | None = None
        self.is_over = False
        # Errors that nobody handled, in the order in which they came.
        self.unhandled: list[dict[str, Any]] = []

    def run_until_complete(self, future: Any) -> Any:
        """Run a coroutine to its end on this thread; return what it returns."""
        world = self._world
        self._thread = me = world.thread
        me.loop = self
        asyncio._set_running_loop(self)
        task = self.create_task(future)
        while not task.done():
            self._run_once()
        me.loop = None
        asyncio._set_running_loop(None)
        self.is_over = True
        return task.result()

    def _run_once(self) -> None:
        world, timers = self._world, self._timers
        if not self._ready:
            while timers and timers[0][2]._cancelled:
                heapq.heappop(timers)
            until = max(world.now, int(timers[0][0] * SECOND) + 1) if timers else None
            self._waits = True
            world.wait(until)
            self._waits = False
        now = self.time()
        while timers and timers[0][0] <= now:
            timer = heapq.heappop(timers)[2]
            if not timer._cancelled:
                self._ready.append(timer)
        ready, thread = self._ready, self._thread
        assert thread is not None
        for _ in range(len(ready)):
            if not thread.program.alive:
                raise Ended
            handle = ready.popleft()
            if not handle._cancelled:
                handle._run()

    def abandon(self) -> None:
        """Close what has not ended, now that the process has: nothing of it may go on when it is freed."""
        for task in asyncio.all_tasks(self):
            task._log_destroy_pending = False  # type: ignore[attr-defined]
            with suppress(BaseException):
                task.get_coro().close()

    # --- what asyncio asks of a loop ---

    def time(self) -> float:
        return self._world.now / SECOND

    def call_soon(self, callback: Any, *args: Any, context: Any = None) -> asyncio.Handle:  # type: ignore[override]
        handle = _Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def call_soon_threadsafe(self, callback: Any, *args: Any, context: Any = None) -> asyncio.Handle:  # type: ignore[override]
        if self.is_over:
            raise RuntimeError("Event loop is closed")
        handle = self.call_soon(callback, *args, context=context)
        if self._waits and self._thread is not None:
            self._waits = False
            self._world.wake(self._thread)
        return handle

    def call_later(self, delay: float, callback: Any, *args: Any, context: Any = None) -> asyncio.TimerHandle:  # type: ignore[override]
        return self.call_at(self.time() + delay, callback, *args, context=context)

    def call_at(self, when: float, callback: Any, *args: Any, context: Any = None) -> asyncio.TimerHandle:  # type: ignore[override]
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        self._number += 1
        heapq.heappush(self._timers, (when, self._number, handle))
        return handle

    def _timer_handle_cancelled(self, _handle: asyncio.TimerHandle) -> None:
        pass

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(self, coro: Any, *, name: str | None = None, context: Any = None) -> asyncio.Task[Any]:
        return asyncio.Task(coro, loop=self, name=name, context=context)

    def run_in_executor(self, _executor: Any, func: Callable[..., Any], *args: Any) -> Any:  # type: ignore[override]
        return in_thread(self._world, lambda: func(*args))

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return self._thread is not None and not self.is_over

    def is_closed(self) -> bool:
        return self.is_over

    def set_exception_handler(self, handler: Callable[..., Any] | None) -> None:
        self._handler = handler

    def get_exception_handler(self) -> Callable[..., Any] | None:
        return self._handler

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        # What is left of a process that was killed says nothing.
        if self._thread is None or not self._thread.program.alive:
            return
        if self._handler is not None:
            self._handler(self, context)
        else:
            self.unhandled.append(context)
