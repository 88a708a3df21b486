"""Rows of a ledger in a file with values that are no numbers, no instants and no text: R8."""

from __future__ import annotations

import itertools
import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from everytick import AsyncIOScheduler, masking
from everytick.api import loading
from everytick.cli import program
from everytick.dashboard import actions, pages, probes, run_pages
from everytick.dashboard import api as dashboard_api
from everytick.doctor import storage
from everytick.errors import LedgerError, NotFoundError
from everytick.model import ticks
from everytick.read.sign_outs import is_signed_out
from everytick.store import schema, unreadable
from everytick.store.database import Ledger
from everytick.store.opening import ledger_at
from everytick.store.querying import connect
from everytick.store.records import host_name
from everytick.store.transfer import move
from everytick.system import use
from sqlalchemy import Table
from starlette.routing import Route
from typer.testing import CliRunner

import added_tasks
from dashboards import api, look, page, refused
from histories import SECOND, ask, ask_json, prepared, run, write
from ledgers import change, found_in

pytestmark = pytest.mark.usefixtures("unscheduled")

TEXT, BLOB, ZEROS, BYTES = "'abc'", "x'00'", "zeroblob(9)", "CAST(x'ff41' AS TEXT)"
# What somebody may write into a column: SQLite takes all of it.
VALUES: tuple[str, ...] = (
    TEXT,
    BLOB,
    ZEROS,
    BYTES,
    "''",
    "1e300",
    "-1e300",
    "9e999",
    "1.5",
    "-5",
    "0",
    str(2**31),
)
VALUES += (
    str(2**53),
    str(2**62),
    str(2**63 - 1),
    str(-(2**63)),
    str(ticks.LAST),
    str(ticks.FIRST),
    "5",
    "NULL",
)
TABLES = schema.metadata.sorted_tables
OF_ONE_ROW = (schema.alerting, schema.application, schema.schedule)
OF_THE_CODE = "other"
MANY = 5
COMMANDS = (
    *(["jobs"], ["runs"], ["plan"], ["why", OF_THE_CODE], ["show", "2"], ["doctor"], ["diff"], ["audit"]),
    *(
        ["health"],
        ["metrics"],
        ["simulate"],
        ["runs", "--state", "failed"],
        ["runs", "--since", "2026-01-01"],
    ),
    *(["runs", "--job", OF_THE_CODE], ["why", OF_THE_CODE, "--run", "2"]),
)
PAGES = (
    *(
        "/",
        "/jobs",
        "/jobs?q=o",
        f"/job?id={OF_THE_CODE}",
        f"/job?id={OF_THE_CODE}&ask=true",
        "/runs",
        "/runs?state=failed",
    ),
    *(f"/runs?job={OF_THE_CODE}", "/run/2", "/run/2/text", "/running", "/coming", "/audit", "/login"),
    *("/health/live", "/health/ready", "/metrics"),
    *(f"/api/v1/{path}" for path in ("overview", "jobs", "runs", "plan", "processes", "audit", "runs/2")),
    "/api/v1/troubles",
    *(f"/api/v1/jobs/{OF_THE_CODE}", f"/api/v1/jobs/{OF_THE_CODE}/why"),
)
# An answer without an end, and the proof that the dashboard knows its token.
# The others lead on to a page without a look into the ledger.
NOT_ASKED = {"/live", "/login/proof", "/runs/{run_id:int}", f"/jobs/{OF_THE_CODE}"}


@pytest.fixture
def unscheduled(scheduler: AsyncIOScheduler) -> None:
    """A ledger with a job of the code and one that was added, with something in every table."""
    scheduler.add_job(added_tasks.note, "interval", seconds=60, id=OF_THE_CODE, args=["other"])
    for number in range(len(VALUES)):
        job_id = "victim" if number == 0 else f"victim{number}"
        scheduler.add_job(added_tasks.note, "interval", hours=1, id=job_id, args=[job_id])
    ledger = prepared(scheduler)
    now = ticks.now()
    minute = now - now % (60 * SECOND)
    told = {"error": "it failed", "traceback": "Traceback: it failed"}
    for number in range(MANY * 10):
        job_id = OF_THE_CODE if number % 2 else "victim"
        state = ("succeeded", "failed", "running", "queued", "skipped")[number % 5]
        tick = minute - (number + 1) * 60 * SECOND
        write(ledger, "scheduler_runs", [run(job_id, tick, state, **(told if state == "failed" else {}))])
    for table in TABLES:
        if table not in (schema.jobs, schema.runs):
            write(ledger, table.name, [_row(table, number, now) for number in range(1, _number(table) + 1)])


