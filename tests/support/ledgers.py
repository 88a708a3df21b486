"""Changes that tests make to a ledger directly, beside the scheduler, for each kind of ledger."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from typing import Any, cast

import psycopg
from everytick.store.connections import UNAVAILABLE, Connection, Loading, Scope, transaction
from everytick.store.database import Ledger
from everytick.store.sqlite import SqliteLedger


class Hand:
    """Runs statements. Parameters are `:name` given by a mapping, or `?` given in their order."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.on_server = getattr(connection, "on_server", False)

    def execute(self, statement: str, values: tuple[Any, ...] | Mapping[str, Any] = ()) -> Any:
        """Run a statement; return its cursor."""
        if isinstance(values, Mapping):
            return self._connection.execute(statement, values)
        parts = statement.split("?")
        # The names of parameters have no digits.
        names = ["p" * (place + 1) for place in range(len(parts) - 1)]
        marked = "".join(f"{part}:{name}" for part, name in zip(parts, names, strict=False))
        return self._connection.execute(marked + parts[-1], dict(zip(names, values, strict=True)))

    def executemany(self, statement: str, rows: Iterable[Sequence[Any]]) -> None:
        """Run a statement for each row, on a file."""
        cast(sqlite3.Connection, self._connection).executemany(statement, rows)

    def load(self, copy: str, rows: Iterable[Sequence[Any]]) -> None:
        """Hand over the rows to a COPY statement, on a server."""
        cast(Loading, self._connection).load(copy, rows)

    def close(self) -> None:
        """Let go of the connection."""
        self._connection.close()


@contextmanager
def changing(ledger: Ledger) -> Iterator[Hand]:
    """Give a hand in one transaction, which is committed when the block ends."""
    with closing(ledger.connect()) as connection, transaction(connection):
        yield Hand(connection)


@contextmanager
def held(ledger: Ledger) -> Iterator[None]:
    """Keep everybody else from writing until the block ends."""
    with closing(ledger.connect()) as connection:
        if isinstance(ledger, SqliteLedger):
            connection.execute("PRAGMA busy_timeout = 30000", {})
        with transaction(connection, scope=Scope.WHOLE):
            if not isinstance(ledger, SqliteLedger):
                # The server ends a connection that holds it for long without doing anything.
                connection.execute("SET LOCAL idle_in_transaction_session_timeout = 0", {})
            yield


def change(ledger: Ledger, statement: str, *values: Any) -> None:
    """Run one statement; its parameters are `?`."""
    with changing(ledger) as hand:
        hand.execute(statement, values)


def found_in(ledger: Ledger, query: str, *values: Any) -> list[dict[str, Any]]:
    """Return the rows of a query by the names of their columns; its parameters are `?`."""
    if isinstance(ledger, SqliteLedger):
        with closing(ledger.connect(read_only=True)) as connection:
            return _rows(connection, query, values)
    # A server starts a process for each connection, which takes longer than what is waited for so.
    key = (threading.get_ident(), ledger.url)
    if kept := _kept.pop(key, None):
        try:
            return _keeping(key, kept, query, values)
        except (*UNAVAILABLE, psycopg.Error):
            # The server may have ended it meanwhile.
            pass
    return _keeping(key, ledger.connect(read_only=True), query, values)


def let_go() -> None:
    """Close the connections to servers that are kept for a test."""
    while _kept:
        _kept.popitem()[1].close()


_kept: dict[tuple[int, str], Connection] = {}


def _keeping(key: tuple[int, str], connection: Connection, query: str, values: Any) -> list[dict[str, Any]]:
    try:
        found = _rows(connection, query, values)
    except BaseException:
        connection.close()
        raise
    _kept[key] = connection
    return found


def _rows(connection: Connection, query: str, values: Any) -> list[dict[str, Any]]:
    cursor = Hand(connection).execute(query, values)
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def rows_in(ledger: Ledger) -> list[dict[str, Any]]:
    """Return the rows of all runs as they are, oldest first."""
    return found_in(ledger, "SELECT * FROM scheduler_runs ORDER BY run_id")
