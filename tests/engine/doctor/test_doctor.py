"""`doctor` finds what is not in order, says where, and says what would be right."""

from __future__ import annotations

import os
import re
import shutil
import socket
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy
from everytick import AsyncIOScheduler
from everytick import app as which
from everytick.doctor import Finding, environment, examination, history, liveness, pitfalls, storage
from everytick.dryrun.start import dry_run
from everytick.errors import how_to_install
from everytick.model import ticks
from everytick.read.jobs import Declared
from everytick.settings import SchedulerSettings
from everytick.store.querying import connect
from everytick.store.sqlite import SqliteLedger
from everytick.system import use

from inside import Clock, scheduler_settings
from ledgers import change as change_ledger
from ledgers import changing
from sample_ledger import DAY, HOUR, MINUTE, SECOND, Book, SampleLedger, fill, up

ZONE = UTC


@pytest.fixture
def troubled(scheduler: AsyncIOScheduler) -> SampleLedger:
    """The sample ledger, as that of the scheduler."""
    return fill(scheduler.ledger)


def task(*_: object) -> None:
    """The body of all jobs."""


def pitfalls_of(scheduler: AsyncIOScheduler, workers: int = 10, now: int | None = None) -> list[Finding]:
    return pitfalls.examine_schedule(scheduler.get_jobs(), workers, ticks.now() if now is None else now)


def looked_at(troubled: SampleLedger, examine: Callable[..., list[Finding]], *more: Any) -> list[Finding]:
    with connect(troubled.ledger) as connection:
        return examine(connection, *more, ticks.now(), ZONE)


def only(findings: list[Finding], check: str, level: str) -> Finding:
    """Return the one finding of a check, which has this level."""
    [found] = [finding for finding in findings if finding.check == check]
    assert found.level == level, found
    return found


def change(troubled: SampleLedger, statement: str, *values: object) -> None:
    change_ledger(troubled.ledger, statement, *values)


# --- the schedule as it is declared


@pytest.mark.parametrize(
    ("declaration", "check", "level", "sentence"),
    [
        ({"trigger": "cron", "month": 2, "day": 30}, "never fires", "error", "job odd never fires"),
        ({"trigger": "date", "run_date": "2020-01-01"}, "never fires", "note", "its date, 2020-01-01"),
        ({"trigger": "cron", "year": 2050}, "never fires", "warning", "does not fire within 5 years"),
        (
            {"trigger": "cron", "hour": 9, "misfire_grace_time": 60},
            "grace time",
            "warning",
            "is due every 1 day, and may start no later than 1 min after",
        ),
        (
            {"trigger": "cron", "hour": 2, "minute": 30, "timezone": "Europe/Berlin"},
            "daylight saving",
            "note",
            "on 2027-03-28: the clock jumps over the planned time this day: due at 03:00",
        ),
        (
            {"trigger": "calendarinterval", "days": 1, "hour": 1, "timezone": "America/New_York"},
            "daylight saving",
            "note",
            "on 2027-11-07: 01:00 comes twice this day: due at the first only",
        ),
        (
            {"trigger": "interval", "hours": 1, "next_run_time": "now", "max_instances": 2},
            "overlap",
            "note",
            "a start near a tick runs it twice at once",
        ),
    ],
)
def test_a_declaration_that_is_most_likely_not_meant(
    scheduler: AsyncIOScheduler,
    clock: Clock,
    declaration: dict[str, Any],
    check: str,
    level: str,
    sentence: str,
) -> None:
    clock.set(ticks.instant(datetime(2027, 1, 15, 12, tzinfo=UTC)))
    if "next_run_time" in declaration:
        declaration = {**declaration, "next_run_time": ticks.moment(ticks.now())}
    job = scheduler.add_job(task, id="odd", **declaration)
    found = only(pitfalls_of(scheduler), check, level)
    assert sentence in found.what
    assert found.where == job.where
    assert found.right


@pytest.mark.parametrize(
    "declaration",
    [
        {"trigger": "cron", "hour": 9},
        {"trigger": "interval", "minutes": 1, "misfire_grace_time": 30},
        {"trigger": "cron", "hour": 9, "misfire_grace_time": None},
        {"trigger": "cron", "minute": 30, "timezone": "Europe/Berlin"},
        {"trigger": "cron", "hour": 2, "minute": 30, "timezone": "Asia/Tokyo"},
    ],
)
def test_what_is_in_order_is_left_alone(scheduler: AsyncIOScheduler, declaration: dict[str, Any]) -> None:
    scheduler.add_job(task, id="fine", **declaration)
    [found] = pitfalls_of(scheduler)
    assert (found.level, found.what) == ("ok", "nothing odd about the declarations")


