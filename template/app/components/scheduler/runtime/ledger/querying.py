"""Reading the ledger with SQLAlchemy: for what people look at, not for the hot path."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy

from ..errors import LedgerError, LedgerUnavailable
from .connections import one_line
from .database import Ledger
from .records import AddedRow

# What PostgreSQL answers to a role that may not.
_FORBIDDEN = "42501"


@contextmanager
def connect(ledger: Ledger) -> Iterator[sqlalchemy.Connection]:
    """Give a connection that reads what `ledger.schema` describes, and never writes.

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


def said(problem: sqlalchemy.exc.DBAPIError) -> str:
    """Return what the database said, on one line."""
    return one_line(problem.orig)


def added_row(row: Any) -> AddedRow:
    """Return a row of `schema.jobs`, of a job that was added while running, as the catalogue takes it."""
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
