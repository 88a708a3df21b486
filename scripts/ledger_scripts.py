"""Write what makes a new ledger, one script for each database: `python scripts/ledger_scripts.py`.

The scripts are the migrations, written out as SQL in their order. A first start so needs no Alembic.
"""

from __future__ import annotations

import io
import runpy
from pathlib import Path

import sqlalchemy
from alembic.migration import MigrationContext
from alembic.operations import Operations
from everytick.store import database, schema
from everytick.store.new_ledger import script_for

_HEADER = "-- Made by scripts/ledger_scripts.py from the migrations; do not edit.\n\n"


def script(dialect: str) -> str:
    """Return the statements of all migrations, and that the ledger is of the newest version."""
    text = io.StringIO()
    context = MigrationContext.configure(dialect_name=dialect, opts={"as_sql": True, "output_buffer": text})
    version = sqlalchemy.Table(
        schema.VERSION_TABLE,
        sqlalchemy.MetaData(),
        sqlalchemy.Column("version_num", sqlalchemy.String(32), nullable=False),
        sqlalchemy.PrimaryKeyConstraint("version_num", name=f"{schema.VERSION_TABLE}_pkc"),
    )
    migrations = sorted((Path(database.__file__).parent / "migrations" / "versions").glob("[0-9]*.py"))
    with Operations.context(context):
        context.impl._exec(sqlalchemy.schema.CreateTable(version))
        for migration in migrations:
            runpy.run_path(str(migration))["upgrade"]()
        context.impl.static_output(
            f"INSERT INTO {schema.VERSION_TABLE} (version_num) VALUES ('{database.REVISION}');"
        )
    lines = (line.rstrip() for line in text.getvalue().replace("\t", "    ").splitlines())
    return _HEADER + "\n".join(lines).strip() + "\n"


def main() -> None:
    """Write both."""
    for dialect in ("sqlite", "postgresql"):
        script_for(dialect).write_text(script(dialect), encoding="utf-8")


if __name__ == "__main__":
    main()
