"""What `doctor` says of the ledger as a file, of the settings and of zone data."""

from __future__ import annotations

import shutil
import sqlite3
import sys
from contextlib import closing
from datetime import UTC, datetime
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from everytick import AsyncIOScheduler
from everytick import app as which
from everytick.app import typed
from everytick.doctor import environment, examination, storage
from everytick.errors import how_to_install
from everytick.model import ticks
from everytick.settings import SchedulerSettings
from everytick.store.sqlite import SqliteLedger
from everytick.system import use

from inside import scheduler_settings
from sample_ledger import DAY, SECOND, SampleLedger, up
from test_doctor import change, history_of, in_code, only
from test_doctor import troubled as troubled


def test_a_sound_ledger(troubled: SampleLedger) -> None:
    readable, found = storage.examine_file(SqliteLedger(f"sqlite:///{troubled.ledger.path}"))
    assert readable
    assert {it.level for it in found} == {"ok"}


def test_a_ledger_that_another_program_holds_is_an_error_and_explains_the_silence(
    troubled: SampleLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "_WRITE_SECONDS", 0.05)
    assert storage.examine_writing(SqliteLedger(f"sqlite:///{troubled.ledger.path}")) is None
    with (
        up(troubled.ledger, silent=60 * SECOND),
        closing(sqlite3.connect(troubled.ledger.path, isolation_level=None)) as other,
    ):
        other.execute("BEGIN IMMEDIATE")
        held = storage.examine_writing(SqliteLedger(f"sqlite:///{troubled.ledger.path}"))
        found = examination.examine(lambda: in_code(troubled))
        other.execute("ROLLBACK")
    assert held is not None
    assert held.level == "error"
    assert "another program holds it" in held.what
    assert held in found
    said = [it for it in found if it.check == "processes" and "no heartbeat" in it.what]
    assert {it.level for it in said} == {"note"}
    assert all("while the ledger is held" in it.what for it in said)


def test_commands_to_paste_are_quoted(troubled: SampleLedger) -> None:
    renamed = "UPDATE scheduler_jobs SET job_id = 'a job; rm', paused_us = ?, pause_note = NULL"
    change(troubled, f"{renamed} WHERE job_id = 'paused'", ticks.now() - 8 * DAY)
    [found] = [it for it in history_of(troubled) if it.check == "pause"]
    assert found.right == f"{typed('resume')} 'a job; rm', or {typed('pause')} 'a job; rm' --note TEXT"


def test_no_ledger_yet_is_no_error_and_makes_none(scheduler: AsyncIOScheduler) -> None:
    readable, found = storage.examine_file(SqliteLedger(f"sqlite:///{scheduler.ledger.path}"))
    assert not readable
    assert only(found, "ledger", "note").what == "there is no ledger yet: the first start makes one"
    assert not scheduler.ledger.path.exists()


def test_a_ledger_that_is_none(troubled: SampleLedger) -> None:
    troubled.ledger.path.write_bytes(b"not a database" * 400)
    for ending in ("-wal", "-shm"):
        troubled.ledger.path.with_name(f"ledger.db{ending}").unlink(missing_ok=True)
    readable, found = storage.examine_file(SqliteLedger(f"sqlite:///{troubled.ledger.path}"))
    assert not readable
    assert "is damaged or not an SQLite file" in only(found, "ledger", "error").what


def test_a_ledger_of_an_older_version(troubled: SampleLedger) -> None:
    change(troubled, "UPDATE scheduler_ledger_version SET version_num = '0002'")
    readable, found = storage.examine_file(SqliteLedger(f"sqlite:///{troubled.ledger.path}"))
    assert not readable
    assert only(found, "ledger", "warning").right == f"{typed('migrate')}, or a start"


