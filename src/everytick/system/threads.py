"""Threads, and what runs on them beside the event loop."""

from __future__ import annotations

import asyncio
import atexit
import os
import selectors
import socket
import sys
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor, thread
from contextvars import copy_context
from typing import Any, TypeVar

T = TypeVar("T")
# The name of threads on which the scheduler itself calls something.
ASIDE = "scheduler-aside"


def start_thread(
    target: Callable[..., object], *, name: str, args: tuple[Any, ...] = (), daemon: bool = True
) -> threading.Thread:
    """Start a thread."""
    _have_standard_error()
    thread = threading.Thread(target=target, name=name, args=args, daemon=daemon)
    thread.start()
    return thread


def check_handles_of_a_loop() -> None:
    """Raise OSError if there are no file handles for a new event loop.

    One that gets only some of them is deleted half made, of which asyncio complains with a traceback.
    """
    with selectors.DefaultSelector():
        for end in socket.socketpair():
            end.close()


def thread_pool(most: int, name: str) -> Executor:
    """Return a pool of at most that many threads, whose names begin like that."""
    return _Pool(most, thread_name_prefix=name)


class _Pool(ThreadPoolExecutor):
    def submit(self, *given: Any, **options: Any) -> Future[Any]:
        _have_standard_error()
        return super().submit(*given, **options)


def _have_standard_error() -> None:
    """Put None in the place of a `sys.stderr` that a job has deleted: each new thread takes note of it."""
    if not hasattr(sys, "stderr"):
        sys.stderr = None


if hasattr(os, "register_at_fork"):
    # Or a child that `multiprocessing` forks on a thread of a pool has the exit code 1, whatever it did:
    # at its end Python waits for the pool's threads, one of which it is itself.
    os.register_at_fork(after_in_child=lambda: getattr(thread, "_threads_queues", {}).clear())


def in_thread(function: Callable[[], T], *, daemon: bool = False) -> Awaitable[T]:
    """Run a function that blocks beside the event loop; with `daemon` the end does not wait for it."""
    return asyncio.wrap_future(on_thread(function, daemon=daemon))


def on_thread(function: Callable[[], T], *, daemon: bool = False) -> Future[T]:
    """Run a function on a thread of its own; with `daemon` the end does not wait for it."""
    # Not one of the event loop's own threads: a job may have used them all, or shut them down.
    done: Future[T] = Future()
    # A call that runs cannot be cancelled: the thread may end it although nobody waits for it any more.
    done.set_running_or_notify_cancel()

    def run() -> None:
        try:
            value = function()
        except BaseException as problem:
            done.set_exception(problem)
        else:
            done.set_result(value)

    start_thread(copy_context().run, args=(run,), name=ASIDE, daemon=daemon)
    return done


def at_end_of_program(function: Callable[[], None]) -> Callable[[], None]:
    """Call a function when the main thread has come to its end, before the threads of pools are waited for.

    `atexit` comes after that: a function on a thread would hold it up, and a pool takes nothing more by then.
    """
    getattr(threading, "_register_atexit", atexit.register)(function)
    return function
