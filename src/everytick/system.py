"""All that the engine needs of the machine: clocks, threads, timers, random numbers, process ids, signals.

Every module of the engine calls `system` for these instead of the standard library, so that a test (or a
simulation) can replace them: see `use`. A call through `system` costs nothing: `system.monotonic` is
`time.monotonic` itself unless a test replaced it. The event loop is not part of `system`: the engine uses the
one on which it is started.
"""

from __future__ import annotations

import asyncio
import atexit
import getpass
import os
import queue
import random
import selectors
import signal
import socket
import sys
import tempfile
import threading
import time
import traceback
import uuid
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor, thread
from contextlib import contextmanager, suppress
from contextvars import copy_context
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, NoReturn, TypeVar

T = TypeVar("T")

# The signals that ask a process to stop, as far as this machine has them.
STOP_SIGNALS = tuple(
    number
    for number in (getattr(signal, name, None) for name in ("SIGTERM", "SIGINT", "SIGBREAK", "SIGHUP"))
    if number is not None
)

# Shuts a connection down for sending and for receiving.
BOTH_WAYS = socket.SHUT_RDWR

# How long a process may take to do what it is asked, and how long its parent waits to be ended, in seconds.
_MOMENT, _PATIENCE = 0.5, 10.0

# The signal of Ctrl+C.
INTERRUPT_SIGNAL = signal.SIGINT

# The signal of a terminal that is closed, which may come twice: of the shell and of the system.
HANGUP_SIGNAL = getattr(signal, "SIGHUP", None)


def _start_thread(
    target: Callable[..., object], *, name: str, args: tuple[Any, ...] = (), daemon: bool = True
) -> threading.Thread:
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


def _thread_pool(most: int, name: str) -> Executor:
    return ThreadPoolExecutor(most, thread_name_prefix=name)


if hasattr(os, "register_at_fork"):
    # Or a child that `multiprocessing` forks on a thread of a pool has the exit code 1, whatever it did:
    # at its end Python waits for the pool's threads, one of which it is itself.
    os.register_at_fork(after_in_child=lambda: getattr(thread, "_threads_queues", {}).clear())


def _in_thread(function: Callable[[], T], *, daemon: bool = False) -> Awaitable[T]:
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

    _start_thread(copy_context().run, args=(run,), name="scheduler-aside", daemon=daemon)
    return asyncio.wrap_future(done)


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


def _user_name() -> str:
    """Return the user of this process. Not what the variable LOGNAME says, if the system knows better."""
    try:
        import pwd

        return pwd.getpwuid(os.getuid()).pw_name
    except (ImportError, KeyError):
        pass
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return "somebody"


def _is_gone(pid: int) -> bool:
    if os.name != "posix":
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except OSError:
        pass
    return _is_defunct(pid)


def _is_defunct(pid: int) -> bool:
    """Return whether a process has ended, and only its parent did not take note of that yet."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return False
    # Behind the name of the program, which may hold anything.
    return stat.rpartition(b")")[2].split()[:1] in ([b"Z"], [b"X"])


def _has_file_handles(number: int) -> bool:
    opened: list[int] = []
    try:
        while len(opened) < number:
            opened.append(os.open(os.devnull, os.O_RDONLY))
    except OSError:
        return False
    finally:
        for each in opened:
            os.close(each)
    return True


def _most_file_handles() -> int:
    try:
        import resource
    except ImportError:
        # Windows, where the C library has this limit for files, and none is known for sockets.
        return 8_192
    soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return sys.maxsize if soft == resource.RLIM_INFINITY else soft


# The signals that this process hears in its own way, and whether it ignored them before (as `nohup` has it).
_heard: dict[int, bool] = {}
# How it hears them.
_handlers: dict[int, Any] = {}
_is_ready_to_fork = False
# Tells whether a job is running that forks; None in a process without jobs.
_is_in_a_job: Callable[[], object] | None = None
# Of each thread that forks, the signals that it held back before.
_forking = threading.local()


def _ignore_signal(number: int) -> None:
    _hear(number, signal.SIG_IGN)


def _on_signal(number: int, asked: Callable[[], object]) -> None:
    # Not by the event loop's own means, which give a signal its deadly meaning back when the loop is closed.
    # A terminal that is closed does not end what was started by `nohup`.
    if number != HANGUP_SIGNAL or signal.getsignal(number) != signal.SIG_IGN:
        _hear(number, lambda *_: asked())


@contextmanager
def hearing(numbers: Iterable[int], asked: Callable[[int], object]) -> Iterator[None]:
    """Let signals call `asked` with their number while the block runs. On another thread than the main one
    nothing changes: only that one can be asked."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in numbers}
    for number in before:
        _on_signal(number, partial(asked, number))
    try:
        yield
    finally:
        for number, handler in before.items():
            # None: not set by Python, so that it cannot be set again.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
            _heard.pop(number, None)
            _handlers.pop(number, None)


