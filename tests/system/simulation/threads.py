"""What threads wait with, in simulated time: queues, events, conditions, futures, and pools of threads."""

from __future__ import annotations

import asyncio
import queue
from collections import deque
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor, Future
from contextvars import copy_context
from typing import Any

from simulation.world import SECOND, Thread, World


class Waiters:
    """Threads that wait for the same thing."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._waiting: list[Thread] = []

    def wait_for(self, is_so: Callable[[], Any], timeout: float | None = None) -> bool:
        """Wait until something is so; False if the time was over before."""
        world = self.world
        until = None if timeout is None else world.now + int(max(0.0, timeout) * SECOND)
        while not is_so():
            if until is not None and world.now >= until:
                return False
            me = world.thread
            self._waiting.append(me)
            if not world.wait(until) and me in self._waiting:
                self._waiting.remove(me)
        return True

    def wake_all(self) -> None:
        """Let all look again."""
        waiting, self._waiting = self._waiting, []
        for thread in waiting:
            self.world.wake(thread)


class Queue:
    """`queue.SimpleQueue`."""

    def __init__(self, world: World) -> None:
        self._items: deque[Any] = deque()
        self._waiters = Waiters(world)

    def put(self, item: Any) -> None:
        self._items.append(item)
        self._waiters.wake_all()

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        items = self._items
        if not items and not (block and self._waiters.wait_for(items.__len__, timeout)):
            raise queue.Empty
        return items.popleft()

    def get_nowait(self) -> Any:
        if not self._items:
            raise queue.Empty
        return self._items.popleft()

    def qsize(self) -> int:
        return len(self._items)

    def empty(self) -> bool:
        return not self._items


class Event:
    """`threading.Event`."""

    def __init__(self, world: World) -> None:
        self._is_set = False
        self._waiters = Waiters(world)

    def is_set(self) -> bool:
        return self._is_set

    def set(self) -> None:
        self._is_set = True
        self._waiters.wake_all()

    def clear(self) -> None:
        self._is_set = False

    def wait(self, timeout: float | None = None) -> bool:
        return self._waiters.wait_for(lambda: self._is_set, timeout)


class Condition:
    """`threading.Condition`. Nobody interferes while its lock is held, since no thread is interrupted."""

    def __init__(self, world: World) -> None:
        self._times = 0
        self._waiters = Waiters(world)

    def __enter__(self) -> bool:
        return True

    def __exit__(self, *_about: object) -> None:
        pass

    def acquire(self) -> bool:
        return True

    def release(self) -> None:
        pass

    def wait(self, timeout: float | None = None) -> bool:
        times = self._times
        return self._waiters.wait_for(lambda: self._times > times, timeout)

    def wait_for(self, predicate: Callable[[], Any], timeout: float | None = None) -> Any:
        self._waiters.wait_for(predicate, timeout)
        return predicate()

    def notify_all(self) -> None:
        self._times += 1
        self._waiters.wake_all()

    notify = notify_all


class SimulatedFuture(Future[Any]):
    """One whose result is waited for in simulated time."""

    def __init__(self, world: World) -> None:
        # As a future does itself, but for its condition: a real one takes longer than all the rest.
        self._condition: Any = Condition(world)
        self._state = "PENDING"
        self._result = self._exception = None
        self._waiters: list[Any] = []
        self._done_callbacks: list[Any] = []


class Pool(Executor):
    """At most so many threads, begun when they are needed."""

    def __init__(self, world: World, most: int, name: str) -> None:
        self._world, self._most, self._name = world, most, name
        self._queue = Queue(world)
        self._threads = self._idle = 0
        self._is_closed = False

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        if self._is_closed:
            raise RuntimeError("cannot schedule new futures after shutdown")
        future = SimulatedFuture(self._world)
        self._queue.put((future, function, args, kwargs))
        # One that is idle may have been given something already, and not have gone on yet.
        if self._queue.qsize() > self._idle and self._threads < self._most:
            self._threads += 1
            self._world.program.start(self._work, name=self._name)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self._is_closed = True
        while cancel_futures and self._queue.qsize():
            self._queue.get_nowait()[0].cancel()

    def _work(self) -> None:
        while True:
            self._idle += 1
            future, function, args, kwargs = self._queue.get()
            self._idle -= 1
            if future.set_running_or_notify_cancel():
                _do(future, lambda: function(*args, **kwargs))  # noqa: B023 (called at once)


def _do(future: Future[Any], call: Callable[[], Any]) -> None:
    try:
        value = call()
    except Exception as problem:
        future.set_exception(problem)
    else:
        future.set_result(value)


def in_thread(world: World, function: Callable[[], Any], *, daemon: bool = False) -> Awaitable[Any]:
    """Run a function beside the event loop, on a thread of its own."""
    done = SimulatedFuture(world)
    done.set_running_or_notify_cancel()
    world.program.start(copy_context().run, _do, done, function, name="aside")
    return asyncio.wrap_future(done)
