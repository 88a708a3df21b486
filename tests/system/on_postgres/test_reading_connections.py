"""Who reads the ledger on a server has few connections, each for long, and sees one instant of it."""

from __future__ import annotations

import subprocess
import sys
from contextlib import ExitStack

import pytest
from everytick.errors import LedgerError, LedgerUnavailable
from everytick.store import postgres
from everytick.store.database import Ledger
from everytick.store.opening import ledger_at
from everytick.store.postgres_connection import WiredConnection
from everytick.store.querying import connect

from servers import Server

pytestmark = pytest.mark.full

BACKEND, JOBS = "SELECT pg_backend_pid()", "SELECT count(*) FROM scheduler_jobs WHERE name LIKE '%a%'"
ADD = """
INSERT INTO scheduler_jobs (job_id, name, function, trigger, zone, definition, registered_us, changed_us,
                            watermark_us, on_crash)
VALUES ('a', 'a', 'f', 't', 'UTC', '', 0, 0, 0, 'rerun')
"""


@pytest.fixture
def ledger(postgres_url: str) -> Ledger:
    made = ledger_at(postgres_url)
    made.prepare()
    return made


def backend(ledger: Ledger) -> int:
    """Return which process of the server answers."""
    with connect(ledger) as reader:
        return int(reader.value(BACKEND))


def test_a_reader_keeps_its_connection_and_finds_another_when_that_is_cut(
    ledger: Ledger, server: Server
) -> None:
    first = backend(ledger)
    assert backend(ledger) == first
    server.execute(f"SELECT pg_terminate_backend({first})")
    assert backend(ledger) != first


def test_the_server_ends_a_statement_before_its_reader_loses_patience(
    ledger: Ledger,
) -> None:
    """So it works for nobody who is gone, and the sentence says what was wrong."""
    asked = "SELECT setting::int / 1000 FROM pg_settings WHERE name = 'statement_timeout'"
    with connect(ledger) as reader:
        bound = reader.value(asked)
    assert WiredConnection.patience is not None
    assert 0 < bound < WiredConnection.patience
    engine = ledger.engine()
    with engine.connect() as connection:
        assert connection.exec_driver_sql(asked).scalar() == bound
    engine.dispose()
    slow = "SELECT set_config('statement_timeout', '100ms', true)", "SELECT pg_sleep(20)"
    with pytest.raises(LedgerError, match="statement timeout"), connect(ledger) as reader:
        list(map(reader.value, slow))


def test_the_version_of_the_ledger_is_found_though_the_server_has_cut_what_was_kept(
    ledger: Ledger, server: Server
) -> None:
    with ledger.writing() as writer:
        [kept] = writer.execute(BACKEND).fetchone()
    version = ledger.revision()
    assert version is not None
    server.execute(f"SELECT pg_terminate_backend({kept})")
    assert ledger.revision() == version
    ledger.check_readable()


def test_all_that_is_read_is_of_one_instant_and_nothing_is_written(ledger: Ledger) -> None:
    with connect(ledger) as reader:
        assert reader.value(JOBS) == 0
        with ledger.writing() as writer:
            writer.execute(ADD)
        assert reader.value(JOBS) == 0
    with connect(ledger) as reader:
        assert reader.value(JOBS) == 1
    with pytest.raises(LedgerError, match="read-only"), connect(ledger) as reader:
        reader.value(ADD)


def test_more_readers_than_the_server_is_asked_for_are_told_so(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "_READER_SECONDS", 0.05)
    with ExitStack() as readers:
        for _ in range(8):
            readers.enter_context(connect(ledger))
        with pytest.raises(LedgerUnavailable, match="all 8 connections for reading are in use"):
            readers.enter_context(connect(ledger))
    backend(ledger)


def test_what_is_kept_for_a_ledger_does_not_grow_with_how_often_it_is_read(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[object] = []

    class Counted(postgres._Readers):
        def __init__(self) -> None:
            made.append(self)
            super().__init__()

    monkeypatch.setattr(postgres, "_readers", {})
    monkeypatch.setattr(postgres, "_Readers", Counted)
    for _time in range(5):
        backend(ledger)
    assert len(made) == 1
    postgres._close_kept()


def test_a_process_leaves_no_connection_open_at_its_end(postgres_url: str) -> None:
    program = f"""
from everytick.store.opening import ledger_at
from everytick.store.querying import connect
ledger = ledger_at({postgres_url!r})
ledger.prepare()
with ledger.writing() as writer:
    writer.execute("SELECT 1")
with connect(ledger) as reader:
    reader.value("SELECT 1")
"""
    done = subprocess.run(
        [sys.executable, "-W", "always::ResourceWarning", "-c", program],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "ResourceWarning" not in done.stderr