def test_two_jobs_that_do_the_same_are_told_with_both_lines(scheduler: AsyncIOScheduler) -> None:
    for name in ("one", "two"):
        scheduler.add_job(task, "cron", hour=9, id=name)
    scheduler.add_job(task, "cron", hour=9, id="other", args=["x"])
    found = only(pitfalls_of(scheduler), "twins", "warning")
    assert found.what.startswith("jobs one, two call test_doctor:task")
    assert re.fullmatch(r".*:\d+, .*:\d+", found.where or "")


def test_more_jobs_at_an_instant_than_can_run_at_once(scheduler: AsyncIOScheduler) -> None:
    for number in range(6):
        scheduler.add_job(task, "cron", hour=9, id=f"daily{number}", args=[number])
    scheduler.add_job(task, "interval", seconds=1, id="often", misfire_grace_time=600)
    assert "7 jobs are due at" in only(pitfalls_of(scheduler, workers=6), "crowd", "warning").what
    assert not [it for it in pitfalls_of(scheduler, workers=7) if it.check == "crowd"]
    scheduler.add_job(task, "cron", hour=9, jitter=600, id="spread")
    assert not [it for it in pitfalls_of(scheduler, workers=7) if it.check == "crowd"]


# --- how jobs have fared


def in_code(troubled: SampleLedger) -> Declared:
    return Declared(list(troubled.declared.values()), {"misfire_grace_time": 600})


def history_of(troubled: SampleLedger) -> list[Finding]:
    with connect(troubled.ledger) as connection:
        return history.examine_history(connection, in_code(troubled), ticks.now(), ZONE)


def book(troubled: SampleLedger, write: Callable[[Book], None]) -> None:
    with changing(troubled.ledger) as hand:
        write(Book(hand, troubled))


def test_a_job_that_failed_several_times_in_a_row(troubled: SampleLedger) -> None:
    def fail(it: Book) -> None:
        for day in (1, 2):
            it.run("timeout", troubled.tick - day * DAY, "failed", error="ValueError: no")

    assert not [it for it in history_of(troubled) if it.check == "failures"]
    book(troubled, fail)
    found = only(history_of(troubled), "failures", "warning")
    assert "the last 3 runs of job timeout did not succeed, at last with: it took longer" in found.what
    assert re.fullmatch(r"python -m app why timeout --run \d+", found.right or "")


def test_a_job_that_takes_longer_than_its_interval(troubled: SampleLedger) -> None:
    def run_long(it: Book) -> None:
        for number in range(10):
            tick = troubled.tick - DAY + number * MINUTE
            it.run("outage", tick, "succeeded", started_us=tick, finished_us=tick + 75 * SECOND)

    book(troubled, run_long)
    found = only(history_of(troubled), "duration", "warning")
    assert "job outage is due every 1 min, and one run in twenty takes 1 min 15 s or longer" in found.what


def test_a_pause_that_nobody_explained(troubled: SampleLedger) -> None:
    long_ago = "UPDATE scheduler_jobs SET paused_us = ?, pause_note = ? WHERE job_id = 'paused'"
    change(troubled, long_ago, ticks.now() - 8 * DAY, "the disk is full")
    assert not [it for it in history_of(troubled) if it.check == "pause"]
    change(troubled, long_ago, ticks.now() - 8 * DAY, None)
    assert "job paused is paused since" in only(history_of(troubled), "pause", "warning").what


def test_a_job_whose_function_is_gone(troubled: SampleLedger) -> None:
    found = only(history_of(troubled), "function", "error")
    assert "job gone cannot run: 'app.services.gone:task' cannot be imported" in found.what


# --- clock, processes, runs


def test_a_clock_that_was_set_back(troubled: SampleLedger, clock: Clock) -> None:
    assert [it.level for it in looked_at(troubled, liveness.examine_clock)] == ["ok"]
    clock.set(troubled.tick - HOUR)
    found = looked_at(troubled, liveness.examine_clock)
    assert "it was set back by at least 1 h" in found[0].what
    assert found[0].level == "error"
    silent = [it for it in found if it.where == "job fine"]
    assert [it.level for it in silent] == ["warning"]


def test_no_process_and_a_living_one(troubled: SampleLedger) -> None:
    found = only(looked_at(troubled, liveness.examine_processes), "processes", "note")
    assert found.what == "no scheduler is up"
    with up(troubled.ledger):
        found = only(looked_at(troubled, liveness.examine_processes), "processes", "ok")
    assert f"process {os.getpid()} on {socket.gethostname()}" in found.what


