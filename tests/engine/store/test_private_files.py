"""Who else of the machine may read or write the ledger: nobody."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from everytick.store.opening import ledger_at


def rights(path: Path) -> str:
    """Return what others than the owner see of it, and the owner may do."""
    return oct(stat.S_IMODE(path.stat().st_mode))


@pytest.mark.skipif(os.name != "posix", reason="other systems have other rights")
def test_a_new_ledger_is_its_users_alone(tmp_path: Path) -> None:
    ledger = ledger_at(f"sqlite:///{tmp_path / 'data' / 'ledger.db'}")
    before = os.umask(0o022)
    try:
        ledger.prepare()
        with ledger.writing() as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("COMMIT")
            assert rights(tmp_path / "data") == "0o700"
            files = sorted(file.name for file in (tmp_path / "data").iterdir())
            assert files == ["ledger.db", "ledger.db-shm", "ledger.db-wal"]
            assert {rights(tmp_path / "data" / name) for name in files} == {"0o600"}
    finally:
        os.umask(before)


@pytest.mark.skipif(os.name != "posix", reason="other systems have other rights")
def test_rights_that_somebody_gave_stay(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir(mode=0o750)
    (tmp_path / "data").chmod(0o750)
    (tmp_path / "data/ledger.db").touch()
    (tmp_path / "data/ledger.db").chmod(0o640)
    ledger_at(f"sqlite:///{tmp_path / 'data' / 'ledger.db'}").prepare()
    assert rights(tmp_path / "data") == "0o750"
    assert rights(tmp_path / "data/ledger.db") == "0o640"
