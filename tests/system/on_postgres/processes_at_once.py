"""Several processes on one ledger, each with a connection, for tests of what they decide at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeVar

import pytest
from everytick import AsyncIOScheduler
from everytick.model import ticks
from everytick.model.group_limits import GroupLimits
from everytick.model.job import Job
from everytick.model.misfire import Decision
from everytick.store import (
    claims,
    joining,
    postgres_connection,
    queue,
    runs,
    workers,
)
from everytick.store.connections import Connection, Scope, in_transaction
from everytick.store.database import Ledger
from everytick.store.opening import ledger_at
from everytick.store.records import Claim, Identity, Outcome, Room

from inside import scheduler_settings
from ledgers import change, found_in
from waiting import wait_for

T = TypeVar("T")

LIMITS = GroupLimits({"database": 2})
HOUR = 3600 * ticks.SECOND


@pytest.fixture
def jobs(tmp_path: Path) -> dict[str, Job]:
    return due_each_second(tmp_path, 6)


def due_each_second(folder: Path, number: int, **options: Any) -> dict[str, Job]:
    """Return that many jobs, by their ids."""
    with scheduler_settings(folder):
        scheduler = AsyncIOScheduler(job_defaults={"misfire_grace_time": None})
        for each in range(number):
            scheduler.add_job(print, "interval", seconds=1, id=f"job{each}", **options)
        return {job.id: job for job in scheduler.get_jobs()}


class World:
    """Some processes on one ledger, each with a connection of its own."""

    def __init__(self, ledger: Ledger, jobs: dict[str, Job], opened: ExitStack) -> None:
        self.ledger, self.jobs, self._opened = ledger, jobs, opened
        self.pool = opened.enter_context(ThreadPoolExecutor(16))
        self.one, self.other = self.process(), self.process()

    def process(self) -> Worker:
        connection = self.ledger.connect(resolving=True)
        self._opened.callback(connection.close)
        worker = Worker(connection, Identity.new(group_limits=LIMITS), self.jobs)
        # All of them live in this interpreter.
        workers.ALIVE_HERE.add(worker.me.process_id)
        self._opened.callback(workers.ALIVE_HERE.discard, worker.me.process_id)
        in_transaction(
            connection,
            lambda inside: joining.register(inside, worker.me, list(self.jobs.values()), None),
            scope=Scope.RARE,
        )
        return worker

    def since_an_hour(self) -> None:
        """Let nothing have been claimed for an hour."""
        change(self.ledger, "UPDATE scheduler_jobs SET watermark_us = ?", ticks.now() - HOUR)

    def rows(self, more: str = "") -> list[dict[str, Any]]:
        return found_in(self.ledger, f"SELECT * FROM scheduler_runs {more} ORDER BY run_id")

    def watermark(self, job_id: str) -> int:
        [row] = found_in(self.ledger, "SELECT watermark_us FROM scheduler_jobs WHERE job_id = ?", job_id)
        return int(row["watermark_us"])

    def waits(self, doing: Future[Any]) -> None:
        """Return when a transaction waits for another one."""
        wait_for(lambda: self._waiting() or doing.done(), "the lock")
        assert not doing.done(), doing.result()

    def _waiting(self) -> bool:
        return bool(found_in(self.ledger, "SELECT 1 FROM pg_locks WHERE NOT granted"))


class Worker:
    """A process: what it does is done with its connection, in a transaction of the right kind."""

    def __init__(self, connection: Connection, me: Identity, jobs: dict[str, Job]) -> None:
        self.connection, self.me, self.jobs = connection, me, jobs

    def decision(self, job_id: str, seen: int) -> Decision:
        job = self.jobs[job_id]
        tick = job.next_tick(seen)
        assert tick is not None
        return Decision(job, seen, tick, (tick,), ())

    def claim(self, *decisions: Decision) -> list[Any]:
        return self.do(lambda inside: claims.claim(inside, self.me, decisions, Room(10)))

    def take(self, found: queue.Found | None = None) -> list[Claim]:
        return self.do(lambda inside: queue.take(inside, self.me, self.jobs, Room(10), found))

    def start(self, held: Claim) -> str:
        verdicts = self.do(lambda inside: runs.start(inside, self.me, [(held, self.jobs[held.job_id])]))
        return str(verdicts[held.run_id])

    def finish(self, held: Claim) -> None:
        now = ticks.now()
        outcome = Outcome(held, "succeeded", started=now, finished=now)
        self.do(lambda inside: runs.finish_all(inside, self.me, [outcome]))

    def rare(self, action: Callable[[Connection], T]) -> T:
        return in_transaction(self.connection, action, scope=Scope.RARE)

    def do(self, action: Callable[[Connection], T]) -> T:
        return in_transaction(self.connection, action)

    def reap(self, other: Identity, beat: int) -> int | None:
        return self.rare(lambda inside: workers.reap(inside, other.process_id, beat, ticks.now()))


@pytest.fixture
def world(postgres_url: str, jobs: dict[str, Job]) -> Iterator[World]:
    ledger = ledger_at(postgres_url)
    ledger.prepare()
    with ExitStack() as opened:
        made = World(ledger, jobs, opened)
        made.since_an_hour()
        yield made


@pytest.fixture
def contended(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The errors of transactions that met."""
    found: list[str] = []
    trouble = postgres_connection._trouble

    def told(problem: Any) -> Exception:
        found.append(str(problem))
        return trouble(problem)

    monkeypatch.setattr(postgres_connection, "_trouble", told)
    return found


def accounted_once(world: World) -> None:
    """Check that no tick has a row of its own and lies within a range too."""
    twice = """
        SELECT one.job_id, one.tick_us FROM scheduler_runs AS one JOIN scheduler_runs AS gap
        ON gap.job_id = one.job_id AND gap.run_id <> one.run_id
        AND one.tick_us BETWEEN gap.tick_us AND COALESCE(gap.last_tick_us, gap.tick_us)
    """
    assert found_in(world.ledger, twice) == []
