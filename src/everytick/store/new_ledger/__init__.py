"""Makes a new ledger by one script, which is made from the migrations: a first start needs no Alembic."""

from __future__ import annotations

from pathlib import Path

from everytick.store.connections import Connection


def script_for(dialect: str) -> Path:
    """Return the file of a database's script; `dialect` is `sqlite` or `postgresql`."""
    return Path(__file__).with_name(f"{dialect}.sql")


def make(connection: Connection, dialect: str) -> None:
    """Make the tables of a ledger that has none, at the newest version. Called inside of a transaction."""
    script = script_for(dialect).read_text(encoding="utf-8").partition("\n")[2]
    for statement in script.split(";\n"):
        if statement.strip():
            connection.execute(statement)
