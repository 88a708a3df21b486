"""The file with a ledger's newest commits is used with that ledger alone, and is not lost to another one."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from everytick import LedgerError
from everytick.errors import LedgerUnavailable
from everytick.store import log_owner
from everytick.store.opening import ledger_at
from everytick.store.sqlite import SqliteLedger

SENTENCE = "ledger.db-wal has the newest commits of another file"
NAME = "UPDATE scheduler_ledger_version SET version_num = version_num"
READ = "SELECT count(*) FROM scheduler_audit"
# A process that writes a row after all that is in the file itself, and dies.
DIES = """
import os, sys
from pathlib import Path
from everytick.store.opening import ledger_at
connection = ledger_at(f"sqlite:///{sys.argv[1]}").connect()
connection.execute("PRAGMA wal_autocheckpoint=0")
connection.execute("INSERT INTO scheduler_audit (at_us, who, action) VALUES (1, 'me', 'pause')")
os._exit(0)
"""


def at(path: Path) -> SqliteLedger:
    ledger = ledger_at(f"sqlite:///{path}")
    assert isinstance(ledger, SqliteLedger)
    return ledger


def contents(folder: Path) -> dict[str, bytes]:
    """Return the files of a ledger, but for SQLite's index of the log, which each reader may make anew."""
    return {file.name: file.read_bytes() for file in folder.iterdir() if not file.name.endswith("-shm")}


def rows(ledger: SqliteLedger) -> int:
    with ledger.reading() as connection:
        return int(connection.execute(READ).fetchone()[0])


def die(ledger: SqliteLedger) -> None:
    subprocess.run([sys.executable, "-c", DIES, str(ledger.path)], check=True)


@pytest.fixture
def crashed(tmp_path: Path) -> SqliteLedger:
    """A ledger of a process that died; `copy.db` is a sound copy without the row that it wrote last."""
    ledger = at(tmp_path / "data" / "ledger.db")
    ledger.prepare()
    ledger.copy_to(tmp_path / "copy.db")
    die(ledger)
    return ledger


def put(ledger: SqliteLedger, tmp_path: Path) -> None:
    """Put the copy in the place of the ledger, and the ledger aside."""
    ledger.path.rename(tmp_path / "aside.db")
    (tmp_path / "copy.db").rename(ledger.path)


WAYS: list[Callable[[SqliteLedger], object]] = [
    rows,
    SqliteLedger.prepare,
    SqliteLedger.revision,
    SqliteLedger.check_readable,
    lambda ledger: ledger.connect(),
    lambda ledger: ledger.connect(read_only=True),
    lambda ledger: ledger.engine().connect(),
    lambda ledger: ledger.engine(read_only=False).connect(),
    lambda ledger: ledger.copy_to(ledger.path.with_name("further.db")),
    lambda ledger: ledger.try_to_write(0.1),
]


@pytest.mark.parametrize("way", WAYS)
def test_another_file_is_not_opened_with_it_in_any_way(
    crashed: SqliteLedger, tmp_path: Path, way: Callable[[SqliteLedger], object]
) -> None:
    put(crashed, tmp_path)
    before = contents(crashed.folder)
    with pytest.raises(LedgerUnavailable, match=SENTENCE):
        way(crashed)
    (crashed.folder / "further.db").unlink(missing_ok=True)
    assert contents(crashed.folder) == before
    (tmp_path / "aside.db").replace(crashed.path)
    assert rows(crashed) == 1


