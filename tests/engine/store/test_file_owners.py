"""A ledger in a folder that others may write to: what they put there is not taken."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from everytick import AsyncIOScheduler, LedgerError
from everytick.dashboard.authentication import open_authenticator
from everytick.dashboard.links import keep_port, kept_port
from everytick.dashboard.settings import DashboardSettings
from everytick.doctor.storage import examine_file
from everytick.store.sqlite import SqliteLedger
from everytick.system import rights

from histories import ask

BOB = 4_000_123
ALICE = 4_000_124

pytestmark = pytest.mark.skipif(os.name != "posix", reason="other systems have other rights")

# Who a file belongs to: only root can give one away, so a test says whom it would belong to.
Given = Callable[[Path, int], None]


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> Given:
    owners: dict[Path, int] = {}
    seen = rights.look

    def look(path: Path) -> os.stat_result | None:
        found = seen(path)
        if found is None or path not in owners:
            return found
        return os.stat_result((*found[:4], owners[path], *found[5:]))

    monkeypatch.setattr(rights, "look", look)
    return owners.__setitem__


@pytest.fixture
def ledger(tmp_path: Path) -> SqliteLedger:
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared").chmod(0o1777)
    made = SqliteLedger(f"sqlite:///{tmp_path / 'shared' / 'ledger.db'}")
    made.prepare()
    return made


def opened(ledger: SqliteLedger) -> str | None:
    """Return how a start and a command are refused, both with the same words; None if neither is."""
    said: list[str | None] = []
    for attempt in (ledger.prepare, ledger.check_readable):
        try:
            attempt()
            said.append(None)
        except LedgerError as problem:
            said.append(str(problem))
    assert said[0] == said[1]
    return said[0]


@pytest.mark.parametrize("end", ["", "-wal", "-shm", "-journal"])
@pytest.mark.parametrize("rights", [0o1777, 0o777, 0o2775])
def test_what_another_user_put_into_the_folder_of_a_ledger_is_not_opened(
    ledger: SqliteLedger, given: Given, end: str, rights: int
) -> None:
    ledger.folder.chmod(rights)
    assert opened(ledger) is None
    planted = Path(f"{ledger.path}{end}")
    planted.touch()
    planted.chmod(0o666)
    ledger.path.chmod(0o600 if end else 0o666)
    given(planted, BOB)
    assert opened(ledger) == (
        f"the ledger {ledger.path} is not opened: {planted} belongs to the user {BOB}, who may have put it"
        " there for this process to take; move it away, or, if it is trusted, run this as that user, or give"
        " that user the folder"
    )
    # Nor is it read, or removed, by a command that examines it.
    is_readable, findings = examine_file(ledger)
    assert not is_readable
    assert [it.check for it in findings if it.level == "error"] == ["ledger"]
    assert planted.exists()


def test_a_link_that_another_user_put_in_the_place_of_a_ledger_is_not_followed(
    ledger: SqliteLedger, given: Given, tmp_path: Path
) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    given(theirs, BOB)
    ledger.path.rename(theirs / "ledger.db")
    given(theirs / "ledger.db", BOB)
    ledger.path.symlink_to(theirs / "ledger.db")
    given(ledger.path, BOB)
    assert f"{ledger.path} belongs to the user {BOB}" in (opened(ledger) or "")


def test_a_link_without_a_file_is_not_written_through(
    ledger: SqliteLedger, given: Given, tmp_path: Path
) -> None:
    ledger.path.unlink()
    ledger.path.symlink_to(tmp_path / "profile")
    given(ledger.path, BOB)
    with pytest.raises(LedgerError, match="is not opened"):
        ledger.prepare()
    assert not (tmp_path / "profile").exists()


def test_a_copy_is_not_made_into_a_file_of_another_user(
    ledger: SqliteLedger, given: Given, tmp_path: Path
) -> None:
    copy = tmp_path / "copy.db"
    copy.touch()
    given(copy, BOB)
    with pytest.raises(LedgerError, match=f"{copy} belongs to the user {BOB}"):
        ledger.copy_to(copy)
    assert copy.stat().st_size == 0


def test_a_token_that_another_user_put_beside_the_ledger_lets_nobody_in(
    ledger: SqliteLedger, given: Given
) -> None:
    # Root could read it, and take away the rights of others, who know it already.
    token = ledger.folder / "dashboard.token"
    token.write_text("k" * 40)
    assert open_authenticator(DashboardSettings(), ledger.folder)[1] == "k" * 40
    given(token, BOB)
    with pytest.raises(LedgerError, match=f"dashboard's token {token} is not opened: .* the user {BOB}"):
        open_authenticator(DashboardSettings(), ledger.folder)


@pytest.mark.parametrize(("above", "heir"), [(0o755, BOB), (0o1777, None)])
def test_a_token_that_root_makes_belongs_to_the_owner_of_a_folder_that_is_trusted(
    tmp_path: Path, given: Given, monkeypatch: pytest.MonkeyPatch, above: int, heir: int | None
) -> None:
    tmp_path.chmod(above)
    folder = tmp_path / "service"
    folder.mkdir()
    given(tmp_path, 0)
    given(folder, BOB)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    heirs: list[int] = []
    monkeypatch.setattr(os, "fchown", lambda _handle, user, _group: heirs.append(user))
    assert open_authenticator(DashboardSettings(), folder)[2]
    # Where everybody can make folders, this one may be there for root's own token.
    assert heirs == ([] if heir is None else [heir])


def test_the_port_of_a_dashboard_is_not_written_through_a_link(ledger: SqliteLedger, tmp_path: Path) -> None:
    (ledger.folder / "dashboard.port").symlink_to(tmp_path / "profile")
    (tmp_path / "profile").write_text("mine")
    keep_port(ledger.folder / "dashboard.port", 8_787)
    assert (tmp_path / "profile").read_text() == "mine"
    assert kept_port(ledger.folder / "dashboard.port") == 8_787


def test_metrics_are_not_written_through_a_link_of_another_user(
    scheduler: AsyncIOScheduler, given: Given, tmp_path: Path
) -> None:
    target, link = tmp_path / "profile", tmp_path / "scheduler.prom"
    target.write_text("mine")
    link.symlink_to(target)
    given(link, BOB)
    with pytest.raises(LedgerError, match=f"{link} is not opened: .* belongs to the user {BOB}"):
        ask(scheduler, "metrics", "--output", str(link))
    assert target.read_text() == "mine"
    # A link of one's own is followed, as to a folder of node_exporter.
    given(link, os.geteuid())
    ask(scheduler, "metrics", "--output", str(link))
    assert "scheduler_ledger_up" in target.read_text()


def test_the_owner_of_the_folder_is_trusted_with_its_files(ledger: SqliteLedger, given: Given) -> None:
    # As where root calls a command of a service, or a container has a volume of another user.
    ledger.folder.chmod(0o755)
    for path in (ledger.folder, ledger.path):
        given(path, BOB)
    assert opened(ledger) is None


def test_the_owner_of_a_folder_that_anybody_could_have_made_is_not(
    ledger: SqliteLedger, given: Given
) -> None:
    ledger.folder.chmod(0o755)
    ledger.folder.parent.chmod(0o1777)
    for path in (ledger.folder, ledger.path):
        given(path, BOB)
    assert f"{ledger.path} belongs to the user {BOB}" in (opened(ledger) or "")


@pytest.mark.parametrize(
    ("folder", "file", "is_taken"), [(0o2770, 0o660, True), (0o2770, 0o640, False), (0o3777, 0o660, False)]
)
def test_the_log_of_somebody_who_may_write_the_ledger_is_taken(
    ledger: SqliteLedger, given: Given, folder: int, file: int, is_taken: bool
) -> None:
    # Two users share a ledger by a group, and a command of one of them was open at the start of the other.
    ledger.folder.chmod(folder)
    ledger.path.chmod(file)
    log = Path(f"{ledger.path}-wal")
    log.touch()
    given(log, ALICE)
    assert (opened(ledger) is None) == is_taken


@pytest.mark.parametrize(
    ("rights", "said"),
    [
        (0o700, None),
        (0o755, None),
        (0o1777, "everybody on this machine may write to the folder {}, and can put files beside the ledger"),
        (0o777, "everybody on this machine may write to the folder {}, and can replace the ledger, which"),
        (0o2775, "the group readers may write to the folder {}, and can replace the ledger, which"),
    ],
)
def test_a_start_and_doctor_tell_of_a_folder_that_others_may_write_to(
    ledger: SqliteLedger, rights: int, said: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger.folder.chmod(rights)
    monkeypatch.setattr("grp.getgrgid", lambda number: _Group("readers", ["alice"]))
    assert rights == stat.S_IMODE(ledger.folder.stat().st_mode)
    _is_readable, findings = examine_file(ledger)
    found = [it.what for it in findings if it.check == "rights" and it.level == "warning"]
    remarks = ledger.remarks()
    assert (len(found), len(remarks)) == ((1, 1) if said else (0, 0))
    if said:
        assert found[0].startswith(said.format(ledger.folder))
        assert remarks[0].startswith(said.format(ledger.folder))
        assert remarks[0].endswith("have the ledger in a folder of its user's own (SCHEDULER_DATABASE_URL)")


class _Group:
    def __init__(self, name: str, members: list[str]) -> None:
        self.gr_name, self.gr_mem = name, members


def test_a_group_of_one_user_is_nobody_else(ledger: SqliteLedger, monkeypatch: pytest.MonkeyPatch) -> None:
    # As most systems make for each user, with the same name.
    ledger.folder.chmod(0o775)
    monkeypatch.setattr(rights, "name_of_user", lambda _number: "alice")
    monkeypatch.setattr("grp.getgrgid", lambda number: _Group("alice", []))
    assert ledger.remarks() == []
    monkeypatch.setattr("grp.getgrgid", lambda number: _Group("alice", ["bob"]))
    assert "the group alice may write to the folder" in ledger.remarks()[0]


def test_doctor_tells_of_a_log_that_others_may_write(ledger: SqliteLedger) -> None:
    ledger.folder.chmod(0o755)
    with ledger.writing() as connection:
        connection.execute("UPDATE scheduler_ledger_version SET version_num = version_num")
        log = Path(f"{ledger.path}-wal")
        log.chmod(0o666)
        _is_readable, findings = examine_file(ledger)
    found = [it.what for it in findings if it.check == "rights"]
    assert found == [
        f"{log} can be written by everybody on this machine: who writes the ledger decides what runs"
    ]


def test_a_folder_of_another_user_is_told(ledger: SqliteLedger, given: Given) -> None:
    ledger.folder.chmod(0o755)
    given(ledger.folder, BOB)
    assert f"belongs to the user {BOB}, who can replace the ledger" in ledger.remarks()[0]


def test_a_folder_above_in_which_everybody_may_replace_the_ledgers_is_told(ledger: SqliteLedger) -> None:
    ledger.folder.chmod(0o700)
    ledger.folder.parent.chmod(0o777)
    assert f"may write to the folder {ledger.folder.parent}, and can replace" in ledger.remarks()[0]
