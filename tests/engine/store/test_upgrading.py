"""What an update of the template needs from the application: `migrate`, `--version`, former names."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import everytick
import pytest
import sqlalchemy
from alembic import command
from alembic.config import Config
from everytick import former_names
from everytick.former_names import Renamed
from everytick.store import database, records
from everytick.store.database import Ledger
from everytick.store.opening import ledger_at
from everytick.store.upgrading import migrate

HERE = records.Identity.new().host
# No system gives out such a number.
GONE = 2**22 + 1


@pytest.fixture
def old(tmp_path: Path) -> Ledger:
    """A ledger as the first version of the template made it."""
    ledger = ledger_at(f"sqlite:///{tmp_path / 'ledger.db'}")
    engine = sqlalchemy.create_engine("sqlite://", creator=ledger.connect)
    config = Config()
    config.set_main_option("script_location", str(Path(database.__file__).parent / "migrations"))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
    engine.dispose()
    return ledger


def use(ledger: Ledger, host: str, pid: int) -> None:
    """Write down a process that uses the ledger."""
    with closing(sqlite3.connect(ledger.path)) as connection, connection:
        connection.execute(
            "INSERT INTO scheduler_processes (process_id, host, pid, beat, beat_us, started_us, start_number)"
            " VALUES ('other', ?, ?, 1, 0, 0, 1)",
            (host, pid),
        )


def test_an_older_ledger_that_only_the_dead_used_is_upgraded_with_what_is_in_it(old: Ledger) -> None:
    use(old, HERE, GONE)
    said = f"was upgraded from 0001 to {database.REVISION}; as it was it is ledger.db.0001"
    assert migrate(old).endswith(said)
    assert ledger_at(f"sqlite:///{old.path}.0001").revision() == "0001"
    assert old.revision() == database.REVISION
    with closing(sqlite3.connect(old.path)) as connection:
        assert connection.execute("SELECT pid FROM scheduler_processes").fetchall() == [(GONE,)]


def test_a_ledger_in_use_is_left_to_the_next_start(old: Ledger) -> None:
    use(old, HERE, os.getppid())
    assert f"stays at 0001: process {os.getppid()} on {HERE} uses it" in migrate(old)
    assert old.revision() == "0001"


def test_a_former_name_works_and_says_what_it_is_called_now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(former_names.FORMER_NAMES, "running_run", Renamed("current_run", "0.9"))
    there: dict[str, object] = {}
    with pytest.warns(DeprecationWarning, match="is called current_run now") as caught:
        exec("from everytick import running_run as found", there)
    assert there["found"] is everytick.current_run
    assert str(caught[0].message) == (
        "everytick.running_run is called current_run now: write that;"
        " the old name goes with version 0.9 of the template"
    )
    assert caught[0].filename == "<string>"
    with pytest.raises(ImportError, match="cannot import name 'never_was'"):
        exec("from everytick import never_was")
