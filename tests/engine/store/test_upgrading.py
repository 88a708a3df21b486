"""What an update of the template needs from the application: `migrate`, `--version`, former names."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import everytick
import pytest
import sqlalchemy
from alembic import command
from alembic.config import Config
from everytick import former_names, own_process
from everytick.errors import LedgerError
from everytick.former_names import Renamed
from everytick.store import database, records
from everytick.store.database import Ledger
from everytick.store.opening import ledger_at
from everytick.store.upgrading import migrate
from loguru import logger

from waiting import wait_for

HERE = records.Identity.new().host
# No system gives out such a number.
GONE = 2**22 + 1


@pytest.fixture
def old(tmp_path: Path) -> Ledger:
    """A ledger as the first version of the template made it."""
    ledger = ledger_at(f"sqlite:///{tmp_path / 'ledger.db'}")
    put_back(ledger)
    return ledger


def put_back(ledger: Ledger) -> None:
    """Make a ledger anew, as the first version did."""
    ledger.path.unlink(missing_ok=True)
    engine = sqlalchemy.create_engine("sqlite://", creator=ledger.connect)
    config = Config()
    config.set_main_option("script_location", str(Path(database.__file__).parent / "migrations"))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
    engine.dispose()


def use(ledger: Ledger, host: str, pid: int) -> None:
    """Write down a process that uses the ledger."""
    with closing(sqlite3.connect(ledger.path)) as connection, connection:
        connection.execute(
            "INSERT INTO scheduler_processes (process_id, host, pid, beat, beat_us, started_us, start_number)"
            " VALUES ('other', ?, ?, 1, 0, 0, 1)",
            (host, pid),
        )


@pytest.mark.full
def test_an_older_ledger_that_only_the_dead_used_is_upgraded_with_what_is_in_it(old: Ledger) -> None:
    use(old, HERE, GONE)
    said = f"was upgraded from 0001 to {database.REVISION}; as it was it is ledger.db.0001"
    assert migrate(old).endswith(said)
    assert ledger_at(f"sqlite:///{old.path}.0001").revision() == "0001"
    assert old.revision() == database.REVISION
    with closing(sqlite3.connect(old.path)) as connection:
        assert connection.execute("SELECT pid FROM scheduler_processes").fetchall() == [(GONE,)]


@pytest.mark.full
def test_an_upgrade_goes_on_in_this_process_where_there_is_no_python_for_another(
    old: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    for program in ("/usr/sbin/uwsgi", "/not/there/python3", ""):
        monkeypatch.setattr(sys, "executable", program)
        put_back(old)
        old.prepare()
        assert old.revision() == database.REVISION


@pytest.mark.parametrize("when", ["before its commit", "after its commit"])
def test_an_upgrade_whose_own_process_dies_is_done_once(
    old: Ledger, when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one that goes on here finds what was committed, and nothing of what was not."""

    def dies(_function: str, *_values: str) -> None:
        if when == "after its commit":
            database.migrate(old)
        raise own_process.NoOwnProcess("its own process ended without an answer (exit code -9)")

    use(old, HERE, GONE)
    monkeypatch.setattr(own_process, "call", dies)
    old.prepare()
    assert old.revision() == database.REVISION
    with closing(sqlite3.connect(old.path)) as connection:
        assert connection.execute("SELECT pid FROM scheduler_processes").fetchall() == [(GONE,)]


@pytest.mark.full
def test_an_upgrade_that_fails_in_its_own_process_is_the_same_sentence(old: Ledger) -> None:
    with closing(sqlite3.connect(old.path)) as connection:
        connection.execute("CREATE TABLE scheduler_sign_outs (anything)")
    with pytest.raises(LedgerError, match="cannot be used: table scheduler_sign_outs already exists"):
        old.prepare()
    assert old.revision() == "0001"


@pytest.mark.full
def test_an_upgrade_waits_for_a_program_that_holds_the_ledger(old: Ledger) -> None:
    said: list[str] = []
    number = logger.add(said.append, format="{message}", level="INFO")
    holder = sqlite3.connect(old.path, isolation_level=None, check_same_thread=False)
    holder.execute("BEGIN IMMEDIATE")
    with closing(holder), ThreadPoolExecutor(1) as pool:
        upgrading = pool.submit(old.prepare, patience=60)
        wait_for(lambda: any("is held by another program; waiting" in line for line in said), "the wait")
        holder.execute("ROLLBACK")
        upgrading.result()
    logger.remove(number)
    assert old.revision() == database.REVISION
    assert "upgraded in" in "".join(said)


START = """
import sys
from pathlib import Path
from everytick.store.opening import ledger_at
ledger_at(sys.argv[1]).prepare()
memory = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS")]
print(memory[0].split()[1], *sorted({"alembic", "mako", "sqlalchemy"} & sys.modules.keys()))
"""


@pytest.mark.full
def test_nothing_of_an_upgrade_stays_in_the_process_that_began_it(old: Ledger) -> None:
    def start() -> list[str]:
        done = subprocess.run(
            [sys.executable, "-c", START, f"sqlite:///{old.path}"], check=True, capture_output=True, text=True
        )
        return done.stdout.split()

    assert old.revision() == "0001"
    [first] = start()
    assert old.revision() == database.REVISION
    [second] = start()
    assert int(first) <= 1.05 * int(second), (first, second)


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
