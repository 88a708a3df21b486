"""A scheduler inside of the test's own process and event loop, with a ledger of its own."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from everytick import AsyncIOScheduler
from everytick import app as which
from everytick import log_to_stderr as configure_logging
from everytick import settings as settings_room
from everytick.model import ticks
from everytick.system import use
from loguru import logger

from ledgers import changing, rows_in

# Jobs of the tests call functions of the tests; some tests write such modules themselves.
_OWN_MODULES = (
    *("app", "leaving", "on_postgres", "passing", "plugin_of_a_person"),
    *sorted(file.stem for file in Path(__file__).parents[1].rglob("[!_]*.py")),
)


@contextmanager
def scheduler_settings(folder: Path, **variables: object) -> Iterator[None]:
    """Let the application's settings be read from these variables, with the ledger in `folder`.

    Or where `LEDGER` says, for stories that are told once more on a server.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(
            "SCHEDULER_DATABASE_URL", os.environ.get("LEDGER") or f"sqlite:///{folder / 'ledger.db'}"
        )
        for name, value in variables.items():
            patch.setenv(name, str(value))
        # Of no application: what the environment says is all, and no folder is looked through for modules.
        application = which.Application()
        application.packages = _OWN_MODULES
        patch.setattr(which, "_current", application)
        settings_room.settings.cache_clear()
        settings_room.settings()
        yield
    settings_room.settings.cache_clear()


def rows(scheduler: AsyncIOScheduler, *states: str) -> list[dict[str, Any]]:
    """Return the ledger's runs, oldest first."""
    found = rows_in(scheduler.ledger)
    return [row for row in found if not states or row["state"] in states]


def rows_of(scheduler: AsyncIOScheduler, job_id: str) -> list[dict[str, Any]]:
    """Return the ledger's runs of one job, oldest first."""
    return [row for row in rows(scheduler) if row["job_id"] == job_id]


def overlaps(scheduler: AsyncIOScheduler) -> list[dict[str, Any]]:
    """Return the rows of ticks that came while an earlier run was not over."""
    return [row for row in rows(scheduler, "skipped") if row["reason"] == "overlap"]


async def until(condition: Callable[[], Any], patience: float = 15) -> Any:
    """Return the first true value of `condition()`; fail when patience ends."""
    begun = time.monotonic()
    while not (value := condition()):
        waited = time.monotonic() - begun
        assert waited < patience, "waited in vain"
        # What takes long is asked for less often: other tests need the processor.
        await asyncio.sleep(min(0.02 + waited / 20, 0.08))
    return value


def deaf_until(over: asyncio.Event) -> Callable[[], Awaitable[None]]:
    """Return a task that swallows its cancellation, and ends when that event is set."""

    async def deaf() -> None:
        while not over.is_set():
            try:
                await over.wait()
            except asyncio.CancelledError:
                continue

    return deaf


def new_threads(before: Collection[threading.Thread]) -> list[threading.Thread]:
    """Return the threads that were begun since. Others of the process may be those of other tests."""
    return [thread for thread in threading.enumerate() if thread not in before]


async def was_down(scheduler: AsyncIOScheduler, job_id: str, seconds: float) -> None:
    """Let the ledger say that nothing was up for so long."""
    async with scheduler:
        pass
    with changing(scheduler.ledger) as connection:
        connection.execute("DELETE FROM scheduler_runs")
        connection.execute(
            "UPDATE scheduler_past_processes SET started_us = started_us - ?, ended_us = ended_us - ?",
            (int(seconds * 1_000_000),) * 2,
        )
        connection.execute(
            "UPDATE scheduler_jobs SET watermark_us = watermark_us - ? WHERE job_id = ?",
            (int(seconds * 1_000_000), job_id),
        )


@pytest.fixture
def log() -> Iterator[list[str]]:
    """What is logged."""
    lines: list[str] = []
    # `diagnose` shows what is in variables by their `repr`, which may be that of a hostile exception.
    sink = logger.add(lines.append, format="{message}", backtrace=False, diagnose=False)
    yield lines
    logger.remove(sink)


class Gauge:
    """Counts how many are inside at once, over coroutines and threads."""

    def __init__(self) -> None:
        self.now = self.most = self.entered = 0
        self._lock = threading.Lock()

    def enter(self) -> None:
        with self._lock:
            self.now += 1
            self.entered += 1
            self.most = max(self.most, self.now)

    def leave(self) -> None:
        with self._lock:
            self.now -= 1


class Clock:
    """A wall clock that can be set; the monotonic one goes on as it does."""

    def __init__(self) -> None:
        self._real, self._offset = time.time_ns, 0

    def now(self) -> int:
        return self._real() + self._offset

    def step(self, seconds: float) -> None:
        self._offset += int(seconds * 1e9)

    def set(self, instant: int) -> None:
        """Let it show `instant` (in microseconds)."""
        self._offset = instant * 1000 - self._real()


def with_jitter(tick: int, at_most: int, low: float, high: float) -> tuple[str, int]:
    """Return a job id with a jitter from `low` to `high` seconds, and when its run of `tick` is due."""
    for number in range(10_000):
        delay = ticks.jitter(f"job{number}", tick, at_most * ticks.SECOND)
        if low * ticks.SECOND <= delay <= high * ticks.SECOND:
            return f"job{number}", tick + delay
    raise AssertionError("no such id")


@pytest.fixture
def clock() -> Iterator[Clock]:
    """The wall clock that the scheduler goes by."""
    made = Clock()
    with use(time_ns=made.now):
        yield made


def covered(found: list[dict[str, Any]], job_id: str, step: float) -> list[int]:
    """Return all ticks of a job that the ledger accounts for, those within range rows too."""
    accounted: list[int] = []
    for row in found:
        if row["job_id"] == job_id and row["tick_us"] is not None:
            last = row["last_tick_us"] or row["tick_us"]
            accounted += range(row["tick_us"], last + 1, int(step * 1_000_000))
    return sorted(accounted)


def without_a_hole(accounted: list[int], step: float) -> bool:
    """Return whether there is each tick from the first to the last, once."""
    return {later - earlier for earlier, later in pairwise(accounted)} == {int(step * 1_000_000)}


@pytest.fixture
def scheduler(tmp_path: Path) -> Iterator[AsyncIOScheduler]:
    """A scheduler of its own, not started."""
    configure_logging()
    with scheduler_settings(tmp_path, SCHEDULER_MAX_WORKERS=4, SCHEDULER_SHUTDOWN_GRACE_TIME=5):
        yield AsyncIOScheduler()


@pytest.fixture
async def nothing_left_behind() -> AsyncIterator[None]:
    """Fail a test after which tasks go on in the event loop."""
    yield
    leaked = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    assert not leaked, leaked
