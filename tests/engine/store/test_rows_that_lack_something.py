"""Rows of a ledger with nothing, or a word of no meaning, where something is expected: R8."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from everytick import AsyncIOScheduler
from everytick.explain import why_run
from everytick.model import ticks
from everytick.read.runs import read_run
from everytick.store import schema, unreadable
from everytick.store.database import Ledger
from everytick.store.querying import connect
from sqlalchemy import Table

import added_tasks
from dashboards import api, page
from histories import SECOND, ask, ask_json, prepared, run, write

KINDS = ("scheduled", "manual", "startup", "backfill", "lunar")
STATES = (
    *("claimed", "running", "queued", "retrying", "succeeded", "failed", "timed_out", "cancelled"),
    *("interrupted", "lost", "skipped", "lunar"),
)
REASONS = ("missed", "coalesced", "outage", "overlap", "paused", "disabled", "lunar")
JOB = "daily"


@pytest.fixture
def ledger(scheduler: AsyncIOScheduler) -> Ledger:
    scheduler.add_job(added_tasks.note, "interval", seconds=60, id=JOB, args=[JOB])
    return prepared(scheduler)


def full_row(table: Table, **known: Any) -> dict[str, Any]:
    """Return a row with something in every column."""
    row: dict[str, Any] = {}
    for column in table.columns:
        if column.name.endswith("_us"):
            row[column.name] = ticks.now() - 1_000 * SECOND
        else:
            row[column.name] = column.name if str(column.type) == "TEXT" else 1
    return row | known


def lacking(table: Table, row: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Give a row without each thing that it may lack, and without all of them."""
    empty = [column.name for column in table.columns if column.nullable]
    yield {**row, **dict.fromkeys(empty)}
    for name in empty:
        yield {**row, name: None}


def odd_runs() -> list[dict[str, Any]]:
    """Return runs of every kind and state, each of which lacks something."""
    found: list[dict[str, Any]] = []
    for kind, state in itertools.product(KINDS, STATES):
        for reason in REASONS if state == "skipped" else (None,):
            whole = full_row(schema.runs, job_id=JOB, kind=kind, state=state, reason=reason)
            found += [{**row, "reason": reason} for row in lacking(schema.runs, whole)]
    for number, row in enumerate(found, 1):
        row["run_id"] = number
        # A tick, and a start, has one run.
        row["tick_us"] = row["tick_us"] and row["tick_us"] - number * 60 * SECOND
        row["start_number"] = row["start_number"] and number
    return found


@pytest.mark.full
def test_a_run_that_lacks_anything_is_explained_as_far_as_it_goes(
    scheduler: AsyncIOScheduler, ledger: Ledger
) -> None:
    rows = odd_runs()
    write(ledger, "scheduler_runs", rows)
    with connect(ledger) as connection:
        for row in rows:
            found = why_run(connection, read_run(connection, row["run_id"]), scheduler.settings, None)
            assert found, row


LACKS = [
    ({"kind": "scheduled"}, "tick_us"),
    ({"kind": "backfill"}, "for_tick_us"),
    ({"kind": "startup", "state": "skipped", "reason": "missed"}, "finished_us"),
    ({"kind": "startup", "state": "skipped", "reason": "paused"}, "tick_us"),
    ({"kind": "manual", "last_tick_us": 1}, "tick_us"),
]


@pytest.mark.parametrize(("what", "lacks"), LACKS)
def test_people_are_told_what_the_row_of_a_run_lacks(
    scheduler: AsyncIOScheduler, ledger: Ledger, what: dict[str, Any], lacks: str
) -> None:
    write(ledger, "scheduler_runs", [run(JOB, None, "failed", due_us=ticks.now()) | what | {lacks: None}])
    told = f"he row run_id=1 of scheduler_runs cannot be read: its {lacks} is NULL"
    assert told in page(ledger, "/run/1")
    assert told in ask(scheduler, "why", JOB, "--run", "1")
    assert ask_json(scheduler, "why", JOB, "--run", "1")["verdict"] == "unreadable"
    assert re.search("^run +1$", ask(scheduler, "show", "1"), re.MULTILINE)
    assert api(ledger, "runs/1")["run_id"] == 1
    with connect(ledger) as connection:
        assert [str(row)[1:] for row in unreadable.search(connection.plain, 5, 5).rows] == [told]


@pytest.mark.full
def test_a_job_that_lacks_anything_is_shown_as_far_as_it_goes(
    scheduler: AsyncIOScheduler, ledger: Ledger
) -> None:
    for number, row in enumerate(lacking(schema.jobs, full_row(schema.jobs, zone="UTC")), 1):
        write(ledger, "scheduler_jobs", [{**row, "job_id": f"odd{number}"}])
        assert f"odd{number}" in page(ledger, "/job", id=f"odd{number}")
        assert ask(scheduler, "why", f"odd{number}")
        assert api(ledger, f"jobs/odd{number}")["id"] == f"odd{number}"
    assert JOB in ask(scheduler, "jobs")
