"""What the jobs of the stories do. A job store finds functions by their names, so they stand in a module."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from pathlib import Path

from inside import Gauge

# Set in a process that is meant to die.
VICTIM = "PITFALLS_VICTIM"
KILLED = 9

# The names of the jobs that were called, in order.
calls: list[str] = []
crowd = Gauge()
# Those who wait, wait for this.
released = threading.Event()
# What a job can find out about itself.
own_tick: Callable[[], object] = lambda: None  # noqa: E731
ticks: list[object] = []


def forget() -> None:
    """Begin a new story."""
    global crowd
    calls.clear()
    ticks.clear()
    crowd = Gauge()
    released.clear()


def note(name: str) -> None:
    calls.append(name)


async def note_on_loop(name: str) -> None:
    calls.append(name)


def note_own_tick() -> None:
    ticks.append(own_tick())


async def linger_on_loop(name: str) -> None:
    """Need a moment, and tell how it ended."""
    calls.append(f"{name} began")
    try:
        await asyncio.sleep(0.15)
    except asyncio.CancelledError:
        calls.append(f"{name} was cancelled")
        raise
    calls.append(f"{name} ended")


def wait_in_thread(name: str) -> None:
    calls.append(f"{name} began")
    released.wait(10)
    calls.append(f"{name} ended")


async def wait_on_loop(name: str) -> None:
    calls.append(f"{name} began")
    await asyncio.to_thread(released.wait, 10)


async def join_the_crowd(_name: str) -> None:
    crowd.enter()
    await asyncio.sleep(0.02)
    crowd.leave()


def mark_and_die(marks: str) -> None:
    """Write into a file that this was called; in a victim, end the process at once."""
    with Path(marks).open("a") as file:
        file.write("called\n")
    if VICTIM in os.environ:
        os._exit(KILLED)


async def mark_and_die_on_loop(marks: str) -> None:
    mark_and_die(marks)