def test_little_room_on_the_disk(troubled: SampleLedger, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = type("Usage", (), {})
    for free, level in ((100, "warning"), (5, "error")):
        monkeypatch.setattr(usage, "free", free * 1024 * 1024, raising=False)
        monkeypatch.setattr(shutil, "disk_usage", lambda _folder: usage)
        _readable, found = storage.examine_file(SqliteLedger(f"sqlite:///{troubled.ledger.path}"))
        assert f"has {free}.0 MB left" in only(found, "disk", level).what


def test_a_network_share_is_recognised(tmp_path: Path) -> None:
    table = tmp_path / "mountinfo"
    share = tmp_path / "share one"
    share.mkdir()
    escaped = str(share).replace(" ", r"\040")
    table.write_text(
        f"22 1 8:1 / / rw - ext4 /dev/sda1 rw\n40 22 0:50 / {escaped} rw,relatime shared:1 - nfs4 srv:/x rw\n"
    )
    assert storage.file_system(share, table) == "nfs4"
    assert storage.file_system(tmp_path, table) == "ext4"
    assert storage.file_system(tmp_path, tmp_path / "none") is None


def test_a_ledger_on_a_network_share(troubled: SampleLedger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "file_system", lambda _folder: "cifs")
    _readable, found = storage.examine_file(SqliteLedger(f"sqlite:///{troubled.ledger.path}"))
    assert [it.level for it in found if "network share (cifs)" in it.what] == ["error"]


def test_variables_that_nothing_reads(tmp_path: Path) -> None:
    with scheduler_settings(tmp_path, SCHEDULER_TIMEZON="UTC", SHEDULER_MAX_WORKERS=3):
        chosen, found = environment.examine_settings()
    assert chosen is not None
    assert {(it.level, it.where) for it in found} == {
        ("warning", "SCHEDULER_TIMEZON"),
        ("warning", "SHEDULER_MAX_WORKERS"),
    }
    assert any("did you mean 'SCHEDULER_TIMEZONE'?" in it.what for it in found)
    assert any("resembles SCHEDULER_MAX_WORKERS" in it.what for it in found)


@pytest.mark.parametrize(
    ("template", "right"),
    [
        ("0.2.0", "add the dashboard: copier update --defaults --vcs-ref :current: --data dashboard=true"),
        ("unknown", "install the extra: pip install 'everytick[dashboard]'"),
    ],
)
def test_variables_of_a_part_that_the_application_lacks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, template: str, right: str
) -> None:
    monkeypatch.setattr(which.Application, "has_dashboard", False)
    monkeypatch.setattr(which.Application, "template_version", template)
    with scheduler_settings(tmp_path, SCHEDULER_DASHBOARD="true", SCHEDULER_DASHBOARD_PORT=8080):
        _chosen, found = environment.examine_settings()
    assert [(it.level, it.what, it.right) for it in found] == [
        (
            "warning",
            f"{name} has no effect: the application was made without the dashboard:"
            f" {how_to_install('dashboard')}",
            f"remove it, or {right}",
        )
        for name in ("SCHEDULER_DASHBOARD", "SCHEDULER_DASHBOARD_PORT")
    ]


@pytest.mark.full
def test_two_applications_with_one_package_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(which, "_current", which.Application(schedule="stall.jobs:create_scheduler"))
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path / "site")])
    # They change here; the other tests have them from a cache.
    monkeypatch.setattr(environment, "packages_distributions", packages_distributions)
    for name in ("apples", "pears"):
        assert environment.examine_packages() == []
        described = tmp_path / "site" / f"{name}-1.0.dist-info"
        described.mkdir(parents=True)
        (described / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (described / "RECORD").write_text("stall/__init__.py,,\n")
    [found] = environment.examine_packages()
    assert (found.level, found.check) == ("error", "packages")
    assert found.what == "the package stall is in 2 distributions, apples, pears: one hides the other"


@pytest.mark.full
def test_two_applications_installed_for_editing_with_one_package_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(which, "_current", which.Application(schedule="stall.jobs:create_scheduler"))
    for name in ("apples", "pears"):
        assert environment.examine_packages() == []
        (tmp_path / name / "stall").mkdir(parents=True)
        (tmp_path / name / "stall" / "__init__.py").touch()
        # The working directory and its editable installation are one place.
        monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path / name), str(tmp_path / name)])
    [found] = environment.examine_packages()
    apples, pears = (str(tmp_path / name / "stall") for name in ("apples", "pears"))
    assert found.what == f"there is more than one package stall: {apples} hides {pears}"


def test_alerts_without_the_part_that_sends_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    with scheduler_settings(tmp_path, SCHEDULER_ALERT_URLS="json://localhost"):
        chosen, [found] = environment.examine_settings()
    assert chosen is not None
    assert (found.level, found.where) == ("error", "SCHEDULER_ALERT_URLS")
    assert found.what == (
        "SCHEDULER_ALERT_URLS is set, but Apprise, which sends the alerts, is not installed:"
        f" {how_to_install('alerts')}"
    )


def test_a_wrong_setting_is_an_error_at_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCHEDULER_MAX_WORKERS", "many")

    monkeypatch.setattr(environment, "settings", SchedulerSettings)
    chosen, [found] = environment.examine_settings()
    assert chosen is None
    assert (found.level, found.where) == ("error", "SCHEDULER_MAX_WORKERS")


def test_old_zone_data(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "UTC").touch()
    (tmp_path / "tzdata.zi").write_text("# version 2024b\n")
    monkeypatch.setattr(environment, "TZPATH", (str(tmp_path),))
    for year, level in ((2025, "ok"), (2027, "warning")):
        present = int(datetime(year, 6, 1, tzinfo=UTC).timestamp()) * 1_000_000_000
        with use(time_ns=lambda present=present: present):
            [found] = environment.examine_zone_data()
        assert (found.level, "2024b" in found.what) == (level, True)


def test_zone_data_of_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "TZPATH", ())
    monkeypatch.setattr(environment, "_packaged_version", lambda: None)
    [found] = environment.examine_zone_data()
    assert (found.level, found.right) == ("error", "install the package tzdata")
