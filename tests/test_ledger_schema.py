"""The ledger's tables are the same, whether described by the schema or made by the migrations."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import sqlalchemy
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from app.components.scheduler.runtime import AsyncIOScheduler
from app.components.scheduler.runtime.ledger import database, schema, statements
from histories import SECOND, prepared, run, write


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


def test_a_start_finds_its_number_without_going_through_the_runs(scheduler: AsyncIOScheduler) -> None:
    for job_id in ("often", "at starts", "never"):
        scheduler.add_job(print, "cron", hour=3, id=job_id)
    ledger = prepared(scheduler)
    with closing(ledger.connect()) as connection:
        assert connection.execute(statements.LAST_START_NUMBER).fetchone() == (None,)
    write(ledger, "scheduler_runs", [run("often", tick * SECOND) for tick in range(50)])
    at_starts = [run("at starts", None, kind="startup", start_number=number) for number in (7, 9, 8)]
    write(ledger, "scheduler_runs", at_starts)
    with closing(ledger.connect()) as connection:
        assert connection.execute(statements.LAST_START_NUMBER).fetchone() == (9,)
        explained = connection.execute(f"EXPLAIN QUERY PLAN {statements.LAST_START_NUMBER}").fetchall()
    plan = [row[-1] for row in explained]
    of_runs = [line for line in plan if "scheduler_runs" in line]
    assert len(of_runs) == 1, plan
    assert "(job_id=? AND start_number>?)" in of_runs[0], plan
