"""A new ledger on a server, beside one that the migrations made."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from everytick.store import database
from everytick.store.database import Ledger
from everytick.store.opening import ledger_at

from servers import Server

pytestmark = pytest.mark.full

_COLUMNS = """
    SELECT table_name, column_name, data_type, is_nullable, is_identity, column_default
    FROM information_schema.columns WHERE table_schema = current_schema()
"""
_INDEXES = "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = current_schema()"
_CONSTRAINTS = """
    SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid)
    FROM pg_constraint WHERE connamespace = current_schema()::regnamespace
"""
_TABLES = """
    SELECT relname, relkind, reloptions::text
    FROM pg_class WHERE relnamespace = current_schema()::regnamespace
"""


def contents(ledger: Ledger) -> list[set[tuple[str, ...]]]:
    """Return the columns, indexes, constraints and options of all that is in a ledger."""
    with closing(ledger.connect()) as connection:
        [schema] = connection.execute("SELECT current_schema()").fetchone()
        return [
            {tuple(str(value).replace(f"{schema}.", "") for value in row) for row in found}
            for found in (
                connection.execute(asked).fetchall() for asked in (_COLUMNS, _INDEXES, _CONSTRAINTS, _TABLES)
            )
        ]


def test_a_new_ledger_is_like_one_that_the_migrations_made(server: Server) -> None:
    migrated, new = (ledger_at(server.new_ledger()) for _ in range(2))
    database.upgrade(migrated)
    new.prepare()
    assert contents(new) == contents(migrated)
    assert all(contents(new))
    assert new.revision() == database.REVISION


def test_of_processes_that_start_together_one_makes_the_ledger(postgres_url: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _number: ledger_at(postgres_url).prepare(patience=30), range(4)))
    assert ledger_at(postgres_url).revision() == database.REVISION
