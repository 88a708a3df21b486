"""Who is alive: this process's heartbeat, and what a dead process left behind.

A process is declared dead when it is provably gone (same host, no such pid) or when its heartbeat has not
moved for a whole lease, as timed by the observer's own monotonic clock: two machines' wall clocks are never
compared (R10).
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Sequence

from loguru import logger

from . import ticks
from .declaration import Job
from .ledger import operations
from .ledger import statements as sql
from .ledger.operations import Claim, Identity, Registration

BEAT_SECONDS = 5.0
LEASE_SECONDS = 15.0


class Presence:
    """The pulse of one process, called about once a second by the ledger's writer thread."""

    def __init__(self, me: Identity, jobs: Sequence[Job], take: Callable[[list[Claim]], None]) -> None:
        self._me, self._jobs, self._take = me, jobs, take
        self._known = {job.id for job in jobs}
        self._watched: dict[str, tuple[int, float]] = {}
        self._doubtful: set[str] = set()
        self._start_number = 0
        self._next_beat = 0.0
        # Set while runs that others gave back can be taken over: not before the start, not in a drain.
        self.taking = False

    def joined(self, registration: Registration) -> None:
        """Remember who was there at the start: if none of them moves again, this was a new start."""
        self._doubtful = set(registration.peers)
        self._start_number = registration.start_number

    def pulse(self, connection: sqlite3.Connection) -> None:
        """Take over runs that were given back; beat, and look after the others, when it is time."""
        if self.taking and connection.execute(sql.LIST_QUEUED, {"now": ticks.now()}).fetchone():
            self._in_transaction(connection, self._take_queued)
        if time.monotonic() >= self._next_beat:
            self._next_beat = time.monotonic() + BEAT_SECONDS
            self._in_transaction(connection, self._beat)

    def _in_transaction(
        self, connection: sqlite3.Connection, action: Callable[[sqlite3.Connection], list[Claim]]
    ) -> None:
        connection.execute("BEGIN IMMEDIATE")
        try:
            claims = action(connection)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        if claims:
            self._take(claims)

    def _take_queued(self, connection: sqlite3.Connection) -> list[Claim]:
        return operations.take_queued(connection, self._me, self._known)

    def _beat(self, connection: sqlite3.Connection) -> list[Claim]:
        me = self._me
        connection.execute(sql.BEAT, {"process_id": me.process_id, "now": ticks.now()})
        claims: list[Claim] = []
        for process_id, host, pid, beat, _number in connection.execute(sql.LIST_PROCESSES).fetchall():
            if process_id != me.process_id and self._is_dead(process_id, host, pid, beat):
                claims += self._bury(connection, process_id, beat)
        return claims

    def _is_dead(self, process_id: str, host: str, pid: int, beat: int) -> bool:
        if operations.process_is_dead(host, pid, process_id, self._me, operations.ALIVE_HERE):
            return True
        now = time.monotonic()
        before = self._watched.get(process_id)
        if before is None or before[0] != beat:
            if before is not None:
                # A sign of life: the schedule was up when this process joined it.
                self._doubtful.clear()
            self._watched[process_id] = (beat, now)
            return False
        return now - before[1] >= LEASE_SECONDS

    def _bury(self, connection: sqlite3.Connection, process_id: str, beat: int) -> list[Claim]:
        lost = operations.forget_process(connection, process_id, beat)
        self._watched.pop(process_id, None)
        if lost is None:
            return []
        logger.warning("process {} died; {} of its runs are recorded as lost", process_id[:8], lost)
        if process_id not in self._doubtful:
            return []
        self._doubtful.remove(process_id)
        if self._doubtful:
            return []
        # All that were there were dead already: joining them was in truth a start of the schedule.
        # Others who found the same count to the same number, so that it has its startup runs once.
        number = self._start_number + 1
        return operations.startup_runs(connection, self._me, self._jobs, number)
