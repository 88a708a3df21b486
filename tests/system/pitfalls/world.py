"""Where the stories take place: a machine with a disk, a clock, and one of the two schedulers."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

import pytest
import sqlalchemy
import time_machine
from apscheduler import events
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore
from apscheduler.schedulers.asyncio import AsyncIOScheduler as PlainScheduler
from everytick import AsyncIOScheduler, current_run
from everytick.engine import clock
from everytick.store import sqlite
from everytick.store.sqlite import SqliteLedger

from inside import scheduler_settings, until

from . import bodies


class Pitfall(AssertionError):
    """The scheduler fell into the pitfall that the story is about."""


def spared(condition: object, pitfall: str) -> None:
    """Raise Pitfall unless the scheduler was spared it."""
    if not condition:
        raise Pitfall(pitfall)


@dataclass(frozen=True)
class Outcome:
    """What became of one tick or, where `ticks` is more than 1, of as many."""

    state: str
    reason: str | None = None
    ticks: int | None = 1


Declare = Callable[[Any], object]


class World(ABC):
    """One machine. What is not on its disk is gone with each new start of the process.

    zone, max_workers: what the scheduler is told, each in its own way.
    at_most_once: rather lose a run than begin it twice.
    busy_seconds: how long a database that is locked is waited for.
    statement_seconds: how long each statement takes in the database.
    """

    # How long something that is awaited may take.
    patience: ClassVar[float]

    def __init__(self, folder: Path, clock: time_machine.Traveller, stack: ExitStack) -> None:
        self.folder, self.clock, self._stack = folder, clock, stack
        self.database_file = folder / "ledger.db"
        self.zone = "UTC"
        self.max_workers: int | None = None
        self.at_most_once = False
        self.busy_seconds = 5.0
        self.statement_seconds = 0.0
        # From when to when statements were slow.
        self.slow_times: list[tuple[float, float]] = []
        bodies.forget()
        bodies.own_tick = self.tick_of_this_run

    @abstractmethod
    def scheduler(self) -> Any:
        """Make the scheduler of a process that has just begun."""

    @abstractmethod
    async def stopped(self, scheduler: Any) -> None:
        """Stop the scheduler in good order, if it runs."""

    @abstractmethod
    def outcomes(self, job_id: str) -> list[Outcome]:
        """Return what can be learned now about the past ticks of a job."""

    @abstractmethod
    def tick_of_this_run(self) -> object:
        """Return what a job can learn about the tick for which it runs."""

    @abstractmethod
    def with_short_naps(self) -> None:
        """Look at the wall clock every 0.1 s, if it is looked at at all while nothing is due."""

    @asynccontextmanager
    async def up(self, *jobs: Declare, kept: bool = False) -> AsyncIterator[Any]:
        """Start a process with these jobs; stop it in good order at the end of the block.

        kept: an earlier start has declared the jobs, and who has a job store leaves it at that.
        """
        with self._clock_held():
            scheduler = self.scheduler()
            if not (kept and self.has_job_store):
                for declare in jobs:
                    declare(scheduler)
            scheduler.start()
        try:
            yield scheduler
        finally:
            bodies.released.set()
            await self.stopped(scheduler)

    has_job_store: ClassVar[bool]

    def clock_shows(self, moment: str) -> None:
        """Set the wall clock (UTC)."""
        self._set_clock(datetime.fromisoformat(moment).replace(tzinfo=UTC))

    @contextmanager
    def _clock_held(self) -> Iterator[None]:
        """Let a start take no time, however slow the machine is: what comes a moment later is not missed."""
        now = datetime.now(UTC)
        self._set_clock(now, tick=False)
        try:
            yield
        finally:
            self._set_clock(now)

    def _set_clock(self, moment: datetime, *, tick: bool = True) -> None:
        self.clock.move_to(moment, tick=tick)
        # It only goes on from when it was looked at first.
        time.time_ns()

    def clock_jumps(self, **difference: float) -> None:
        """Set the wall clock on, or back: no timer notices."""
        self.clock.shift(timedelta(**difference))

    async def comes(self, condition: Callable[[], object]) -> bool:
        """Wait until the condition holds; return False when patience ends."""
        deadline = time.monotonic() + self.patience
        while not condition():
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(0.01)
        return True

    @contextmanager
    def locked_database(self) -> Iterator[None]:
        """Hold the database as another program that writes to it."""
        with closing(sqlite3.connect(self.database_file, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            yield
            other.execute("ROLLBACK")

    def _statement(self, *_about: object) -> None:
        if self.statement_seconds:
            begin = time.monotonic()
            time.sleep(self.statement_seconds)
            self.slow_times.append((begin, time.monotonic()))


class Ours(World):
    """The world in which the generated application's class keeps its ledger."""

    patience = 15
    has_job_store = False

    def __init__(self, folder: Path, clock: time_machine.Traveller, stack: ExitStack) -> None:
        super().__init__(folder, clock, stack)
        self._told: dict[str, object] = {}
        self._patch = stack.enter_context(pytest.MonkeyPatch.context())
        connect = SqliteLedger.connect

        def watched(ledger: SqliteLedger, **how: Any) -> sqlite3.Connection:
            connection = connect(ledger, **how)
            connection.set_trace_callback(self._statement)
            return connection

        self._patch.setattr(SqliteLedger, "connect", watched)

    def scheduler(self) -> AsyncIOScheduler:
        told = {"SCHEDULER_TIMEZONE": self.zone, "SCHEDULER_SHUTDOWN_GRACE_TIME": 5}
        if self.max_workers:
            told["SCHEDULER_MAX_WORKERS"] = self.max_workers
        if told != self._told:
            self._told = told
            self._stack.enter_context(scheduler_settings(self.folder, **told))
        self._patch.setattr(sqlite, "_BUSY_SECONDS", self.busy_seconds)
        return AsyncIOScheduler(job_defaults={"on_crash": "skip"} if self.at_most_once else None)

    async def stopped(self, scheduler: AsyncIOScheduler) -> None:
        # Asked to stop by the story, it may be about it already: then this waits for the end of that.
        await scheduler.drain()

    def outcomes(self, job_id: str) -> list[Outcome]:
        query = "SELECT state, reason, last_tick_us, tick_count FROM scheduler_runs WHERE job_id = ?"
        with closing(sqlite3.connect(self.database_file)) as connection:
            rows = connection.execute(query, (job_id,)).fetchall()
        return [Outcome(state, reason, 1 if last is None else n) for state, reason, last, n in rows]

    def tick_of_this_run(self) -> object:
        run = current_run()
        return run and run.tick

    def with_short_naps(self) -> None:
        self._patch.setattr(clock, "LONGEST_SLEEP", 0.1)


