"""All that the engine needs of the machine: clocks, threads, timers, random numbers, process ids, signals.

Every module of the engine calls `system` for these instead of the standard library, so that a test (or a
simulation) can replace them: see `use`. A call through `system` costs nothing: `system.monotonic` is
`time.monotonic` itself unless a test replaced it. The event loop is not part of `system`: the engine uses the
one on which it is started.

- `threads`: threads, and what runs on them
- `signals`: how signals are heard, also by children that are forked
- `machine`: names, users, processes and files of the machine
- `rights`: which other users can put files into a folder
"""

from __future__ import annotations

import atexit
import os
import queue
import random
import socket
import sys
import tempfile
import threading
import time
import traceback
import uuid
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NoReturn

from . import machine, signals, threads
from .signals import (
    HANGUP_SIGNAL,
    INTERRUPT_SIGNAL,
    STOP_SIGNALS,
    free_children_of_jobs,
    hear_no_more,
    hearing,
    put_back_signals,
)
from .threads import at_end_of_program, check_handles_of_a_loop, on_thread

__all__ = [
    "BOTH_WAYS",
    "HANGUP_SIGNAL",
    "INTERRUPT_SIGNAL",
    "STOP_SIGNALS",
    "System",
    "at_end_of_program",
    "check_handles_of_a_loop",
    "end_child",
    "end_of_children",
    "free_children_of_jobs",
    "hearing",
    "on_thread",
    "put_back_signals",
    "system",
    "use",
]

# Shuts a connection down for sending and for receiving.
BOTH_WAYS = socket.SHUT_RDWR

# How long a process may take to do what it is asked, and how long its parent waits to be ended, in seconds.
_MOMENT, _PATIENCE = 0.5, 10.0

# Set when a thread ends the process, with an exit code of its own.
_is_ending = threading.Event()


def end_of_children(children: Sequence[Any]) -> None:
    """End processes of `multiprocessing`: those that do not end within a moment are killed.

    The process is about to end by `end_process`; until then it does not end by itself.
    """
    _is_ending.set()
    for child in children:
        child.terminate()
    ends = system.monotonic() + _MOMENT
    for child in children:
        while child.is_alive() and system.monotonic() < ends:
            system.sleep(0.02)
        if child.is_alive():
            child.kill()


def end_child(problem: BaseException | None) -> NoReturn:
    """End a child that was forked, as a program does that has come to its end, or to this problem."""
    code = 0 if problem is None else 1
    if isinstance(problem, SystemExit):
        if problem.code is None or isinstance(problem.code, int):
            code = problem.code or 0
        else:
            print(problem.code, file=sys.stderr)
    elif problem is not None:
        traceback.print_exception(problem)
    with suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
    system.end_process(code & 0xFF)


@atexit.register
def _hear_no_more() -> None:
    """Let no signal change the exit code of a process that is ending by itself.

    Registered before the modules of the application are imported, so that it comes after what they have
    registered: what they wait for can be cut short by a signal.
    """
    hear_no_more()
    if _is_ending.is_set():
        # The interpreter waited for a child that was ended. The exit code is that of who did it.
        time.sleep(_PATIENCE)


def _temporary_folder() -> str:
    """Return the folder of temporary files; an error tells of file handles if these are what lacks."""
    try:
        return tempfile.gettempdir()
    except FileNotFoundError:
        # It tries one folder after another, and says of all that they cannot be used.
        os.close(os.open(os.devnull, os.O_RDONLY))
        raise


@dataclass(slots=True)
class System:
    """One machine, as one process sees it."""

    # Nanoseconds since 1970 by the wall clock, which may be set at any time.
    time_ns: Callable[[], int] = time.time_ns
    # The present moment in the machine's zone, as APScheduler reads it.
    local_now: Callable[[], datetime] = machine.local_now
    # Seconds, and nanoseconds, of a clock that only goes on.
    monotonic: Callable[[], float] = time.monotonic
    monotonic_ns: Callable[[], int] = time.monotonic_ns
    # Blocks the thread for some seconds.
    sleep: Callable[[float], object] = time.sleep
    # A random number between two others. The module's own numbers are the user's: a seed that a job sets must
    # not make all processes pause alike, and the job must not get other numbers because the engine drew one.
    uniform: Callable[[float, float], float] = random.SystemRandom().uniform
    # A name that is unique, on this machine and others.
    new_id: Callable[[], str] = field(default=lambda: uuid.uuid4().hex)
    # A text that cannot be guessed, made of that many random bytes.
    new_token: Callable[[int], str] = machine.new_token
    # The number of this process, and whether one of this machine is gone for certain.
    pid: Callable[[], int] = os.getpid
    # A number that is another one in a child that is forked from this process.
    times_forked: Callable[[], int] = machine.times_forked
    is_gone: Callable[[int], bool] = machine.is_gone
    user_name: Callable[[], str] = machine.user_name
    # Whether this process can open that number of further files.
    has_file_handles: Callable[[int], bool] = machine.has_file_handles
    # How many files this process may have open at once.
    most_file_handles: Callable[[], int] = machine.most_file_handles
    # The folder for files that need not last.
    temporary_folder: Callable[[], str] = _temporary_folder
    # The name of this machine for people; and one that differs between machines, boots and containers.
    host_name: Callable[[], str] = socket.gethostname
    host: Callable[[], str] = machine.host
    # Starts a thread: `start_thread(function, name=..., args=(...), daemon=True)`.
    start_thread: Callable[..., threading.Thread] = threads.start_thread
    # Gives a pool of at most that many threads, whose names begin like that.
    thread_pool: Callable[[int, str], Executor] = threads.thread_pool
    # Runs a function that blocks beside the event loop; with `daemon=True` the end does not wait for it.
    in_thread: Callable[..., Awaitable[Any]] = threads.in_thread
    # The objects with which threads wait, also for what another one returns.
    future: Callable[[], Future[Any]] = Future
    event: Callable[[], threading.Event] = threading.Event
    condition: Callable[[], threading.Condition] = threading.Condition
    queue: Callable[[], queue.SimpleQueue[Any]] = queue.SimpleQueue
    # Opens a TCP connection, as `socket.create_connection` does.
    connect: Callable[..., socket.socket] = socket.create_connection
    # Calls a function when a signal comes, lets one pass, and ends the process at once.
    on_signal: Callable[[int, Callable[[], object]], None] = signals.on_signal
    ignore_signal: Callable[[int], None] = signals.ignore_signal
    end_process: Callable[[int], NoReturn] = os._exit


system = System()


@contextmanager
def use(**parts: Callable[..., Any]) -> Iterator[System]:
    """Put something else in the place of these parts of `system`, for a while: `use(time_ns=clock.now)`.

    For the whole interpreter. Threads and events that were made before stay as they are.
    """
    before = {name: getattr(system, name) for name in parts}
    try:
        for name, part in parts.items():
            setattr(system, name, part)
        yield system
    finally:
        for name, part in before.items():
            setattr(system, name, part)
