"""Whether the schedule is kept: the processes, their signs of life, and how quickly the ledger answers."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from everytick.engine.heartbeats import LEASE_SECONDS
from everytick.errors import LedgerError
from everytick.explain import last_trace
from everytick.model import ticks
from everytick.model.roles import Role
from everytick.read import iso
from everytick.read.runs import HELD
from everytick.store import schema
from everytick.store.database import Ledger
from everytick.store.querying import connect
from sqlalchemy import Connection, func, select, text

from .problems import Problem

LEASE = int(LEASE_SECONDS * ticks.SECOND)


@dataclass(frozen=True)
class ProcessView:
    """A process that keeps the schedule. Instants are microseconds UTC, `left` seconds."""

    process_id: str
    host: str
    pid: int
    started: int
    beat: int
    passed: int | None
    held: int
    now: int
    role: str

    @property
    def alive(self) -> bool:
        """Whether its lease lasts. By the clocks of two machines, hence only for people to see."""
        return self.now - self.beat < LEASE

    @property
    def stalled(self) -> bool:
        """Whether it is alive, but its event loop did not answer with its last signs of life."""
        return self.alive and self.passed is not None and self.beat - self.passed > LEASE

    @property
    def left(self) -> float:
        """Seconds until its lease ends without a further sign of life."""
        return max(0.0, (self.beat + LEASE - self.now) / ticks.SECOND)


@dataclass(frozen=True)
class Vitals:
    """What the head of each page says. `latency` is in seconds."""

    processes: list[ProcessView]
    latency: float
    # When a scheduler last wrote down an outcome; only looked up if none is up.
    last_outcome: int | None = None

    @property
    def state(self) -> str:
        """`up`, `stalled`, or `down`."""
        alive = [process for process in self.processes if process.alive]
        if not alive:
            return "down"
        return "stalled" if all(process.stalled for process in alive) else "up"

    @property
    def last_pass(self) -> int | None:
        """When an event loop was last seen to answer."""
        return max((process.passed for process in self.processes if process.passed), default=None)

    @property
    def last_beat(self) -> int | None:
        """The newest sign of life."""
        return max((process.beat for process in self.processes), default=None)

    @property
    def last_trace(self) -> int | None:
        """The newest sign of life, or the last outcome that a scheduler wrote down."""
        return max((trace for trace in (self.last_beat, self.last_outcome) if trace), default=None)


@contextmanager
def reading(ledger: Ledger) -> Iterator[Connection]:
    """Give a connection that only reads.

    Raises:
        Problem: there is no ledger yet, or it does not answer.
    """
    try:
        ledger.check_readable()
        with connect(ledger) as connection:
            yield connection
    except LedgerError as problem:
        raise Problem(503, str(problem)) from None


def vitals(connection: Connection) -> Vitals:
    """Return who is alive, and how long the ledger took to say so."""
    began = time.perf_counter()
    rows = connection.execute(select(schema.processes)).all()
    latency = time.perf_counter() - began
    held = _held(connection) if rows else {}
    now = ticks.now()
    found = [
        ProcessView(
            row.process_id,
            row.host,
            row.pid,
            row.started_us,
            row.beat_us,
            row.pass_us,
            held.get(row.process_id, 0),
            now,
            str(Role.kept(row.role, row.queues)),
        )
        for row in rows
    ]
    last = None if any(process.alive for process in found) else last_trace(connection, now)
    return Vitals(sorted(found, key=lambda process: -process.beat), latency, last)


def _held(connection: Connection) -> dict[str, int]:
    """Return how many runs each process holds. By the index scheduler_runs_held."""
    runs = schema.runs.c
    query = select(runs.process_id, func.count()).where(text(HELD)).group_by(runs.process_id)
    return {row[0]: row[1] for row in connection.execute(query)}


def process_fields(process: ProcessView) -> dict[str, Any]:
    """Return a process as the API shows it."""
    return {
        "process_id": process.process_id,
        "host": process.host.partition("/")[0],
        "pid": process.pid,
        "started_at": iso(process.started),
        "last_heartbeat_at": iso(process.beat),
        "last_pass_at": iso(process.passed),
        "alive": process.alive,
        "stalled": process.stalled,
        "lease_seconds_left": process.left,
        "runs_held": process.held,
    }
