"""A ledger that cannot be used stops `run` with one sentence, and is left as it is."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from application import Application


@pytest.fixture
def app(tmp_path: Path) -> Application:
    made = Application(tmp_path)
    made.tasks("def task() -> None: ...\n")
    imports = "from app.services.my_tasks import task\n"
    made.schedule('scheduler.add_job(task, "interval", hours=4, id="fine")', imports)
    return made


@pytest.mark.full
def test_the_database_of_something_else_is_left_alone(app: Application) -> None:
    app.ledger_file.parent.mkdir()
    with closing(sqlite3.connect(app.ledger_file)) as connection:
        connection.execute("CREATE TABLE customers (name TEXT)")
        connection.commit()
    before = app.ledger_file.read_bytes()
    assert "is the database of something else (it has a table 'customers')" in app.refused(code=1)
    assert app.ledger_file.read_bytes() == before


@pytest.mark.full
def test_a_damaged_ledger_is_refused_and_left_as_it_is(app: Application) -> None:
    app.ledger_file.parent.mkdir()
    app.ledger_file.write_bytes(b"this is not a database" * 1000)
    before = app.ledger_file.read_bytes()
    said = app.refused(code=1)
    assert "data/ledger.db is damaged or not an SQLite file" in said
    assert app.ledger_file.read_bytes() == before


@pytest.mark.full
def test_a_ledger_with_torn_pages_is_refused_and_left_as_it_is(app: Application) -> None:
    with app.running():
        pass
    with closing(sqlite3.connect(app.ledger_file)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    whole = app.ledger_file.read_bytes()
    torn = whole[:8192] + os.urandom(len(whole) - 8192)
    app.ledger_file.write_bytes(torn)
    assert "is damaged" in app.refused(code=1)
    assert app.ledger_file.read_bytes() == torn


@pytest.mark.full
def test_a_damaged_ledger_is_not_touched_whatever_its_journal_mode(app: Application) -> None:
    with app.running():
        pass
    with closing(sqlite3.connect(app.ledger_file)) as connection:
        connection.execute("PRAGMA journal_mode=DELETE")
    whole = app.ledger_file.read_bytes()
    torn = whole[:8192] + os.urandom(len(whole) - 8192)
    app.ledger_file.write_bytes(torn)
    assert "is damaged" in app.refused(code=1)
    assert app.ledger_file.read_bytes() == torn
    for command in ("jobs", "runs", "plan"):
        done = app.command(command)
        assert done.returncode == 1
        assert done.stderr.startswith("error: "), done.stderr
        assert len(done.stderr.splitlines()) == 1


@pytest.mark.full
def test_damage_of_which_sqlite_speaks_in_no_text_is_a_sentence_too(app: Application) -> None:
    app.ledger.prepare()
    with closing(sqlite3.connect(app.ledger_file)) as connection:
        connection.execute("PRAGMA writable_schema=ON")
        connection.execute(
            "UPDATE sqlite_master SET sql = CAST(x'4352454154459b' AS TEXT) WHERE name = 'scheduler_runs'"
        )
        connection.commit()
    assert "data/ledger.db is damaged or not an SQLite file (malformed database schema" in app.refused(1)
    for command in ("jobs", "doctor", "health", "pause fine"):
        done = app.command(*command.split())
        said = done.stdout + done.stderr
        assert done.returncode == 1
        assert "is damaged" in said, said
        assert "Traceback" not in said
        # Nor does it steer the terminal.
        assert "\x9b" not in said


@pytest.mark.full
def test_damage_in_a_large_ledger_is_a_sentence_too(app: Application) -> None:
    with app.running():
        pass
    with closing(sqlite3.connect(app.ledger_file)) as connection:
        connection.execute("PRAGMA journal_mode=DELETE")
        connection.execute("CREATE TABLE bulk (data BLOB)")
        connection.executemany("INSERT INTO bulk VALUES (?)", [(os.urandom(100_000),)] * 100)
        connection.commit()
        pages = "SELECT rootpage FROM sqlite_master WHERE name = 'scheduler_jobs'"
        [(page,)] = connection.execute(pages).fetchall()
        [(size,)] = connection.execute("PRAGMA page_size").fetchall()
    with app.ledger_file.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(os.urandom(size))
    assert "is damaged" in app.refused(code=1)


@pytest.mark.full
def test_a_ledger_of_a_newer_version_is_refused_with_what_to_do(app: Application) -> None:
    with app.running():
        pass
    with closing(sqlite3.connect(app.ledger_file)) as connection:
        connection.execute("UPDATE scheduler_ledger_version SET version_num = '9999'")
        connection.commit()
    assert "was written by a newer version of the application (ledger 9999" in app.refused(code=1)
    done = app.command("runs")
    assert done.returncode == 1
    assert "newer version" in done.stderr


@pytest.mark.full
@pytest.mark.parametrize("place", ["blocked/ledger.db", "folder.db"])
def test_a_ledger_that_cannot_be_written_is_refused(app: Application, place: str) -> None:
    (app.folder / "blocked").write_text("a file where a folder should be")
    (app.folder / "folder.db").mkdir()
    app.environment["SCHEDULER_DATABASE_URL"] = f"sqlite:///{place}"
    said = app.refused(code=1)
    assert "cannot be" in said
    assert "SCHEDULER_DATABASE_URL" in said