def test_a_file_that_takes_its_place_between_the_look_and_the_opening_is_not_read(
    crashed: SqliteLedger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    look = log_owner.find

    def replaced_behind_its_back(ledger: str) -> object:
        found = look(ledger)
        put(crashed, tmp_path)
        return found

    monkeypatch.setattr(log_owner, "find", replaced_behind_its_back)
    sound, log = (tmp_path / "copy.db").read_bytes(), crashed.path.with_name("ledger.db-wal").read_bytes()
    with pytest.raises(LedgerUnavailable, match=SENTENCE):
        crashed.connect()
    assert crashed.path.read_bytes() == sound
    assert crashed.path.with_name("ledger.db-wal").read_bytes() == log


def test_it_is_used_with_its_own_ledger_and_nothing_of_it_stays_behind(crashed: SqliteLedger) -> None:
    crashed.prepare()
    assert rows(crashed) == 1
    assert [file.name for file in crashed.folder.iterdir()] == ["ledger.db"]


def test_a_copy_of_the_folder_is_a_ledger_like_any_other(crashed: SqliteLedger, tmp_path: Path) -> None:
    shutil.copytree(crashed.folder, tmp_path / "elsewhere")
    elsewhere = at(tmp_path / "elsewhere" / "ledger.db")
    assert rows(elsewhere) == 1
    elsewhere.prepare()
    assert rows(elsewhere) == 1
    crashed.folder.rename(tmp_path / "moved")
    assert rows(at(tmp_path / "moved" / "ledger.db")) == 1


def test_another_file_is_opened_when_the_log_was_moved_away(crashed: SqliteLedger, tmp_path: Path) -> None:
    put(crashed, tmp_path)
    for end in ("-wal", "-shm"):
        crashed.path.with_name(f"ledger.db{end}").rename(tmp_path / f"aside.db{end}")
    # Two at once: nothing that is left says that the new log is another's.
    with crashed.reading() as connection:
        assert connection.execute(READ).fetchone()[0] == 0
        assert rows(crashed) == 0
    crashed.prepare()
    assert rows(at(tmp_path / "aside.db")) == 1


def test_no_ledger_is_made_beside_the_log_of_one_that_was_moved_away(
    crashed: SqliteLedger, tmp_path: Path
) -> None:
    crashed.path.rename(tmp_path / "aside.db")
    log = crashed.path.with_name("ledger.db-wal").read_bytes()
    with pytest.raises(LedgerError, match=SENTENCE):
        crashed.prepare()
    assert not crashed.path.exists()
    assert crashed.path.with_name("ledger.db-wal").read_bytes() == log
    (tmp_path / "aside.db").rename(crashed.path)
    assert rows(crashed) == 1


def test_a_link_in_the_ledgers_place_leads_to_a_file_with_its_own_log(
    crashed: SqliteLedger, tmp_path: Path
) -> None:
    link = at(tmp_path / "current.db")
    link.path.symlink_to(crashed.path)
    assert rows(link) == 1
    die(link)
    put(crashed, tmp_path)
    with pytest.raises(LedgerUnavailable, match=SENTENCE):
        rows(link)
    # Somewhere else there is no log.
    link.path.unlink()
    (tmp_path / "other").mkdir()
    shutil.copy(crashed.path, tmp_path / "other" / "ledger.db")
    link.path.symlink_to(tmp_path / "other" / "ledger.db")
    assert rows(link) == 0
    link.prepare()


def test_this_process_knows_its_own_log_without_a_note(tmp_path: Path) -> None:
    ledger = at(tmp_path / "data" / "ledger.db")
    ledger.prepare()
    ledger.copy_to(tmp_path / "copy.db")
    with closing(ledger.connect()) as connection:
        connection.execute(NAME)
        ledger.path.with_name("ledger.db-wal-of").unlink()
        put(ledger, tmp_path)
        sound = ledger.folder / "sound.db"
        with pytest.raises(LedgerUnavailable, match=SENTENCE):
            ledger.copy_to(sound)
        # It is the same for who comes to the log by another name.
        same = at(tmp_path / "same.db")
        same.path.symlink_to(ledger.path)
        with pytest.raises(LedgerUnavailable, match=SENTENCE):
            rows(same)
        (tmp_path / "aside.db").replace(ledger.path)
        connection.execute(NAME)
        assert rows(ledger) == 0


def test_a_note_that_is_missing_or_spoiled_keeps_nobody_out_and_readers_leave_the_log_alone(
    crashed: SqliteLedger,
) -> None:
    note, before = crashed.path.with_name("ledger.db-wal-of"), contents(crashed.folder)
    for spoil in (
        note.unlink,
        note.touch,
        lambda: note.write_text("1 2"),
        lambda: note.write_bytes(b"\xff" * 9),
    ):
        spoil()
        assert rows(crashed) == 1
        crashed.try_to_write(0.1)
        after = contents(crashed.folder)
        assert {name: after[name] for name in ("ledger.db", "ledger.db-wal")} == {
            name: before[name] for name in ("ledger.db", "ledger.db-wal")
        }
    note.unlink()
    os.mkfifo(note)
    assert rows(crashed) == 1
    crashed.prepare()
    assert rows(crashed) == 1


@pytest.mark.parametrize("keeps_times", [True, False])
def test_a_copy_over_the_ledger_that_damages_it_with_the_log_is_left_as_it_is(
    crashed: SqliteLedger, tmp_path: Path, keeps_times: bool
) -> None:
    with closing(sqlite3.connect(tmp_path / "copy.db")) as other:
        # Its pages have other contents than those of which the log has newer ones.
        other.execute("CREATE TABLE aaa (x)")
        other.execute("INSERT INTO aaa VALUES (zeroblob(100000))")
        other.commit()
        for (name,) in other.execute(
            "SELECT name FROM sqlite_master WHERE type = 'index' AND sql NOT NULL"
        ).fetchall():
            other.execute(f"DROP INDEX {name}")
        other.execute("VACUUM")
    (shutil.copy2 if keeps_times else shutil.copy)(tmp_path / "copy.db", crashed.path)
    before = contents(crashed.folder)
    with pytest.raises(LedgerError, match="it was left as it is"):
        crashed.prepare()
    with pytest.raises(LedgerError):
        crashed.revision()
    assert contents(crashed.folder) == before
