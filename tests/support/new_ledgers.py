"""New ledgers in a file, as the migrations make them, without running these for every test.

For each of the many ledgers of the tests Alembic would take longer than most of the tests themselves.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

from everytick.store import database
from everytick.store.connections import transaction
from everytick.store.sqlite import SqliteLedger

_migrate = database.upgrade


@contextmanager
def copied() -> Iterator[None]:
    """Let a ledger that begins empty, in a file, be a copy of one that the migrations made."""
    with patch.object(database, "upgrade", _upgrade):
        yield


def _upgrade(ledger: database.Ledger) -> None:
    if not isinstance(ledger, SqliteLedger) or (ledger.path.exists() and ledger.path.stat().st_size):
        _migrate(ledger)
        return
    with closing(ledger.connect()) as connection, transaction(connection):
        # Of two that begin together, the second finds it made.
        if not connection.execute("SELECT 1 FROM sqlite_master").fetchone():
            for statement in _statements():
                connection.execute(statement)


@cache
def _statements() -> list[str]:
    """Return what makes a ledger anew, read off one that the migrations made in this process."""
    with TemporaryDirectory() as folder:
        made = SqliteLedger(f"sqlite:///{Path(folder) / 'ledger.db'}")
        _migrate(made)
        with closing(made.connect()) as connection:
            [_begin, *statements, _commit] = connection.iterdump()
    return statements
