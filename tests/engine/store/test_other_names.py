"""A ledger that is in use under another name of its file is not opened: SQLite would not know of that."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from everytick.errors import LedgerUnavailable
from everytick.store import file_locks
from everytick.store.opening import ledger_at
from everytick.store.sqlite import SqliteLedger

pytestmark = pytest.mark.skipif(
    sys.platform not in ("linux", "darwin"), reason="other systems do not tell who has locked a file"
)
HOLDS = """
import sys
from everytick.store.opening import ledger_at
connection = ledger_at(f"sqlite:///{sys.argv[1]}").connect()
connection.execute("UPDATE scheduler_ledger_version SET version_num = version_num")
print("holds", flush=True)
sys.stdin.readline()
connection.close()
"""


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_locks, "_BETWEEN", 0.2)


def at(path: Path) -> SqliteLedger:
    ledger = ledger_at(f"sqlite:///{path}")
    assert isinstance(ledger, SqliteLedger)
    return ledger


@pytest.fixture
def ledger(tmp_path: Path) -> SqliteLedger:
    made = at(tmp_path / "ledger.db")
    made.prepare()
    return made


@contextmanager
def held(ledger: SqliteLedger) -> Iterator[int]:
    """Let another process have it open; give the number of that."""
    command = [sys.executable, "-c", HOLDS, str(ledger.path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "holds\n"
        yield process.pid
        process.communicate("\n", timeout=30)


@pytest.mark.parametrize("read_only", [True, False])
@pytest.mark.parametrize("has_left_files", [True, False])
def test_by_another_name_it_is_refused_as_long_as_it_is_in_use(
    ledger: SqliteLedger, tmp_path: Path, read_only: bool, has_left_files: bool
) -> None:
    other = tmp_path / "elsewhere" / "other.db"
    other.parent.mkdir()
    os.link(ledger.path, other)
    if has_left_files:
        # Of an earlier use by this name.
        other.with_name("other.db-shm").write_bytes(bytes(32_768))
    with held(ledger) as pid:
        with pytest.raises(LedgerUnavailable, match=f"other.db is in use by process {pid} under another"):
            at(other).connect(read_only=read_only)
        # By its own name all may use it.
        ledger.connect(read_only=read_only).close()
    assert {file.name for file in other.parent.iterdir()} <= {"other.db", "other.db-shm"}
    at(other).connect(read_only=read_only).close()


def test_one_that_a_process_begins_or_ends_to_use_is_waited_for(
    ledger: SqliteLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = [7, 7, None]
    monkeypatch.setattr(file_locks, "_BETWEEN", 60)
    monkeypatch.setattr(file_locks, "_user_by_other_name", lambda _ledger: looks.pop(0))
    ledger.connect().close()
    assert looks == []


def test_what_looks_takes_no_lock_from_the_connections_of_its_own_process(ledger: SqliteLedger) -> None:
    with closing(ledger.connect()) as writer:
        writer.execute("BEGIN IMMEDIATE")
        ledger.connect(read_only=True).close()
        code = "import sqlite3, sys; sqlite3.connect(sys.argv[1], timeout=0).execute('BEGIN IMMEDIATE')"
        done = subprocess.run(
            [sys.executable, "-c", code, str(ledger.path)], capture_output=True, text=True, check=False
        )
        assert "database is locked" in done.stderr
        writer.execute("ROLLBACK")


def test_a_file_without_a_log_that_another_program_has_open_is_no_such_case(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as other:
        other.execute("CREATE TABLE x (y)")
        assert file_locks.user_by_other_name(str(tmp_path / "ledger.db")) is None


def test_a_second_name_is_told_of(ledger: SqliteLedger, tmp_path: Path) -> None:
    assert ledger.second_name is None
    os.link(ledger.path, tmp_path / "other.db")
    assert "has another name, too (a hard link)" in str(ledger.second_name)
    assert ledger.second_name in ledger.remarks()