def at_end_of_program(function: Callable[[], None]) -> Callable[[], None]:
    """Call a function when the main thread has come to its end, before the threads of pools are waited for.

    `atexit` comes after that: a function on a thread would hold it up, and a pool takes nothing more by then.
    """
    getattr(threading, "_register_atexit", atexit.register)(function)
    return function


def free_children_of_jobs(is_in_a_job: Callable[[], object]) -> None:
    """Let children that jobs fork end by signals also where the application around hears them in its own way.

    `is_in_a_job`: tells, when something forks, whether a job does that.
    """
    global _is_in_a_job
    _is_in_a_job = is_in_a_job
    _be_ready_to_fork()


def _be_ready_to_fork() -> None:
    global _is_ready_to_fork
    if not _is_ready_to_fork and hasattr(os, "register_at_fork"):
        # A child has the hooks of its parent.
        _is_ready_to_fork = True
        os.register_at_fork(before=_hold_back, after_in_parent=_let_through, after_in_child=_hear_as_usual)


def _hear(number: int, handler: Callable[..., object] | signal.Handlers) -> None:
    _be_ready_to_fork()
    before = signal.signal(number, handler)
    _heard.setdefault(number, before == signal.SIG_IGN)
    _handlers[number] = handler


def put_back_signals() -> list[str]:
    """Hear signals again that other code of the process has taken over; return their names."""
    if threading.current_thread() is not threading.main_thread():
        return []
    taken = [number for number, handler in _handlers.items() if signal.getsignal(number) is not handler]
    for number in taken:
        signal.signal(number, _handlers[number])
    return [signal.Signals(number).name for number in taken]


def _hold_back() -> None:
    """Let no signal reach a child that is forked now before `_hear_as_usual` has been there."""
    _forking.changed = _changed_signals()
    _forking.mask = signal.pthread_sigmask(signal.SIG_BLOCK, _forking.changed)


def _changed_signals() -> dict[int, bool]:
    """Return the signals that a child is to hear as usual, and whether they were ignored before."""
    if _is_in_a_job is None or not _is_in_a_job():
        return _heard
    others = {number: signal.getsignal(number) for number in STOP_SIGNALS}
    return {number: False for number, handler in others.items() if callable(handler)} | _heard


def _let_through() -> None:
    signal.pthread_sigmask(signal.SIG_SETMASK, _forking.mask)


def _hear_as_usual() -> None:
    """Let a child that a job has forked end by the signals that it is sent, as any other program."""
    for number, was_ignored in _forking.changed.items():
        usual = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
        signal.signal(number, signal.SIG_IGN if was_ignored else usual)
    if _forking.changed:
        # Or the child would tell the event loop of its parent.
        signal.set_wakeup_fd(-1)
    _heard.clear()
    _handlers.clear()
    _let_through()


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
    for number in _heard:
        signal.signal(number, signal.SIG_IGN)
    if _is_ending.is_set():
        # The interpreter waited for a child that was ended. The exit code is that of who did it.
        time.sleep(_PATIENCE)


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
    user_name: Callable[[], str] = _user_name
    # Whether this process can open that number of further files.
    has_file_handles: Callable[[int], bool] = _has_file_handles
    # How many files this process may have open at once.
    most_file_handles: Callable[[], int] = _most_file_handles
    # The folder for files that need not last.
    temporary_folder: Callable[[], str] = tempfile.gettempdir
    # The name of this machine for people; and one that differs between machines, boots and containers.
    host_name: Callable[[], str] = socket.gethostname
    host: Callable[[], str] = _host
    # Starts a thread: `start_thread(function, name=..., args=(...), daemon=True)`.
    start_thread: Callable[..., threading.Thread] = _start_thread
    # Gives a pool of at most that many threads, whose names begin like that.
    thread_pool: Callable[[int, str], Executor] = _thread_pool
    # Runs a function that blocks beside the event loop; with `daemon=True` the end does not wait for it.
    in_thread: Callable[..., Awaitable[Any]] = _in_thread
    # The objects with which threads wait, also for what another one returns.
    future: Callable[[], Future[Any]] = Future
    event: Callable[[], threading.Event] = threading.Event
    condition: Callable[[], threading.Condition] = threading.Condition
    queue: Callable[[], queue.SimpleQueue[Any]] = queue.SimpleQueue
    # Opens a TCP connection, as `socket.create_connection` does.
    connect: Callable[..., socket.socket] = socket.create_connection
    # Calls a function when a signal comes, lets one pass, and ends the process at once.
    on_signal: Callable[[int, Callable[[], object]], None] = _on_signal
    ignore_signal: Callable[[int], None] = _ignore_signal
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
