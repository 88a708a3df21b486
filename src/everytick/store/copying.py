"""Copies the rows of one ledger into another of any kind, in pieces that are committed one by one.

A piece begins where the last one ended, so that a copy that was interrupted goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import sqlalchemy
from everytick.errors import LedgerError, LedgerUnavailable
from sqlalchemy import Column, Connection, Integer, Table, func, select
from sqlalchemy.dialects import postgresql, sqlite

from . import schema
from .connections import FORBIDDEN, one_line, without_nul
from .database import Ledger
from .migration_fence import ARRIVING, Mark

# The processes of a ledger that is moved are gone.
TABLES = [table for table in schema.metadata.sorted_tables if table is not schema.processes]

_PIECE_ROWS = 1_000
_PIECE_CHARACTERS = 2_000_000
# The rows that are fetched at once; the texts of runs and their logs may be long.
_FETCHED = {schema.runs: 200, schema.attempts: 100, schema.logs: 10}

_INSERT: dict[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}
_PRIME = 999_983


@dataclass(frozen=True)
class Measure:
    """The checksum of a table: its number of rows, its highest number, and a sum over all numbers."""

    rows: int
    highest: int | None
    total: int


@contextmanager
def reading(ledger: Ledger) -> Iterator[Connection]:
    """Give a connection that only reads; on a server all of it is of one instant.

    Raises:
        LedgerUnavailable: the ledger does not answer.
        LedgerError: it is damaged, or may not be read.
    """
    engine = ledger.engine()
    try:
        with engine.connect() as connection:
            yield connection
    except sqlalchemy.exc.OperationalError as problem:
        raise LedgerUnavailable(f"the ledger does not answer: {one_line(problem.orig)}") from None
    except sqlalchemy.exc.DatabaseError as problem:
        if getattr(problem.orig, "sqlstate", None) == FORBIDDEN:
            raise LedgerError(ledger.unusable(one_line(problem.orig))) from None
        raise LedgerError(ledger.damaged(one_line(problem.orig))) from None
    finally:
        engine.dispose()


@contextmanager
def writing(ledger: Ledger) -> Iterator[Connection]:
    """Give a connection that writes; each transaction on it has the ledger for itself.

    Raises:
        LedgerError: the ledger does not answer, or refuses the rows.
    """
    engine = ledger.engine(read_only=False)
    try:
        with engine.connect() as connection:
            yield connection
    except sqlalchemy.exc.DBAPIError as problem:
        raise LedgerError(ledger.unusable(one_line(problem.orig))) from None
    finally:
        engine.dispose()


def measure(connection: Connection, table: Table) -> Measure:
    """Count the rows of a table, and add up what can be added up, alike on every database."""
    numbers = [column for column in table.columns if isinstance(column.type, Integer)]
    # The remainders: the sum of a million instants would not fit into 64 bits.
    sums = [func.coalesce(func.sum(column % _PRIME), 0) for column in numbers]
    key = _number(table)
    highest = sqlalchemy.null() if key is None else func.max(key)
    rows, top, *totals = connection.execute(select(func.count(), highest, *sums).select_from(table)).one()
    return Measure(rows, top, sum(int(total) for total in totals))


def count(connection: Connection, table: Table) -> int:
    """Return how many rows a table has."""
    return connection.scalar(select(func.count()).select_from(table)) or 0


def put_mark(connection: Connection, mark: Mark) -> None:
    """Close the target ledger with a fence: no process may use it before the copy is complete."""
    row = {"audit_id": mark.audit_id, "at_us": mark.at, "who": mark.who, "note": mark.note}
    connection.execute(sqlalchemy.insert(schema.audit), {**row, "action": ARRIVING})


def copy(
    source: Connection, target: Connection, table: Table, mark: Mark, told: Callable[[int], None]
) -> None:
    """Copy the rows of a table that are not there yet; `told` hears how many each piece had.

    Raises:
        LedgerError: another process ended the move.
    """
    with target.begin():
        last = _last_number(target, table, mark)
    insert = _INSERT[target.dialect.name](table).on_conflict_do_nothing()
    for piece in _pieces(source, table, last, mark):
        with target.begin():
            _check_mark(target, mark)
            target.execute(insert, piece)
        told(len(piece))


def _check_mark(target: Connection, mark: Mark) -> None:
    audit = schema.audit.c
    action = target.scalar(select(audit.action).where(audit.audit_id == mark.audit_id))
    if action != ARRIVING:
        raise LedgerError("the same move was ended by another process: there is nothing left to do")


def _number(table: Table) -> Column[Any] | None:
    """Return the number by which a table is ordered; None if it is ordered by a text."""
    key = next(iter(table.primary_key))
    return key if isinstance(key.type, Integer) else None


def _last_number(target: Connection, table: Table, mark: Mark) -> int | None:
    """Return where a copy goes on: all rows before this number are there already.

    Of a text it is not asked, as databases order texts each in its own way.
    """
    key = _number(table)
    if key is None:
        return None
    query = select(func.max(key))
    if table is schema.audit:
        # The mark itself was the first row that was written.
        query = query.where(key < mark.audit_id)
    last: int | None = target.scalar(query)
    return last


def _pieces(source: Connection, table: Table, last: int | None, mark: Mark) -> Iterator[list[dict[str, Any]]]:
    key = _number(table)
    query = select(table).order_by(*table.primary_key)
    if key is not None and last is not None:
        # Copy the rows of the last number again: it may have more by now, such as further attempts.
        query = query.where(key >= last)
    if table is schema.audit:
        query = query.where(schema.audit.c.audit_id < mark.audit_id)
    piece: list[dict[str, Any]] = []
    size = 0
    rows = source.execute(query, execution_options={"yield_per": _FETCHED.get(table, _PIECE_ROWS)})
    for row in rows.mappings():
        clean = {name: without_nul(value) for name, value in row.items()}
        piece.append(clean)
        size += sum(len(value) for value in clean.values() if isinstance(value, str))
        if len(piece) >= _PIECE_ROWS or size >= _PIECE_CHARACTERS:
            yield piece
            piece, size = [], 0
    if piece:
        yield piece
