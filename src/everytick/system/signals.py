"""How this process hears signals, and how children hear them that are forked from it."""

from __future__ import annotations

# Asked for each run: `signal.getsignal` looks for each handler in an enumeration, fifty times as long.
import _signal  # type: ignore[import-not-found]
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

# The signals that ask a process to stop, as far as this machine has them.
STOP_SIGNALS = tuple(
    number
    for number in (getattr(signal, name, None) for name in ("SIGTERM", "SIGINT", "SIGBREAK", "SIGHUP"))
    if number is not None
)

# The signal of Ctrl+C.
INTERRUPT_SIGNAL = signal.SIGINT

# The signal of a terminal that is closed, which may come twice: of the shell and of the system.
HANGUP_SIGNAL = getattr(signal, "SIGHUP", None)

# The signals that this process hears in its own way, and whether it ignored them before (as `nohup` has it).
_heard: dict[int, bool] = {}
# How it hears them, as Python keeps it.
_handlers: dict[int, Any] = {}
_is_ready_to_fork = False
# Tells whether a job is running that forks; None in a process without jobs.
_is_in_a_job: Callable[[], object] | None = None
# Of each thread that forks, the signals that it held back before.
_forking = threading.local()


def ignore_signal(number: int) -> None:
    """Let a signal pass."""
    _hear(number, signal.SIG_IGN)


def on_signal(number: int, asked: Callable[[], object]) -> None:
    """Call a function when a signal comes."""
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
        on_signal(number, partial(asked, number))
    try:
        yield
    finally:
        for number, handler in before.items():
            # None: not set by Python, so that it cannot be set again.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
            _heard.pop(number, None)
            _handlers.pop(number, None)


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
    _handlers[number] = _signal.getsignal(number)


def put_back_signals() -> list[str]:
    """Hear signals again that other code of the process has taken over; return their names."""
    # A list at once: another thread may change it meanwhile.
    heard = list(_handlers.items())
    taken = [number for number, handler in heard if _signal.getsignal(number) is not handler]
    if not taken or threading.current_thread() is not threading.main_thread():
        return []
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


def hear_no_more() -> None:
    """Let no signal that this process heard change anything."""
    for number in _heard:
        signal.signal(number, signal.SIG_IGN)
