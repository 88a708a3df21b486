"""The ledger: a real SQLite in memory, which all simulated processes share, behind a disk with faults.

Each connection leads to a real one to the same database, which it has for itself as long as it is open. What
SQLite does by waiting (for a lock, for the disk) is done here in simulated time: a transaction waits for its
lock, holds it, and takes its time to reach the disk.
"""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from itertools import count
from pathlib import Path
from typing import Any
from weakref import ref

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
# More than the engine has statements: each is compiled once.
_STATEMENTS = 500
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
        # Real connections that nobody has at the moment. A new one would have to read the schema, and to
        # compile each statement anew.
        self._idle: list[sqlite3.Connection] = []
        # Holds the database as long as this object is there; and reads it for the checker.
        self.keeper = self._real()

    def close(self) -> None:
        """Let the database go, when all processes have ended."""
        for real in (self.keeper, *self._idle):
            real.close()

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
        real = self._idle.pop() if self._idle else self._real()
        real.text_factory = unreadable.as_text
        real.execute(f"PRAGMA query_only={'ON' if read_only else 'OFF'}")
        return Connection(self, real, self.world.program, resolving=resolving)

    def take_back(self, real: sqlite3.Connection) -> None:
        """Keep a real connection for another one, now that nothing of its former one is under way."""
        self._idle.append(real)

    def _real(self) -> sqlite3.Connection:
        return sqlite3.connect(
            self.uri,
            timeout=0,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=_STATEMENTS,
            uri=True,
        )

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
    """A connection of one process; `real` does its work. Others of SQLite's methods fail: it is none itself.

    resolving: it asks for as long as it takes what became of a commit.
    """

    on_server = False

    def __init__(self, disk: Disk, real: sqlite3.Connection, program: Program, *, resolving: bool) -> None:
        self._disk, self._real, self._program, self._resolving = disk, real, program, resolving
        # How the real one executes something, as long as this one is open.
        self._own: Callable[..., Any] = real.execute
        self._cursor: ref[sqlite3.Cursor] | None = None
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
        cursor = self._own(sql, parameters)
        self._cursor = ref(cursor)
        return cursor

    def executemany(self, sql: str, parameters: Any) -> Any:
        self._check_open()
        return self._real.executemany(sql, parameters)

    @property
    def in_transaction(self) -> bool:
        self._check_open()
        return self._real.in_transaction

    def close(self) -> None:
        with suppress(ValueError):
            self._program.at_end.remove(self._let_go)
        self._let_go()

    def _check_open(self) -> None:
        # The real one may be another's by now.
        if self._own is _closed:
            _closed()

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
        if self._own is _closed:
            return
        # SQLite lets go of all by itself when a process ends.
        cursor = None if self._cursor is None else self._cursor()
        if cursor is not None:
            # It may have rows left, and would keep others from writing.
            cursor.close()
        with suppress(sqlite3.Error):
            self._rollback()
        self._disk.unlock(self)
        self._own = _closed
        self._disk.take_back(self._real)


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


def _closed(*_about: Any) -> Any:
    raise sqlite3.ProgrammingError("Cannot operate on a closed database.")


def _error(said: str, code: int) -> sqlite3.OperationalError:
    problem = sqlite3.OperationalError(said)
    problem.sqlite_errorcode = code
    return problem
