"""Rows that somebody wrote by hand, with odd values: no part of the alerts' pass stops another (R8)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from everytick import AsyncIOScheduler
from everytick.model import ticks
from everytick.store import incidents, notices

from alerting import Moody, alerting, log, never_due, quick_looks, run_now, until  # noqa: F401
from ledgers import change, found_in
from sinks import HttpSink

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

ODD: tuple[Any, ...] = ("x", 1.5, b"x", 2**63 - 1, -(2**63), 9e999)
INCIDENT = {
    "job_id": "odd",
    "kind": "failed",
    "first_us": 1,
    "last_us": 1,
    "count": 1,
    "run_id": 1,
    "mark_us": 1,
    "detail": "a row of its own",
}


def enter(scheduler: AsyncIOScheduler, **odd: Any) -> None:
    """Write down an incident that is news, with some odd values."""
    values = {**INCIDENT, "changed_us": ticks.now(), **odd}
    marks = ", ".join("?" * len(values))
    change(
        scheduler.ledger,
        f"INSERT INTO scheduler_incidents ({', '.join(values)}) VALUES ({marks})",
        *values.values(),
    )


def fails(*_given: object, **_named: object) -> Any:
    raise ZeroDivisionError("a part failed")


@pytest.mark.full
@pytest.mark.parametrize("part", ["seen", "untold", "late", "over"])
async def test_a_part_that_fails_stops_no_other_and_is_logged_once_a_minute(
    part: str,
    tmp_path: Path,
    sink: HttpSink,
    log: list[str],  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(incidents, part, fails)
    with alerting(tmp_path, sink, SCHEDULER_ALERT_ON="failed,late") as scheduler:
        never_due(scheduler, "job", Moody())
        async with scheduler:
            enter(scheduler)
            await until(lambda: any("odd failed" in title for title in sink.titles))
            if part != "untold":
                await run_now("job")
                await until(lambda: any("job failed" in title for title in sink.titles))
    assert len([line for line in log if line.startswith("ERROR a part of the alerts failed")]) == 1


@pytest.mark.full
async def test_a_channel_that_cannot_be_looked_after_leaves_the_others_alone(
    tmp_path: Path, sink: HttpSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = notices.due
    first: list[str] = []

    def due(connection: Any, process_id: str, channel: str, *rest: Any) -> Any:
        first.append(channel)
        return fails() if channel == first[0] else usual(connection, process_id, channel, *rest)

    monkeypatch.setattr(notices, "due", due)
    with alerting(tmp_path, sink, SCHEDULER_ALERT_URLS=f"json://localhost:9, {sink.alerts}") as scheduler:
        never_due(scheduler, "job", Moody())
        async with scheduler:
            await run_now("job")
            await until(lambda: sink.titles == ["[app] job failed"])


@pytest.mark.full
@pytest.mark.parametrize("value", ODD)
async def test_a_run_whose_row_cannot_be_read_is_told_and_hides_no_other(
    value: Any,
    tmp_path: Path,
    sink: HttpSink,
    log: list[str],  # noqa: F811
) -> None:
    columns = ("tick_us", "last_tick_us", "tick_count", "attempt", "crashes", "rerun_until_us")
    with alerting(tmp_path, sink) as scheduler:
        never_due(scheduler, "job", Moody())
        async with scheduler:
            for column in columns:
                now = ticks.now()
                row = {"job_id": column, "kind": "manual", "state": "failed", "attempt": 1, "crashes": 0}
                row |= {"due_us": now, "finished_us": now, column: value}
                change(
                    scheduler.ledger,
                    f"INSERT INTO scheduler_runs ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})",
                    *row.values(),
                )
            await run_now("job")
            await until(lambda: any("job" in body for body in sink.bodies))
        told = {row["job_id"] for row in found_in(scheduler.ledger, "SELECT job_id FROM scheduler_incidents")}
    # What is no number is told as well: that somebody has to look.
    assert told >= {"job", "tick_us", "last_tick_us", "tick_count", "crashes"}
    assert not [line for line in log if line.startswith("ERROR") and "part of the alerts" in line]


@pytest.mark.full
@pytest.mark.parametrize("column", ["first_us", "count", "kind", "detail", "job_id", "over_us", "run_id"])
async def test_an_incident_whose_row_cannot_be_read_keeps_no_channel_from_the_others(
    column: str,
    tmp_path: Path,
    sink: HttpSink,
    log: list[str],  # noqa: F811
) -> None:
    with alerting(tmp_path, sink) as scheduler:
        never_due(scheduler, "job", Moody())
        async with scheduler:
            for number, value in enumerate(ODD):
                enter(scheduler, **{"job_id": f"odd{number}", column: value})
            await run_now("job")
            await until(lambda: any("job failed: run 1" in body for body in sink.bodies))
    assert not [line for line in log if line.startswith("ERROR an alert")]
    assert not [line for line in log if "part of the alerts" in line]


@pytest.mark.full
@pytest.mark.parametrize("column", ["held_until_us", "tries", "try_us", "since_us"])
async def test_odd_values_about_a_channel_neither_silence_it_nor_let_it_repeat_itself(
    column: str, tmp_path: Path, sink: HttpSink
) -> None:
    with alerting(tmp_path, sink) as scheduler:
        never_due(scheduler, "one", Moody())
        never_due(scheduler, "two", Moody())
        async with scheduler:
            await until(lambda: found_in(scheduler.ledger, "SELECT * FROM scheduler_channels"))
            change(scheduler.ledger, f"UPDATE scheduler_channels SET {column} = 'x', process_id = 'y'")
            await run_now("one")
            await until(lambda: sink.titles == ["[app] one failed"])
            await run_now("two")
            await until(lambda: len(sink.titles) == 2)
    assert sink.titles == ["[app] one failed", "[app] two failed"]


@pytest.mark.full
@pytest.mark.parametrize("column", ["since_us", "seen_us"])
async def test_alerts_begin_whatever_the_ledger_says_of_when_they_began_before(
    column: str, tmp_path: Path, sink: HttpSink
) -> None:
    with alerting(tmp_path, sink) as scheduler:
        never_due(scheduler, "job", Moody())
        async with scheduler:
            await until(lambda: found_in(scheduler.ledger, "SELECT * FROM scheduler_alerting"))
        change(scheduler.ledger, f"UPDATE scheduler_alerting SET {column} = 'x'")
        async with scheduler:
            await run_now("job")
            await until(lambda: sink.titles == ["[app] job failed"])
