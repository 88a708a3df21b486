"""The ledger's tables are the same, whether described by the schema or made by the migrations."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from app.components.scheduler.runtime.ledger import database, schema


def test_the_code_is_written_for_the_newest_migration() -> None:
    scripts = ScriptDirectory(str(Path(database.__file__).parent / "migrations"))
    assert scripts.get_current_head() == database.REVISION


def test_the_migrations_make_what_the_schema_describes(tmp_path: Path) -> None:
    ledger = database.Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    ledger.prepare()
    engine = sqlalchemy.create_engine("sqlite://", creator=ledger.connect)
    with engine.connect() as connection:
        options = {"version_table": schema.VERSION_TABLE}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, schema.metadata) == []
    engine.dispose()


def test_preparing_again_changes_nothing(tmp_path: Path) -> None:
    ledger = database.Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    ledger.prepare()
    before = ledger.path.read_bytes()
    ledger.prepare()
    assert ledger.path.read_bytes() == before