class Plain(World):
    """The world in which APScheduler's class has a job store, and a listener that remembers events."""

    patience = 0.4
    has_job_store = True

    def scheduler(self) -> Any:
        self._heard: list[tuple[str, Outcome]] = []
        engine = sqlalchemy.create_engine(
            f"sqlite:///{self.database_file}", connect_args={"timeout": self.busy_seconds}
        )
        sqlalchemy.event.listen(engine, "before_cursor_execute", self._statement)
        options: dict[str, Any] = {"jobstores": {"default": SQLAlchemyJobStore(engine=engine)}}
        if self.max_workers:
            options["executors"] = {"default": ThreadPoolExecutor(self.max_workers)}
        scheduler = PlainScheduler(timezone=self.zone, jobstore_retry_interval=0.1, **options)
        scheduler.add_listener(self._hear)
        return scheduler

    async def stopped(self, scheduler: Any) -> None:
        if scheduler.running:
            scheduler.shutdown()
        await until(lambda: not scheduler.running)
        # What was cancelled has to be told so.
        await asyncio.sleep(0.01)

    def outcomes(self, job_id: str) -> list[Outcome]:
        return [outcome for job, outcome in self._heard if job == job_id]

    def tick_of_this_run(self) -> object:
        return None

    def with_short_naps(self) -> None:
        """There are none: it sleeps until the next tick."""

    def _hear(self, event: Any) -> None:
        known = {
            events.EVENT_JOB_EXECUTED: Outcome("succeeded"),
            events.EVENT_JOB_ERROR: Outcome("failed"),
            events.EVENT_JOB_MISSED: Outcome("skipped", "missed"),
            events.EVENT_JOB_MAX_INSTANCES: Outcome("skipped", "overlap"),
        }
        if event.code in known:
            self._heard.append((event.job_id, known[event.code]))


Story = Callable[[World], Awaitable[None]]


@contextmanager
def opened(kind: type[World], folder: Path, moment: str = "2027-03-10 08:00:00") -> Iterator[World]:
    """Make a world whose clock goes on from this moment (UTC)."""
    begin = datetime.fromisoformat(moment).replace(tzinfo=UTC)
    with ExitStack() as stack:
        clock = stack.enter_context(time_machine.travel(begin, tick=True))
        yield kind(folder, clock, stack)


def job(name: str, trigger: Any, *, body: Any = bodies.note, **how: Any) -> Declare:
    """Return what declares a job as people do; unless told otherwise it notes its name."""
    given = {"args": [name], "id": name, "misfire_grace_time": 600, "replace_existing": True, **how}
    return lambda scheduler: scheduler.add_job(body, trigger, **given)


# Shows, ten times a second, that the scheduler goes on.
witness = job("witness", "interval", seconds=0.1)


async def it_goes_on(times: int = 3) -> None:
    """Wait until the witness was called so often again: what should have come by now did not."""
    seen = bodies.calls.count("witness")
    await until(lambda: bodies.calls.count("witness") >= seen + times)


class LoopSteps:
    """Notes when the event loop makes a step."""

    def __init__(self) -> None:
        self._steps: list[float] = []

    async def __aenter__(self) -> LoopSteps:
        self._task = asyncio.create_task(self._walk())
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._task.cancel()

    def within(self, spans: list[tuple[float, float]]) -> int:
        """Return how many steps were made in these times."""
        return sum(begin < step < end for step in self._steps for begin, end in spans)

    async def _walk(self) -> None:
        while True:
            self._steps.append(time.monotonic())
            await asyncio.sleep(0.001)
