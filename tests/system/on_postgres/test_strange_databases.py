"""Databases in which a ledger cannot be kept, and ledgers that are exchanged while they are in use."""

from __future__ import annotations

import signal
from pathlib import Path

import psycopg
import pytest

from application import Application
from bodies import deploy, entered, marks
from servers import Server

pytestmark = pytest.mark.full


def test_a_database_that_cannot_keep_every_text_is_refused(tmp_path: Path, server: Server) -> None:
    server.execute("CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'")
    app = Application(tmp_path)
    app.environment["SCHEDULER_DATABASE_URL"] = f"postgresql://postgres@127.0.0.1:{server.port}/latin"
    said = app.refused(1)
    assert "the database's encoding is LATIN1" in said
    assert "--encoding UTF8 --template template0" in said


def test_a_ledger_that_is_replaced_is_noticed_and_nothing_runs_twice(
    tmp_path: Path, postgres_url: str
) -> None:
    app = Application(tmp_path)
    app.environment["SCHEDULER_DATABASE_URL"] = postgres_url
    deploy(app, 'quick, "interval", seconds=0.3, id="tick"')
    with app.running(expect=-signal.SIGKILL) as process:
        entered(app, "tick", 2)
        with psycopg.connect(postgres_url) as other:
            # What is restored stands in tables of its own.
            other.execute("ALTER TABLE scheduler_runs RENAME TO scheduler_runs_before")
            other.execute("CREATE TABLE scheduler_runs (LIKE scheduler_runs_before INCLUDING ALL)")
        process.says("the ledger's tables were replaced: stop and start the application")
        begun = len(marks(app, "tick"))
        # An outcome may be waiting for the tables to come back.
        process.popen.kill()
    # No claim was taken any more, and the next start goes by what it finds.
    assert len(marks(app, "tick")) <= begun + 1
