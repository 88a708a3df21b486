"""An upgrade of a ledger on a server: what the tables are afterwards, and what others may do meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from everytick.store import database, schema
from everytick.store.database import Ledger
from everytick.store.opening import ledger_at
from loguru import logger

from waiting import wait_for

INDEXES = "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = current_schema()"
INSERT = """
INSERT INTO scheduler_runs (job_id, kind, tick_us, start_number, state, attempt, crashes, due_us, finished_us)
"""


@pytest.fixture
def old(postgres_url: str) -> Ledger:
    """A ledger of the version before, with a history."""
    ledger = ledger_at(postgres_url)
    config = Config()
    config.set_main_option("script_location", str(Path(database.__file__).parent / "migrations"))
    engine = ledger.engine(read_only=False)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0006")
    engine.dispose()
    with closing(ledger.connect()) as connection:
        ticks = "SELECT 'job', 'scheduled', i, NULL, 'succeeded', 1, 0, i, i FROM generate_series(1, 20000) i"
        starts = "SELECT 'start', 'startup', NULL, i, 'succeeded', 1, 0, i, i FROM generate_series(1, 50) i"
        connection.execute(INSERT + ticks)
        connection.execute(INSERT + starts)
    return ledger


@contextmanager
def told() -> Iterator[list[str]]:
    """Give what is logged meanwhile."""
    found: list[str] = []
    number = logger.add(found.append, format="{message}", level="INFO")
    try:
        yield found
    finally:
        logger.remove(number)


def ask(ledger: Ledger, statement: str) -> list[Any]:
    with closing(ledger.connect(read_only=True)) as connection:
        return connection.execute(statement).fetchall()


def is_for_postgres(item: Any, _name: object, _kind: object, reflected: bool, _other: object) -> bool:
    """Return whether an object of the schema is made on PostgreSQL."""
    only = None if reflected else getattr(item, "_ddl_if", None)
    return only is None or only.dialect == "postgresql"


@pytest.mark.parametrize("is_new", [True, False], ids=["a new ledger", "one of the version before"])
def test_the_migrations_make_what_the_schema_describes(postgres_url: str, old: Ledger, is_new: bool) -> None:
    ledger = old
    if is_new:
        with psycopg.connect(postgres_url, autocommit=True) as connection:
            connection.execute("CREATE SCHEMA fresh")
        ledger = ledger_at(postgres_url.rpartition("%3D")[0] + "%3Dfresh")
    ledger.prepare()
    engine = ledger.engine()
    with engine.connect() as connection:
        options = {"version_table": schema.VERSION_TABLE, "include_object": is_for_postgres}
        context = MigrationContext.configure(connection, opts=options)
        differences = compare_metadata(context, schema.metadata)
        assert [it for it in differences if not isinstance(it, list)] == []
    engine.dispose()
    for table in (schema.jobs, schema.processes):
        query = f"SELECT reloptions FROM pg_class WHERE oid = to_regclass('{table.name}')"
        assert ask(ledger, query) == [([f"fillfactor={table.info['fillfactor']}"],)]
    made = dict(ask(ledger, INDEXES))
    assert "WHERE (start_number IS NOT NULL)" in made["scheduler_runs_startup"]
    assert "WHERE (finished_us IS NOT NULL)" in made["scheduler_runs_ended"]
    assert not {"scheduler_runs_start", "scheduler_runs_finished"} & made.keys()


def test_nothing_that_each_claim_or_heartbeat_writes_is_in_an_index(old: Ledger) -> None:
    old.prepare()
    often = ("watermark_us", "beat", "beat_us", "pass_us")
    assert not [
        text
        for _name, text in ask(old, INDEXES)
        if any(name in text.partition("(")[2].replace(")", ",").split(",") for name in often)
    ]


def test_a_start_and_a_look_at_the_last_end_go_by_the_small_indexes(old: Ledger) -> None:
    old.prepare()
    with psycopg.connect(old._url, autocommit=True) as connection:  # type: ignore[attr-defined]
        connection.execute("ANALYZE scheduler_runs")
        for statement, index in (
            ("SELECT max(finished_us) FROM scheduler_runs WHERE finished_us IS NOT NULL", "ended"),
            ("SELECT run_id FROM scheduler_runs WHERE finished_us < 9 ORDER BY finished_us LIMIT 5", "ended"),
            (
                "SELECT max(start_number) FROM scheduler_runs"
                " WHERE job_id = 'job' AND start_number IS NOT NULL",
                "startup",
            ),
        ):
            plan = "\n".join(row[0] for row in connection.execute(f"EXPLAIN {statement}"))
            assert f"scheduler_runs_{index}" in plan, plan
        again = INSERT + "SELECT 'start', 'startup', NULL, 50, 'queued', 1, 0, 1, NULL"
        with pytest.raises(psycopg.errors.UniqueViolation):
            connection.execute(again)


def test_an_upgrade_says_what_it_does_and_others_write_while_its_indexes_are_built(
    old: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    began, wrote = threading.Event(), threading.Event()
    migrate = database.upgrade

    def wait(ledger: Ledger) -> None:
        # Until here nobody is kept from writing.
        began.set()
        wrote.wait(20)
        migrate(ledger)

    monkeypatch.setattr("everytick.store.postgres.upgrade", wait)
    with told() as lines:
        upgrading = threading.Thread(target=old.prepare)
        upgrading.start()
        assert began.wait(20)
        with closing(old.connect()) as connection, connection.transaction():  # type: ignore[attr-defined]
            connection.execute("UPDATE scheduler_runs SET told_attempt = 1 WHERE tick_us = 5")
        assert {"scheduler_runs_startup", "scheduler_runs_ended"} <= dict(ask(old, INDEXES)).keys()
        wrote.set()
        upgrading.join()
    said = "".join(lines)
    assert f"upgrading from 0006 to {database.REVISION}, up to 20,050 runs" in said
    assert "built the index scheduler_runs_ended" in said
    assert "upgraded in" in said


def test_an_index_that_a_killed_upgrade_left_half_built_is_built_again(
    old: Ledger, postgres_url: str
) -> None:
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("CREATE INDEX scheduler_runs_ended ON scheduler_runs (finished_us)")
        connection.execute(
            "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'scheduler_runs_ended'::regclass"
        )
    old.prepare()
    assert "IS NOT NULL" in dict(ask(old, INDEXES))["scheduler_runs_ended"]


def test_of_processes_that_start_together_one_upgrades_and_the_others_wait(old: Ledger) -> None:
    problems: list[BaseException] = []

    def start() -> None:
        try:
            ledger_at(old._url).prepare(30)  # type: ignore[attr-defined]
        except BaseException as problem:
            problems.append(problem)

    with told() as lines:
        starting = [threading.Thread(target=start) for _ in range(4)]
        for one in starting:
            one.start()
        wait_for(lambda: not any(one.is_alive() for one in starting), "the starts")
    assert not problems
    assert "".join(lines).count("built the index") == 3
    assert old.revision() == database.REVISION
