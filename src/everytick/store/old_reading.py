"""Reads the ledger with SQLAlchemy: until all statements are text."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy
from everytick.errors import LedgerError, LedgerUnavailable

from .connections import one_line
from .database import Ledger

# PostgreSQL's code for a role that lacks the right.
_FORBIDDEN = "42501"


@contextmanager
def old_connect(ledger: Ledger) -> Iterator[sqlalchemy.Connection]:
    """Give a connection of SQLAlchemy's that only reads."""
    try:
        with ledger.old_reading() as engine, engine.connect() as connection:
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
