"""The interface of a connection, as the ledger's operations use it for any database.

SQLite's own connections are used as they are; `postgres` has one of the same form.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from enum import Enum
from typing import Any, Protocol, TypeVar, cast

from everytick.system import system

T = TypeVar("T")

# A statement and its parameters.
Statement = tuple[str, Mapping[str, Any]]

# For how long a transaction that met another one is tried again, and the longest pause before, in seconds.
_CONTENDED_SECONDS, _PAUSE_SECONDS = 5.0, 0.02


class Scope(Enum):
    """What a transaction keeps others from, where a server keeps the ledger; see `locking`.

    A ledger in a file has one writer at a time, whatever the scope is.
    """

    # Nothing: each statement reads by itself, and nothing is written.
    READING = "reading"
    # The rows that it locks: claims, starts, outcomes, heartbeats.
    ROWS = "rows"
    # All that is decided once for the whole ledger: definitions, pauses, requests, starts, reaping, alerts.
    RARE = "rare"
    # Everybody: a move of the ledger, and a change of its owner.
    WHOLE = "whole"


class Unavailable(Exception):
    """The database of a ledger did not answer. Nothing of the transaction under way was done.

    `refused`: it did, and will say no again until a person changes something.
    """

    def __init__(self, problem: str, *, refused: bool = False) -> None:
        super().__init__(problem)
        self.refused = refused

    def __str__(self) -> str:
        # Its other attributes are for the code.
        return str(self.args[0]) if self.args else ""


class Contended(Unavailable):
    """Two transactions stood in each other's way: a deadlock, or a lock that was not given up in time.

    Nothing was done, and trying it again is all that it needs.
    """


class Unheard(Contended):
    """The server had no room for a notification, and undid the transaction; the next one has none."""


class CommitUnknown(Unavailable):
    """The database did not say whether a transaction was committed, and cannot be asked."""


# PostgreSQL's codes for a role that lacks the right, and for a session or a server that may only read.
FORBIDDEN, READ_ONLY = "42501", "25006"

# The clock of PostgreSQL, in microseconds. By the types of its own operator, see `locking`.
SERVERS_NOW = "(extract(epoch FROM clock_timestamp())::float8 * 1000000::float8)::bigint"

# Errors of a ledger that does not answer (locked, full, away): trying again may help.
UNAVAILABLE = (sqlite3.OperationalError, Unavailable)


def one_line(problem: BaseException | None) -> str:
    """Return what a database or its driver says, on one line."""
    lines = [line.strip() for line in str(problem).splitlines()]
    return "; ".join(filter(None, lines)) or type(problem).__name__


def without_nul(value: Any) -> Any:
    """Return a value as it can be kept everywhere: PostgreSQL takes no NUL in a text."""
    return value.replace("\0", "\N{SYMBOL FOR NULL}") if isinstance(value, str) and "\0" in value else value


class Cursor(Protocol):
    """The rows of a statement, and how many it changed."""

    @property
    def rowcount(self) -> int:
        """How many rows were changed."""

    def fetchone(self) -> Any:
        """Return the next row, None after the last."""

    def fetchall(self) -> list[Any]:
        """Return all rows that are left."""

    @property
    def description(self) -> Any:
        """The columns of its rows, each with its name first."""

    def __iter__(self) -> Iterator[Any]:
        """Go through the rows that are left."""


class Connection(Protocol):
    """Outside of a transaction unless `transaction` is around. Parameters are `:name`."""

    def execute(self, sql: str, parameters: Mapping[str, Any] = ..., /) -> Cursor:
        """Run one statement."""

    def close(self) -> None:
        """Let go of it."""


class Transactional(Connection, Protocol):
    """A connection to a server: it begins and ends transactions, and sends statements, in its own way."""

    def transaction(self, scope: Scope = ...) -> AbstractContextManager[None]:
        """Commit what the block does, or undo all of it."""

    def execute_all(self, statements: Iterable[Statement], /) -> list[list[Any]]:
        """Run statements by one trip, one after another; return the rows that each returns."""


class Loading(Connection, Protocol):
    """A connection to a server that takes many rows in one go."""

    def load(self, copy: str, rows: Iterable[Sequence[Any]], /) -> None:
        """Hand over the rows to a COPY statement."""


def is_on_server(connection: Connection) -> bool:
    """Return whether a server keeps the ledger, where others write at the same time."""
    return getattr(connection, "on_server", False)


def together(connection: Connection, *statements: Statement | None) -> list[list[Any]]:
    """Run statements one after another, by one trip on a server; return the rows that each of them returns.

    None in the place of a statement: there is nothing to ask, and there are no rows.
    """
    asked = [statement for statement in statements if statement is not None]
    if is_on_server(connection):
        answers = cast(Transactional, connection).execute_all(asked)
    else:
        answers = [connection.execute(*statement).fetchall() for statement in asked]
    found = iter(answers)
    return [[] if statement is None else next(found) for statement in statements]


def transaction(
    connection: Connection, *, durable: bool = True, scope: Scope = Scope.ROWS
) -> AbstractContextManager[None]:
    """Commit what the block does, or undo all of it. What other writers may do meanwhile, `scope` says.

    A transaction that is not `durable` may be lost in a power cut: it does not wait for the disk, where the
    database allows that.

    Raises:
        Contended: another transaction stood in its way; nothing was done.
    """
    if scope is Scope.READING:
        return nullcontext()
    if isinstance(connection, sqlite3.Connection):
        return _immediate(connection) if durable else _unsynced(connection)
    return cast(Transactional, connection).transaction(scope)


def in_transaction(
    connection: Connection,
    action: Callable[[Connection], T],
    *,
    durable: bool = True,
    scope: Scope = Scope.ROWS,
) -> T:
    """Return what `action(connection)` returns, after the commit.

    It is tried again for some seconds, from the start, while other transactions stand in its way.
    """
    give_up = system.monotonic() + _CONTENDED_SECONDS
    while True:
        try:
            with transaction(connection, durable=durable, scope=scope):
                return action(connection)
        except Contended:
            if system.monotonic() >= give_up:
                raise
            # Not in step with the other one.
            system.sleep(system.uniform(0.0, _PAUSE_SECONDS))


@contextmanager
def _unsynced(connection: sqlite3.Connection) -> Iterator[None]:
    # The next transaction that waits for the disk takes this one with it.
    connection.execute("PRAGMA synchronous=NORMAL")
    try:
        with _immediate(connection):
            yield
    finally:
        connection.execute("PRAGMA synchronous=FULL")


@contextmanager
def _immediate(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
