"""The ledger: a real SQLite in memory, which all simulated processes share, behind a disk with faults.

Each connection is a real one to the same database. What SQLite does by waiting (for a lock, for the disk) is
done here in simulated time: a transaction waits for its lock, holds it, and takes its time to reach the disk.
"""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from itertools import count
from pathlib import Path
from typing import Any

from everytick.errors import LedgerError
from everytick.store import unreadable
from everytick.store.connections import CommitUnknown, Unavailable
from everytick.store.connections import Connection as AnyConnection
from everytick.store.sqlite import SqliteLedger

from simulation.world import MILLISECOND, SECOND, Ended, Program, World

# As SQLite's own: for how long it tries to get a lock, and when it looks again, in milliseconds.
_PATIENCE = 5 * SECOND
_LOOKS = (1, 2, 5, 10, 15, 20, 25, 25, 25, 50, 50, 100)
# How long a statement, and a commit, takes at most on a disk that is well.
_STATEMENT, _COMMIT = MILLISECOND // 10, 2 * MILLISECOND
# How long it takes at most until a process knows what became of a commit whose answer was lost.
_ASKING = 2 * SECOND
_names = count()
_WRITES = ("INSERT", "UPDATE", "DELETE")


class Disk:
    """Where the ledger is, and what is wrong with it.

    slow: how much longer than usual a commit takes, in nanoseconds. full: whether each `write`, or each
    `commit`, fails. lost: how many of the next commits reach the disk, and their answer does not arrive.
    away: the file was moved. holder: who has the lock that every writer needs.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.random = random.Random(f"{world.seed} disk")
        self.uri = f"file:/everytick-simulation-{next(_names)}?vfs=memdb"
        self.slow = 0
        self.full = ""
        self.lost = 0
        self.away = False
        self.holder: object | None = None
        self.commits = 0
        # Holds the database as long as this object is there; and reads it for the checker.
        self.keeper = sqlite3.connect(
            self.uri, timeout=0, isolation_level=None, check_same_thread=False, uri=True
        )

    def rows(self, statement: str, *values: Any) -> list[Any]:
        """Return what a statement finds, for those that are not of the engine."""
        while True:
            try:
                return self.keeper.execute(statement, values).fetchall()
            except sqlite3.OperationalError as problem:
                if problem.sqlite_errorcode not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                    raise
            # A database in memory is not read while somebody writes to it.
            self.world.sleep(MILLISECOND)

    def connect(self, *, read_only: bool, resolving: bool = False) -> Connection:
        if self.away:
            raise _error("unable to open database file", sqlite3.SQLITE_CANTOPEN)
        connection = sqlite3.connect(
            self.uri, timeout=0, isolation_level=None, check_same_thread=False, factory=Connection, uri=True
        )
        connection.belongs_to(self, self.world.program, resolving=resolving)
        connection.text_factory = unreadable.as_text
        if read_only:
            connection.execute("PRAGMA query_only=ON")
        return connection

    def lock(self, holder: object) -> None:
        """Wait for the lock as SQLite does: it looks again and again."""
        world, give_up = self.world, self.world.now + _PATIENCE
        looks = iter(_LOOKS)
        while self.holder is not None:
            if world.now >= give_up:
                raise _error("database is locked", sqlite3.SQLITE_BUSY)
            world.sleep(next(looks, 100) * MILLISECOND)
        self.holder = holder

    def is_held_by(self, program: Program) -> bool:
        """Return whether a process is inside of a transaction."""
        return isinstance(self.holder, Connection) and self.holder._program is program

    def unlock(self, holder: object) -> None:
        if self.holder is holder:
            self.holder = None


class Connection(sqlite3.Connection):
    """A connection of one process."""

    def belongs_to(self, disk: Disk, program: Program, *, resolving: bool) -> None:
        """Take its place. `resolving`: it asks for as long as it takes what became of a commit."""
        self._disk, self._program, self._resolving = disk, program, resolving
        self._own = super().execute
        self._steps: dict[str, Callable[[], Any]] = {
            "BEGIN IMMEDIATE": self._begin,
            "COMMIT": self._commit,
            "ROLLBACK": self._rollback,
            "PRAGMA synchronous=NORMAL": self._nothing,
            "PRAGMA synchronous=FULL": self._nothing,
        }
        program.at_end.append(self._let_go)

    def execute(self, sql: str, parameters: Any = ()) -> Any:
        if not self._program.alive:
            raise Ended
        step = self._steps.get(sql)
        if step is not None:
            return step()
        if self._disk.full == "write" and sql.lstrip().startswith(_WRITES):
            raise _error("database or disk is full", sqlite3.SQLITE_FULL)
        return self._own(sql, parameters)

    def close(self) -> None:
        with suppress(ValueError):
            self._program.at_end.remove(self._let_go)
        self._let_go()

    def _nothing(self) -> None:
        pass

    def _begin(self) -> None:
        disk = self._disk
        disk.lock(self)
        disk.world.sleep(int(disk.random.random() * _STATEMENT))
        self._own("BEGIN IMMEDIATE")

    def _commit(self) -> None:
        disk = self._disk
        disk.world.sleep(int(disk.random.random() * _COMMIT) + disk.slow)
        if disk.full == "commit":
            self._rollback()
            raise _error("database or disk is full", sqlite3.SQLITE_FULL)
        self._own("COMMIT")
        disk.commits += 1
        disk.unlock(self)
        if disk.lost:
            # As with a server that goes away at this moment.
            disk.lost -= 1
            if not self._resolving:
                raise CommitUnknown("the answer of a commit was lost")
            disk.world.sleep(int(disk.random.random() * _ASKING))

    def _rollback(self) -> None:
        if self.in_transaction:
            self._own("ROLLBACK")
        self._disk.unlock(self)

    def _let_go(self) -> None:
        # SQLite lets go of all by itself when a process ends.
        with suppress(sqlite3.Error):
            self._rollback()
        self._disk.unlock(self)
        super().close()


class MemoryLedger(SqliteLedger):
    """The ledger as one process finds it."""

    def __init__(self, disk: Disk) -> None:
        super().__init__("sqlite:////simulated/ledger.db", Path("/simulated"))
        self._disk = disk

    def connect(self, *, read_only: bool = False, resolving: bool = False) -> Any:
        return self._disk.connect(read_only=read_only, resolving=resolving)

    def reading(self) -> Any:
        return closing(self.connect(read_only=True))

    def _guard(self, action: Callable[[], Any]) -> Any:
        try:
            return super()._guard(action)
        except Unavailable as problem:
            # As where a server keeps it.
            raise LedgerError(self.unusable(problem)) from problem

    def exists(self) -> bool:
        return not self._disk.away

    def file_identity(self) -> tuple[int, int] | None:
        return None if self._disk.away else (1, 1)

    def log_identity(self) -> tuple[int, int] | None:
        return self.file_identity()

    def checkpoints(self) -> Any:
        # All is in memory.
        return None

    def unusable(self, problem: object) -> str:
        return f"the ledger {self.place} cannot be used: {problem}"

    def _make_place(self) -> None:
        if self._disk.away:
            raise LedgerError(self.unusable("it was moved"))

    def _is_there(self) -> bool:
        return True

    def _inspect(self) -> str | None:
        connection: AnyConnection = self.connect()
        try:
            return self._revision(connection)
        finally:
            connection.close()


def _error(said: str, code: int) -> sqlite3.OperationalError:
    problem = sqlite3.OperationalError(said)
    problem.sqlite_errorcode = code
    return problem