def _number(table: Table) -> int:
    return 1 if table in OF_ONE_ROW else len(VALUES) + MANY


def _row(table: Table, number: int, now: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for column in table.columns:
        if column.name.endswith("_us"):
            found[column.name] = None if column.name == "over_us" else now - number * SECOND
        else:
            found[column.name] = number if str(column.type) != "TEXT" else f"{column.name}{number}"
    known: dict[str, Any] = {
        "job_id": "victim" if number % 2 else OF_THE_CODE,
        "kind": "failed",
        "state": "failed",
    }
    known |= {"role": None, "queues": None, "action": "paused", "host": host_name(), "number": 1}
    return found | {name: value for name, value in known.items() if name in found}


def spoil(ledger: Ledger, table: Table, column: str, values: tuple[str, ...] = VALUES) -> int:
    """Write each value into a row of its own, as far as SQLite lets it; return into how many."""
    keys = ", ".join(f'"{key.name}"' for key in table.primary_key)
    done = 0
    spare = "WHERE job_id <> 'other'" if "job_id" in table.columns else ""
    with closing(sqlite3.connect(ledger.path, isolation_level=None)) as connection:
        rows = connection.execute(f"SELECT rowid FROM {table.name} {spare} ORDER BY {keys}").fetchall()
        for number, value in enumerate(values):
            row = rows[number % len(rows)][0]
            try:
                connection.execute(f'UPDATE {table.name} SET "{column}" = {value} WHERE rowid = {row}')
            except sqlite3.IntegrityError:
                # NOT NULL, or unique: SQLite takes it no more than we do.
                continue
            done += 1
    return done


def asked(scheduler: AsyncIOScheduler, *arguments: str) -> str:
    """Return what a command prints, however it ends; a traceback is an error."""
    with patch.object(loading, "load_schedule_for_command", lambda: scheduler):
        done = CliRunner().invoke(program.app, arguments, env={"COLUMNS": "200"})
    assert done.exception is None or isinstance(done.exception, SystemExit), (arguments, done.exception)
    assert "Traceback (most" not in done.output, arguments
    return done.output


def everything_is_shown(scheduler: AsyncIOScheduler) -> None:
    """Ask every page, the whole API and every command that reads."""
    for path in PAGES:
        answer = look(scheduler.ledger, path)
        assert answer.status_code in ((200, 503) if path == "/health/ready" else (200,)), (path, answer.text)
    for command in COMMANDS:
        # Metrics have a form of their own for programs.
        for more in ([], ["--json"])[: 1 if command == ["metrics"] else 2]:
            said = asked(scheduler, *command, *more)
            assert "there is no option" not in said, said
    assert OF_THE_CODE in {row["id"] for row in ask_json(scheduler, "jobs")}
    assert OF_THE_CODE in {row["job_id"] for row in ask_json(scheduler, "runs")}
    assert OF_THE_CODE in {row["job_id"] for row in ask_json(scheduler, "plan", "--limit", "50")}
    assert OF_THE_CODE in {row["id"] for row in api(scheduler.ledger, "jobs")["jobs"]}
    assert OF_THE_CODE in {row["job_id"] for row in api(scheduler.ledger, "runs")["runs"]}
    assert OF_THE_CODE in {row["job_id"] for row in api(scheduler.ledger, "plan")["ticks"]}


@pytest.mark.full
@pytest.mark.parametrize("table", [it for it in TABLES if it not in OF_ONE_ROW], ids=str)
def test_a_value_that_is_none_is_the_trouble_of_its_row_alone(
    scheduler: AsyncIOScheduler, table: Table
) -> None:
    assert sum(spoil(scheduler.ledger, table, column.name) for column in table.columns)
    everything_is_shown(scheduler)


@pytest.mark.full
@pytest.mark.parametrize("value", [TEXT, BLOB, "1e300", str(2**62)])
def test_what_there_is_one_row_of_hides_nothing_else_when_it_cannot_be_read(
    scheduler: AsyncIOScheduler, value: str
) -> None:
    for table in OF_ONE_ROW:
        assert sum(spoil(scheduler.ledger, table, column.name, (value,)) for column in table.columns)
    everything_is_shown(scheduler)


@pytest.mark.full
def test_such_values_in_all_tables_at_once_hide_nothing_else(scheduler: AsyncIOScheduler) -> None:
    for table in TABLES:
        for column in table.columns:
            spoil(scheduler.ledger, table, column.name, (TEXT,) if table in OF_ONE_ROW else VALUES)
    everything_is_shown(scheduler)


def spoil_one(ledger: Ledger, table: str, value: str, where: str) -> None:
    """Write `column = value` into the rows of a table for which a condition holds."""
    with closing(sqlite3.connect(ledger.path, isolation_level=None)) as connection:
        assert connection.execute(f"UPDATE {table} SET {value} WHERE {where}").rowcount


@pytest.mark.full
def test_a_job_whose_row_cannot_be_read_is_reported_where_people_look(scheduler: AsyncIOScheduler) -> None:
    spoil_one(scheduler.ledger, "scheduler_jobs", "watermark_us = 'abc'", "job_id = 'victim3'")
    told = "the row job_id='victim3' of scheduler_jobs cannot be read: its watermark_us is 'abc'"
    assert told in asked(scheduler, "doctor")
    assert told in asked(scheduler, "jobs")
    with pytest.raises(NotFoundError, match=re.escape(told)):
        ask(scheduler, "why", "victim3")
    with pytest.raises(NotFoundError, match=re.escape(told)):
        ask(scheduler, "audit", "--job", "victim3")
    assert told in look(scheduler.ledger, "/job", id="victim3").text.replace("&#39;", "'")
    assert told in refused(scheduler.ledger, "jobs/victim3")
    assert told in refused(scheduler.ledger, "jobs/victim3/why")


@pytest.mark.full
def test_a_run_whose_row_cannot_be_read_is_reported_where_people_look(scheduler: AsyncIOScheduler) -> None:
    spoil_one(scheduler.ledger, "scheduler_runs", "started_us = x'00'", "run_id = 1")
    told = "the row run_id=1 of scheduler_runs cannot be read: its started_us is X'00'"
    assert told in asked(scheduler, "doctor")
    with pytest.raises(NotFoundError, match=re.escape(told)):
        ask(scheduler, "show", "1")
    with pytest.raises(NotFoundError, match=re.escape(told)):
        ask(scheduler, "why", "victim", "--run", "1")
    tick = found_in(scheduler.ledger, "SELECT tick_us FROM scheduler_runs WHERE run_id = 1")[0]["tick_us"]
    explained = ask_json(scheduler, "why", "victim", ticks.moment(tick).isoformat())
    assert explained["verdict"] == "unreadable"
    assert told in " ".join(explained["sentences"]).replace("The row", "the row")
    assert told in look(scheduler.ledger, "/run/1").text.replace("&#39;", "'")
    assert told in refused(scheduler.ledger, "runs/1")


@pytest.mark.full
def test_a_column_that_somebody_adds_counts_from_then_on(scheduler: AsyncIOScheduler) -> None:
    def seen() -> int:
        with connect(scheduler.ledger) as reader:
            found = reader.plain.execute("SELECT count(*) FROM scheduler_jobs WHERE job_id = 'victim3'")
            return int(found.fetchone()[0])

    assert seen() == 1
    change(scheduler.ledger, "ALTER TABLE scheduler_jobs ADD COLUMN odd INTEGER")
    spoil_one(scheduler.ledger, "scheduler_jobs", "odd = 'abc'", "job_id = 'victim3'")
    assert seen() == 0


@pytest.mark.full
def test_an_attempt_that_cannot_be_read_is_told_on_the_page_of_its_run(scheduler: AsyncIOScheduler) -> None:
    spoil_one(scheduler.ledger, "scheduler_attempts", "finished_us = 1e300", "run_id = 2")
    told = "the row run_id=2, attempt=2 of scheduler_attempts cannot be read: its finished_us is 1.0e+300"
    assert told in page(scheduler.ledger, "/run/2")
    assert told in asked(scheduler, "doctor")


@pytest.mark.full
def test_doctor_looks_through_large_tables_from_the_newest_row_on_and_says_where_it_stopped(
    scheduler: AsyncIOScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    for run_id in (1, 3):
        spoil_one(scheduler.ledger, "scheduler_runs", "started_us = x'00'", f"run_id = {run_id}")
    # Each row of any table is one more place to stop at, and one more search.
    for table in schema.metadata.sorted_tables:
        if table is not schema.runs:
            change(scheduler.ledger, f"DELETE FROM {table.name} WHERE rowid > 2")
    monkeypatch.setattr(unreadable, "PIECE", 1)
    said = asked(scheduler, "doctor")
    assert "run_id=1 of" in said
    assert "only the newest" not in said
    # A clock that goes on by a second with each look, of which all takes as many as this.
    clock = itertools.count()
    with connect(scheduler.ledger) as connection, use(monotonic=clock.__next__):
        unreadable.search(connection.plain, 5, 1e9)
        looks = next(clock)
        found = [unreadable.search(connection.plain, 5, seconds) for seconds in range(looks)]
    by_time = list(dict.fromkeys(tuple(row.key for row in one.rows) for one in found))
    assert by_time == [(), ("run_id=3",), ("run_id=3", "run_id=1")]
    assert all("scheduler_runs" in one.unfinished for one in found if len(one.rows) < 2)
    monkeypatch.setattr(storage, "_ROW_SECONDS", 0)
    assert re.search("only the newest .*0 rows of scheduler_runs.* looked at", asked(scheduler, "doctor"))


@pytest.mark.full
def test_what_is_told_of_a_row_is_short_and_has_no_secrets(scheduler: AsyncIOScheduler) -> None:
    masking.hide("correct-horse-91")
    value = f"https://somebody:correct-horse-91@example.org/{'x' * 500}"
    spoil_one(scheduler.ledger, "scheduler_jobs", f"serial = '{value}'", "job_id = 'victim3'")
    said = asked(scheduler, "jobs")
    assert "its serial is 'https://" in said
    assert "correct-horse" not in said
    assert "x" * 100 not in said


@pytest.mark.full
def test_a_session_that_was_signed_out_stays_so_whatever_its_row_holds(scheduler: AsyncIOScheduler) -> None:
    spoil_one(scheduler.ledger, "scheduler_sign_outs", "at_us = 'abc'", "session = 'session1'")
    with connect(scheduler.ledger) as connection:
        assert is_signed_out(connection, "session1")
    assert "its at_us is 'abc'" in asked(scheduler, "doctor")


def test_a_ledger_with_such_a_row_is_not_moved(scheduler: AsyncIOScheduler, tmp_path: Path) -> None:
    spoil_one(scheduler.ledger, "scheduler_runs", "started_us = 'abc'", "run_id = 1")
    target = ledger_at(f"sqlite:///{tmp_path / 'other.db'}")
    with pytest.raises(LedgerError, match="nothing was moved: the row run_id=1 of scheduler_runs"):
        move(scheduler.ledger, target, "somebody", lambda _share: None)
    assert not target.exists()


def test_every_page_that_reads_is_asked() -> None:
    shown = (pages.router, run_pages.router, actions.router)
    routers = (*shown, dashboard_api.router, probes.health, probes.metrics)
    routes = [route for router in routers for route in router.routes]
    paths = {str(route.path) for route in routes if isinstance(route, Route) and "GET" in route.methods}  # type: ignore[operator]
    plain = {re.sub(r"\{run_id\}", "2", re.sub(r"\{job_id:\w+\}", OF_THE_CODE, path)) for path in paths}
    asked_for = {re.sub(r"\?.*", "", path) for path in PAGES}
    assert len(paths) >= 20
    assert plain - asked_for <= NOT_ASKED
