"""Who else of the machine may read or write the ledger: nobody."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest
from everytick import LedgerError
from everytick.doctor.storage import examine_file
from everytick.store.opening import ledger_at
from everytick.store.sqlite import SqliteLedger


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
            assert files == ["ledger.db", "ledger.db-shm", "ledger.db-wal", "ledger.db-wal-of"]
            assert {rights(tmp_path / "data" / name) for name in files} == {"0o600"}
    finally:
        os.umask(before)


@pytest.mark.skipif(os.name != "posix", reason="other systems have other rights")
def test_folders_above_a_new_ledger_or_copy_are_its_users_alone_too(tmp_path: Path) -> None:
    ledger = ledger_at(f"sqlite:///{tmp_path / 'shop' / 'state' / 'ledger.db'}")
    assert isinstance(ledger, SqliteLedger)
    before = os.umask(0)
    try:
        ledger.prepare()
        ledger.copy_to(tmp_path / "backups" / "weekly" / "copy.db")
    finally:
        os.umask(before)
    made = ["shop", "shop/state", "backups", "backups/weekly"]
    assert {name: rights(tmp_path / name) for name in made} == dict.fromkeys(made, "0o700")


@pytest.mark.skipif(os.name != "posix", reason="other systems have other rights")
def test_a_copy_of_the_ledger_is_its_users_alone_too(tmp_path: Path) -> None:
    ledger = ledger_at(f"sqlite:///{tmp_path / 'ledger.db'}")
    ledger.prepare()
    assert isinstance(ledger, SqliteLedger)
    before = os.umask(0o022)
    try:
        ledger.copy_to(tmp_path / "backups" / "copy.db")
        assert rights(tmp_path / "backups") == "0o700"
        assert rights(tmp_path / "backups/copy.db") == "0o600"
        (tmp_path / "backups/copy.db").chmod(0o640)
        ledger.copy_to(tmp_path / "backups" / "copy.db")
        assert rights(tmp_path / "backups/copy.db") == "0o640"
    finally:
        os.umask(before)


@pytest.mark.parametrize("is_there", [True, False])
def test_a_ledger_that_cannot_be_written_is_named_and_not_its_folder_that_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_there: bool
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    path = tmp_path / "ledger.db"
    if is_there:
        path.touch()
    # As on a file system that is mounted read-only.
    monkeypatch.setattr(Path, "touch", refuse)
    with pytest.raises(LedgerError) as refused:
        ledger_at(f"sqlite:///{path}").prepare()
    what = "is not writable" if is_there else "cannot be made"
    assert str(refused.value).startswith(f"the ledger {path} {what}: Read-only file system (set ")


@pytest.mark.skipif(os.name != "posix", reason="other systems have other rights")
def test_rights_that_somebody_gave_stay(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir(mode=0o750)
    (tmp_path / "data").chmod(0o750)
    (tmp_path / "data/ledger.db").touch()
    (tmp_path / "data/ledger.db").chmod(0o640)
    ledger_at(f"sqlite:///{tmp_path / 'data' / 'ledger.db'}").prepare()
    assert rights(tmp_path / "data") == "0o750"
    assert rights(tmp_path / "data/ledger.db") == "0o640"


@pytest.mark.skipif(os.name != "posix", reason="other systems have other rights")
@pytest.mark.parametrize(
    ("folder", "file", "said"),
    [
        (0o700, 0o666, None),
        (0o755, 0o600, None),
        (0o755, 0o644, ("note", "read by everybody on this machine: it has arguments")),
        (0o750, 0o640, ("note", "read by its group")),
        (0o777, 0o666, ("warning", "written by everybody on this machine: who writes the ledger decides")),
    ],
)
def test_doctor_tells_of_a_ledger_that_others_can_reach(
    tmp_path: Path, folder: int, file: int, said: tuple[str, str] | None
) -> None:
    ledger = SqliteLedger(f"sqlite:///{tmp_path / 'data' / 'ledger.db'}")
    ledger.prepare()
    (tmp_path / "data").chmod(folder)
    (tmp_path / "data/ledger.db").chmod(file)
    _is_readable, findings = examine_file(ledger)
    found = [(it.level, it.what) for it in findings if it.check == "rights" and it.where == str(ledger.path)]
    assert len(found) == (said is not None)
    if said is not None:
        assert found[0][0] == said[0]
        assert said[1] in found[0][1]
