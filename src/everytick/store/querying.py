"""Reads the ledger with SQLAlchemy, for commands and pages; the hot path uses plain SQL."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import sqlalchemy
from everytick.app import typed
from everytick.errors import LedgerError, LedgerUnavailable

from . import migration_fence, owner, unreadable
from .connections import one_line
from .database import Ledger
from .records import AddedRow

# PostgreSQL's code for a role that lacks the right.
_FORBIDDEN = "42501"
# SQLite limits the number of parameters in a statement.
_MOST_IDS = 500


@contextmanager
def connect(ledger: Ledger) -> Iterator[sqlalchemy.Connection]:
    """Give a connection that reads what `schema` describes, and never writes.

    Raises:
        LedgerUnavailable: the ledger does not answer.
        LedgerError: it is damaged, or may not be read.
    """
    try:
        with ledger.reading() as engine, engine.connect() as connection:
            yield connection
    except sqlalchemy.exc.OperationalError as problem:
        raise LedgerUnavailable(f"the ledger does not answer: {said(problem)}") from None
    except sqlalchemy.exc.DatabaseError as problem:
        if getattr(problem.orig, "sqlstate", None) == _FORBIDDEN:
            raise LedgerError(ledger.unusable(said(problem))) from None
        raise LedgerError(ledger.damaged(said(problem))) from None


@contextmanager
def connect_checked(ledger: Ledger) -> Iterator[sqlalchemy.Connection]:
    """Give a connection as `connect` does, to a ledger that this code can read as it is.

    Raises:
        LedgerUnavailable: the ledger does not answer.
        LedgerError: there is none yet, or it is of another version, damaged, or may not be read.
    """
    ledger.check_readable()
    with connect(ledger) as connection:
        yield connection


def why_unused(connection: sqlalchemy.Connection, application: str | None) -> str | None:
    """Return the sentence that says why this ledger is not in use: it was moved, or is another's."""
    plain = _Plain(connection)
    return migration_fence.why_closed(plain) or owner.why_not_ours(plain, application)


def remark(ledger: Ledger) -> str | None:
    """Return the sentence that says why a ledger does not show the application's present, or not all of it.

    Raises nothing: who reads the ledger itself finds out what else is wrong with it.
    """
    try:
        with connect_checked(ledger) as connection:
            return why_unused(connection, ledger.application) or _unreadable_jobs(connection)
    except LedgerError:
        return None


def _unreadable_jobs(connection: sqlalchemy.Connection) -> str | None:
    found = unreadable.find(connection, 1, "scheduler_jobs")
    return f"{found[0]}; `{typed('doctor')}` lists all such rows, which are left out here" if found else None


class _Plain:
    """A connection in the form that the ledger's operations use, for what has no parameters."""

    def __init__(self, connection: sqlalchemy.Connection) -> None:
        self._connection = connection

    def execute(self, sql: str, _parameters: Mapping[str, Any] | None = None, /) -> Any:
        return self._connection.exec_driver_sql(sql)

    def close(self) -> None:
        """Do nothing: the caller closes the connection that it has handed over."""


def pieces(numbers: Sequence[int]) -> Iterator[Sequence[int]]:
    """Yield the numbers in parts, each small enough for one statement."""
    for begin in range(0, len(numbers), _MOST_IDS):
        yield numbers[begin : begin + _MOST_IDS]


def said(problem: sqlalchemy.exc.DBAPIError) -> str:
    """Return what the database said, on one line."""
    return one_line(problem.orig)


def added_row(row: Any) -> AddedRow:
    """Return a row of `schema.jobs`, of a job that was added while running, as the registry takes it."""
    return AddedRow(
        row.job_id,
        row.name,
        row.function,
        row.schedule_data,
        row.call_data,
        row.watermark_us,
        None,
        row.serial,
    )
