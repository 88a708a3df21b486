"""A file of the ledger that is opened beside SQLite: refused, since closing it undoes SQLite's locks."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from everytick.store.file_locks import LedgerInUse
from everytick.store.opening import ledger_at
from everytick.store.sqlite import SqliteLedger

pytestmark = pytest.mark.skipif(os.name != "posix", reason="Windows knows locks by handle")


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[SqliteLedger]:
    """A ledger that this process has open."""
    made = ledger_at(f"sqlite:///{tmp_path / 'data' / 'ledger.db'}")
    assert isinstance(made, SqliteLedger)
    made.prepare()
    with closing(made.connect()) as connection:
        connection.execute("SELECT 1 FROM scheduler_runs").fetchall()
        yield made


def test_who_copies_the_folder_is_told_why_that_is_not_done(ledger: SqliteLedger, tmp_path: Path) -> None:
    (ledger.folder / "notes.txt").write_text("mine")
    with pytest.raises(shutil.Error, match="would undo SQLite's locks: copy the ledger by LedgerReader"):
        shutil.copytree(ledger.folder, tmp_path / "copy")
    copied = sorted(file.name for file in (tmp_path / "copy").iterdir())
    assert copied == ["ledger.db-wal-of", "notes.txt"]


@pytest.mark.parametrize("name", ["ledger.db", "ledger.db-wal", "ledger.db-shm"])
def test_no_file_of_an_open_ledger_is_opened_in_any_of_pythons_ways(ledger: SqliteLedger, name: str) -> None:
    path = ledger.folder / name
    with pytest.raises(LedgerInUse):
        path.read_bytes()
    with pytest.raises(LedgerInUse):
        open(os.fsencode(path), "rb").close()
    with pytest.raises(LedgerInUse):
        os.close(os.open(path, os.O_RDONLY))
    with pytest.raises(LedgerInUse), tarfile.open(ledger.folder / "all.tar", "w") as packed:
        packed.add(path)


def test_another_name_for_the_file_is_no_way_around(ledger: SqliteLedger, tmp_path: Path) -> None:
    link, same = tmp_path / "current", tmp_path / "same"
    link.symlink_to(ledger.path)
    same.hardlink_to(ledger.path)
    (tmp_path / "folder").symlink_to(ledger.folder)
    for path in (link, same, tmp_path / "folder" / "ledger.db-shm"):
        with pytest.raises(LedgerInUse):
            path.read_bytes()


def test_it_is_opened_again_when_no_connection_is_left(ledger: SqliteLedger) -> None:
    others = ledger.folder / "other.db-wal"
    others.write_bytes(b"of something else")
    assert others.read_bytes() == b"of something else"
    with pytest.raises(LedgerInUse):
        ledger.path.read_bytes()
    elsewhere = ledger_at(f"sqlite:///{ledger.folder / 'closed.db'}")
    assert isinstance(elsewhere, SqliteLedger)
    elsewhere.prepare()
    assert elsewhere.path.read_bytes().startswith(b"SQLite format 3")


def test_a_program_that_is_started_may_copy_it(ledger: SqliteLedger, tmp_path: Path) -> None:
    subprocess.run(["cp", str(ledger.path), str(tmp_path / "copy.db")], check=True)
    code = f"import shutil; shutil.copy({str(ledger.path)!r}, {str(tmp_path / 'again.db')!r})"
    subprocess.run([sys.executable, "-c", code], check=True)
    assert (tmp_path / "again.db").read_bytes() == (tmp_path / "copy.db").read_bytes()


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_child_that_is_forked_may_copy_it(ledger: SqliteLedger, tmp_path: Path) -> None:
    child = multiprocessing.get_context("fork").Process(
        target=shutil.copy, args=(ledger.path, tmp_path / "copy.db")
    )
    child.start()
    child.join(30)
    assert child.exitcode == 0
    assert (tmp_path / "copy.db").is_file()
