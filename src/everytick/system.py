"""All that the engine needs of the machine: clocks, threads, timers, random numbers, process ids, signals.

Every module of the engine calls `system` for these instead of the standard library, so that a test (or a
simulation) can replace them: see `use`. A call through `system` costs nothing: `system.monotonic` is
`time.monotonic` itself unless a test replaced it. The event loop is not part of `system`: the engine uses the
one on which it is started.
"""

from __future__ import annotations

import asyncio
import os
import queue
import random
import signal
import socket
import threading
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn, TypeVar

T = TypeVar("T")

# The signals that ask a process to stop, as far as this machine has them.
STOP_SIGNALS = tuple(
    number
    for number in (getattr(signal, name, None) for name in ("SIGTERM", "SIGINT", "SIGBREAK"))
    if number is not None
)

# The signal of Ctrl+C.
INTERRUPT_SIGNAL = signal.SIGINT


def _start_thread(
    target: Callable[..., object], *, name: str, args: tuple[Any, ...] = (), daemon: bool = True
) -> threading.Thread:
    thread = threading.Thread(target=target, name=name, args=args, daemon=daemon)
    thread.start()
    return thread


def _thread_pool(most: int, name: str) -> Executor:
    return ThreadPoolExecutor(most, thread_name_prefix=name)


def _in_thread(function: Callable[[], T]) -> Awaitable[T]:
    return asyncio.to_thread(function)


def _new_token(size: int) -> str:
    # Imported only here: only the dashboard needs it.
    import secrets

    return secrets.token_urlsafe(size)


def _local_now() -> datetime:
    return datetime.now().astimezone()


def _host() -> str:
    boot, space = Path("/proc/sys/kernel/random/boot_id"), Path("/proc/self/ns/pid")
    try:
        return f"{socket.gethostname()}/{boot.read_text().strip()}/{os.readlink(space)}"
    except OSError:
        return socket.gethostname()


def _is_gone(pid: int) -> bool:
    if os.name != "posix":
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except OSError:
        pass
    return False


def _ignore_signal(number: int) -> None:
    signal.signal(number, signal.SIG_IGN)


def _on_signal(number: int, asked: Callable[[], object]) -> None:
    # Not by the event loop's own means, which give a signal its deadly meaning back when the loop is closed.
    signal.signal(number, lambda *_: asked())


@dataclass(slots=True)
class System:
    """One machine, as one process sees it."""

    # Nanoseconds since 1970 by the wall clock, which may be set at any time.
    time_ns: Callable[[], int] = time.time_ns
    # The present moment in the machine's zone, as APScheduler reads it.
    local_now: Callable[[], datetime] = _local_now
    # Seconds, and nanoseconds, of a clock that only goes on.
    monotonic: Callable[[], float] = time.monotonic
    monotonic_ns: Callable[[], int] = time.monotonic_ns
    # Blocks the thread for some seconds.
    sleep: Callable[[float], object] = time.sleep
    # A random number between two others.
    uniform: Callable[[float, float], float] = random.uniform
    # A name that is unique, on this machine and others.
    new_id: Callable[[], str] = field(default=lambda: uuid.uuid4().hex)
    # A text that cannot be guessed, made of that many random bytes.
    new_token: Callable[[int], str] = _new_token
    # The number of this process, and whether one of this machine is gone for certain.
    pid: Callable[[], int] = os.getpid
    is_gone: Callable[[int], bool] = _is_gone
    # The name of this machine for people; and one that differs between machines, boots and containers.
    host_name: Callable[[], str] = socket.gethostname
    host: Callable[[], str] = _host
    # Starts a thread: `start_thread(function, name=..., args=(...), daemon=True)`.
    start_thread: Callable[..., threading.Thread] = _start_thread
    # Gives a pool of at most that many threads, whose names begin like that.
    thread_pool: Callable[[int, str], Executor] = _thread_pool
    # Runs a function that blocks beside the event loop.
    in_thread: Callable[[Callable[[], Any]], Awaitable[Any]] = _in_thread
    # The objects with which threads wait.
    event: Callable[[], threading.Event] = threading.Event
    condition: Callable[[], threading.Condition] = threading.Condition
    queue: Callable[[], queue.SimpleQueue[Any]] = queue.SimpleQueue
    # Calls a function when a signal comes, lets one pass, and ends the process at once.
    on_signal: Callable[[int, Callable[[], object]], None] = _on_signal
    ignore_signal: Callable[[int], None] = _ignore_signal
    end_process: Callable[[int], NoReturn] = os._exit


system = System()


@contextmanager
def use(**parts: Callable[..., Any]) -> Iterator[System]:
    """Put something else in the place of these parts of `system`, for a while: `use(time_ns=clock.now)`.

    For the whole interpreter. What was made before (a thread, an event) stays as it is.
    """
    before = {name: getattr(system, name) for name in parts}
    try:
        for name, part in parts.items():
            setattr(system, name, part)
        yield system
    finally:
        for name, part in before.items():
            setattr(system, name, part)
