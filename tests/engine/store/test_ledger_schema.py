"""The ledger's tables are the same by schema and migrations, and their indexes serve a long history."""

from __future__ import annotations

import re
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import sqlalchemy
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from everytick import AsyncIOScheduler
from everytick.store import (
    database,
    job_statements,
    limit_statements,
    limits,
    new_ledger,
    process_statements,
    pruning,
    schema,
    statements,
)
from everytick.store.bulk import Bulk
from everytick.store.database import Ledger
from everytick.store.opening import ledger_at

from histories import SECOND, prepared, run, write
from ledger_scripts import script


def is_for_sqlite(item: Any, _name: object, _kind: object, reflected: bool, _other: object) -> bool:
    """Return whether an object of the schema is made on SQLite."""
    only = None if reflected else getattr(item, "_ddl_if", None)
    return only is None or only.dialect == "sqlite"


def test_the_code_is_written_for_the_newest_migration() -> None:
    scripts = ScriptDirectory(str(Path(database.__file__).parent / "migrations"))
    assert scripts.get_current_head() == database.REVISION


def migrated(folder: Path) -> Ledger:
    """Return a ledger that the migrations made, one after another, as those of older versions were."""
    ledger = ledger_at(f"sqlite:///{folder / 'migrated.db'}")
    database.migrate(ledger)
    return ledger


def tables(ledger: Ledger) -> set[tuple[str, str]]:
    """Return the names of all that is in a ledger, and the statements that make it."""
    with closing(ledger.connect()) as connection:
        found = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
    return {(name, " ".join(made.split())) for name, made in found}


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])
def test_the_script_of_a_new_ledger_is_made_from_the_migrations(dialect: str) -> None:
    command = "run `python scripts/ledger_scripts.py` after a change of the migrations"
    assert new_ledger.script_for(dialect).read_text(encoding="utf-8") == script(dialect), command


def test_a_new_ledger_is_like_one_that_the_migrations_made(tmp_path: Path) -> None:
    ledger = ledger_at(f"sqlite:///{tmp_path / 'ledger.db'}")
    ledger.prepare()
    assert tables(ledger) == tables(migrated(tmp_path))
    assert ledger.revision() == database.REVISION


def test_of_processes_that_start_together_one_makes_the_ledger(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _number: ledger_at(url).prepare(patience=30), range(8)))
    assert ledger_at(url).revision() == database.REVISION


@pytest.mark.full
def test_a_ledger_that_is_made_anew_needs_neither_alembic_nor_sqlalchemy(tmp_path: Path) -> None:
    program = (
        "import sys; from everytick.store.opening import ledger_at;"
        f"ledger_at('sqlite:///{tmp_path / 'ledger.db'}').prepare();"
        "print({'alembic', 'sqlalchemy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "set()"


def test_the_migrations_make_what_the_schema_describes(tmp_path: Path) -> None:
    ledger = migrated(tmp_path)
    engine = sqlalchemy.create_engine("sqlite://", creator=ledger.connect)
    with engine.connect() as connection:
        options = {"version_table": schema.VERSION_TABLE, "include_object": is_for_sqlite}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, schema.metadata) == []
    engine.dispose()


def test_no_write_of_a_run_makes_a_table_to_look_at_the_condition_of_an_index(tmp_path: Path) -> None:
    with closing(migrated(tmp_path).connect()) as connection:
        for written in (
            "INSERT INTO scheduler_runs (job_id, kind, state, attempt, crashes, due_us)"
            " VALUES ('nightly', 'scheduled', 'running', 1, 0, 1)",
            "UPDATE scheduler_runs SET state = 'succeeded', reason = NULL, started_us = 1, finished_us = 2"
            " WHERE run_id = 1",
        ):
            steps = [row[1] for row in connection.execute(f"EXPLAIN {written}").fetchall()]
            assert "IdxInsert" in steps
            assert "OpenEphemeral" not in steps


def test_preparing_again_changes_nothing(tmp_path: Path) -> None:
    ledger = ledger_at(f"sqlite:///{tmp_path / 'ledger.db'}")
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
    assert "(job_id=? AND start_number>? AND start_number<?)" in of_runs[0], plan


# Of jobs that are over: they ran once, mostly.
OF_FEW_RUNS = {"LIST_ADDED_AT_START", "IS_OVER", "PRUNE_JOBS"}
# In the order of an index, as far as the limit.
BY_PIECES = {"MOVE_HISTORY"}
# These have the rows alone that wait, are under way or were cut off, or whose ticks are to be counted.
SMALL = r"scheduler_runs_(held|waiting|cut|cancel|uncounted)"


@pytest.mark.parametrize(
    "module", [statements, limit_statements, job_statements, process_statements, pruning]
)
def test_no_statement_goes_through_a_long_history(scheduler: AsyncIOScheduler, module: ModuleType) -> None:
    ledger = prepared(scheduler)
    with closing(ledger.connect()) as connection:
        for name, value in vars(module).items():
            text = value._sqlite if isinstance(value, Bulk) else value
            if name.startswith("_") or not isinstance(text, str) or "scheduler_runs" not in text:
                continue
            given = dict.fromkeys(re.findall(r"(?<!:):([a-z_]+)", text))
            plan = [row[-1] for row in connection.execute(f"EXPLAIN QUERY PLAN {text}", given).fetchall()]
            names = "|".join({"scheduler_runs", *re.findall(r"scheduler_runs AS (\w+)", text)})
            walks = [line for line in plan if re.match(rf"SCAN ({names})\b", line)]
            assert all(re.search(rf" USING .*INDEX {SMALL}", line) for line in walks), (name, plan)
            # All runs of one job are nearly as many; those under way have an index of their own.
            of_a_job = [
                line
                for line in plan
                if line.endswith("(job_id=?)") and "runs" in line and "scheduler_runs_held" not in line
            ]
            assert not of_a_job or name in OF_FEW_RUNS | BY_PIECES, (name, plan)
            assert name not in BY_PIECES or not any("TEMP B-TREE" in line for line in plan), (name, plan)


def test_what_waits_is_not_compared_with_each_job_of_a_claim(tmp_path: Path) -> None:
    # As after a moment in which nothing began: each claim would take as long as it is until the next one.
    ledger = migrated(tmp_path)
    jobs = [f"job-{number}" for number in range(500)]
    with closing(ledger.connect()) as connection:
        assert isinstance(connection, sqlite3.Connection)
        for tick in (1, 2):
            connection.executemany(
                "INSERT INTO scheduler_runs (job_id, kind, tick_us, state, attempt, crashes, due_us)"
                f" VALUES (?, 'scheduled', {tick}, 'queued', 1, 0, {tick})",
                [(job_id,) for job_id in jobs],
            )
        # In thousands of steps of SQLite's machine.
        steps: list[int] = []
        connection.set_progress_handler(lambda: steps.append(1), 1_000)
        limits.skip_older_queued(connection, dict.fromkeys(jobs, 1), 3, at_once=True)
        connection.set_progress_handler(None, 0)
        left = connection.execute("SELECT tick_us, count(*) FROM scheduler_runs WHERE state = 'queued'")
        assert left.fetchall() == [(2, 500)]
    assert len(steps) < 200
