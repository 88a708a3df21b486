"""Reading the ledger with SQLAlchemy: for what people look at, not for the hot path."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy

from ..errors import LedgerError
from .database import Ledger


@contextmanager
def connect(ledger: Ledger) -> Iterator[sqlalchemy.Connection]:
    """Give a connection that reads what `ledger.schema` describes, and never writes.

    Raises:
        LedgerError: the ledger does not answer, or is damaged.
    """
    engine = sqlalchemy.create_engine("sqlite://", creator=lambda: ledger.connect(read_only=True))
    try:
        with engine.connect() as connection:
            yield connection
    except sqlalchemy.exc.OperationalError as problem:
        raise LedgerError(f"the ledger does not answer: {problem.orig}") from None
    except sqlalchemy.exc.DatabaseError as problem:
        raise LedgerError(ledger.damaged(problem.orig)) from None
    finally:
        engine.dispose()