def test_a_silent_process(troubled: SampleLedger) -> None:
    with up(troubled.ledger, silent=20 * SECOND):
        found = only(looked_at(troubled, liveness.examine_processes), "processes", "warning")
    assert re.search(r"no heartbeat for 20(\.\d)? s", found.what)


def test_a_process_that_is_gone(troubled: SampleLedger) -> None:
    with up(troubled.ledger) as process_id:
        change(troubled, "UPDATE scheduler_processes SET pid = ? WHERE process_id = ?", 2**22 + 7, process_id)
        found = only(looked_at(troubled, liveness.examine_processes), "processes", "warning")
    assert "died: its last heartbeat" in found.what


def test_an_event_loop_that_is_stuck_is_told_with_what_runs_there(troubled: SampleLedger) -> None:
    with up(troubled.ledger, stuck=40 * SECOND) as process_id:
        statement = "UPDATE scheduler_runs SET state = 'running', process_id = ? WHERE run_id = ?"
        change(troubled, statement, process_id, troubled.run_ids["slot"])
        found = only(looked_at(troubled, liveness.examine_processes), "processes", "error")
    assert "has not answered for 40 s: a coroutine blocks it; under way there: slot" in found.what


def test_two_machines_on_one_file(troubled: SampleLedger) -> None:
    with up(troubled.ledger), up(troubled.ledger) as process_id:
        change(troubled, "UPDATE scheduler_processes SET host = 'other' WHERE process_id = ?", process_id)
        found = looked_at(troubled, liveness.examine_processes)
    assert "processes of 2 machines use one SQLite ledger" in found[-1].what


def test_runs_that_are_left_over_or_were_lost(troubled: SampleLedger) -> None:
    found = only(looked_at(troubled, liveness.examine_runs), "runs", "warning")
    assert re.match(r"2 run\(s\) were lost within a day, of (lost, skipper|skipper, lost)", found.what)
    old = "UPDATE scheduler_runs SET state = ?, due_us = due_us - ? WHERE run_id = ?"
    change(troubled, old, "queued", 2 * DAY, troubled.run_ids["retry"])
    change(troubled, old, "running", 0, troubled.run_ids["crash"])
    found_all = looked_at(troubled, liveness.examine_runs)
    said = " ".join(it.what for it in found_all)
    assert f"run {troubled.run_ids['crash']} of crash is held by a process that is not there" in said
    assert f"the oldest is run {troubled.run_ids['retry']} of retry, queued" in said


# --- the ledger as a file


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
    assert found.right == ("python -m app resume 'a job; rm', or python -m app pause 'a job; rm' --note TEXT")


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
    assert only(found, "ledger", "warning").right == "python -m app migrate, or a start"


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


# --- settings and zone data


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


def test_two_applications_with_one_package_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(which, "_current", which.Application(schedule="stall.jobs:create_scheduler"))
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path / "site")])
    for name in ("apples", "pears"):
        assert environment.examine_packages() == []
        described = tmp_path / "site" / f"{name}-1.0.dist-info"
        described.mkdir(parents=True)
        (described / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (described / "RECORD").write_text("stall/__init__.py,,\n")
    [found] = environment.examine_packages()
    assert (found.level, found.check) == ("error", "packages")
    assert found.what == "the package stall is in 2 distributions, apples, pears: one hides the other"


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


# --- with a large history


def test_no_question_reads_through_the_history(troubled: SampleLedger) -> None:
    """Each query of the examination, and of a rehearsed start, finds its runs by an index."""
    asked: list[tuple[str, Any]] = []

    def note(connection: Any, cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if statement.startswith("SELECT") and "scheduler_runs" in statement:
            asked.append((statement, parameters))

    sqlalchemy.event.listen(sqlalchemy.Engine, "before_cursor_execute", note)
    try:
        with up(troubled.ledger, stuck=40 * SECOND):
            looked_at(troubled, liveness.examine_processes)
        looked_at(troubled, liveness.examine_clock)
        looked_at(troubled, liveness.examine_runs)
        history_of(troubled)
        dry_run(troubled.ledger, Declared([], {"misfire_grace_time": 600}))
    finally:
        sqlalchemy.event.remove(sqlalchemy.Engine, "before_cursor_execute", note)
    assert len(asked) > 20
    with closing(troubled.ledger.connect(read_only=True)) as connection:
        for statement, parameters in asked:
            plan = connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters).fetchall()
            steps = [step[-1] for step in plan]
            assert all(" USING " in step for step in steps if "scheduler_runs" in step), (statement, steps)
