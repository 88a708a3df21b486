"""Rows of the ledger of which nothing can be made: they stop nothing, and steer no terminal."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from everytick import AsyncIOScheduler, logs
from everytick.engine import heartbeats
from loguru import logger

import added_tasks
from dashboards import api
from inside import until
from ledgers import change, found_in
from test_untrusted_rows import is_readable, problems, starts_without_them, with_rows
from test_untrusted_rows import log as log
from test_untrusted_rows import no_calls_yet as no_calls_yet


def schedule(**changes: Any) -> str:
    """Return the data of an interval, with changes; None takes a value away."""
    plain = {"trigger": "interval", "step": 200_000, "anchor": 0, "start": None, "end": None, "zone": "UTC"}
    return json.dumps({**plain, "text": "interval[0:00:00.2]", "jitter": 0, **changes})


CRON = {"trigger": "cron", "fields": {"hour": "3"}, "start": None, "end": None, "text": "cron", "jitter": 0}
DAILY = {"trigger": "calendarinterval", "years": 0, "months": 0, "days": 0, "time": "03:00", "end": None}
SCHEDULES = [
    "{}",
    "null",
    "[]",
    "3",
    "no JSON",
    "[" * 100_000,
    schedule(trigger="lunar"),
    schedule(trigger=["cron"]),
    schedule(step=0),
    schedule(step=-5),
    schedule(step=None),
    schedule(step="1"),
    schedule(step=10**30),
    schedule(anchor=10**30),
    schedule(start=10**17 * 9),
    schedule(jitter=-1),
    schedule(zone=None),
    schedule(zone="../../etc/passwd"),
    schedule(moon="full"),
    json.dumps(CRON),
    json.dumps({**CRON, "zone": "UTC", "fields": {"hour": "99"}}),
    json.dumps({**CRON, "zone": "UTC", "fields": {"moon": "full"}}),
    json.dumps({**CRON, "zone": "UTC", "fields": {"hour": 3}}),
    json.dumps({**CRON, "zone": "UTC", "fields": {"second": ",".join(["1"] * 251)}}),
    json.dumps({**DAILY, "start": "2026-01-01", "zone": "UTC", "text": "daily", "jitter": 0}),
    json.dumps({**DAILY, "days": 1, "start": "soon", "zone": "UTC", "text": "daily", "jitter": 0}),
    json.dumps({"trigger": "or", "parts": [], "jitter": 0}),
    json.dumps({"trigger": "or", "parts": [json.loads(schedule()), {}], "jitter": 0}),
    json.dumps({"trigger": "and", "parts": [json.loads(schedule(step=0))], "jitter": 0}),
    json.dumps({"trigger": "date", "at": "now", "zone": "UTC", "text": "date", "jitter": 0}),
]
CALLS = [
    "{}",
    "null",
    "[]",
    "no JSON",
    '{"args": null, "kwargs": {}, "options": {}}',
    '{"args": [], "kwargs": [], "options": {}}',
    '{"args": [], "kwargs": {}, "options": null}',
    '{"args": [], "kwargs": {}, "options": {"colour": "red"}}',
    '{"args": [], "kwargs": {}, "options": {"max_instances": 0}}',
    '{"args": [], "kwargs": {}, "options": {"coalesce": "no"}}',
    '{"args": [], "kwargs": {}, "options": {}, "defaults": 3}',
    '{"args": [], "kwargs": {}, "options": {}, "overlap": "wait"}',
]


@pytest.mark.full
async def test_rows_of_which_nothing_can_be_made_stop_nothing(
    scheduler: AsyncIOScheduler, log: list[str]
) -> None:
    rows = {f"schedule {number}": {"schedule_data": text} for number, text in enumerate(SCHEDULES)}
    rows |= {f"call {number}": {"call_data": text} for number, text in enumerate(CALLS)}
    await with_rows(scheduler, rows)
    told = await starts_without_them(log, *rows)
    assert told.keys() == rows.keys()
    shown = problems(scheduler)
    assert shown.keys() == rows.keys()
    assert "None" not in shown.values()
    is_readable(scheduler, *rows)
    assert len(api(scheduler.ledger, "jobs")["jobs"]) == len(rows) + 1


async def test_names_in_rows_steer_no_terminal(scheduler: AsyncIOScheduler) -> None:
    hostile = "\x1b]0;owned\x07\x1b[31mred\r\x9b1m"
    await with_rows(scheduler, {"row": {"name": hostile, "function": hostile}})
    change(scheduler.ledger, "UPDATE scheduler_jobs SET job_id = ? WHERE job_id = 'row'", f"row{hostile}")
    stream = io.StringIO()
    sink = logger.add(stream, format=logs._line)
    async with AsyncIOScheduler():
        logger.bind(job=f"row{hostile}").info("a line of the user's own may have \x1b[32mcolours\x1b[0m")
    logger.remove(sink)
    lines = [line for line in stream.getvalue().splitlines() if "colours" not in line]
    assert any("owned" in line for line in lines)
    assert all(line.isprintable() for line in lines)
    assert "\x1b]0" not in stream.getvalue()


async def test_a_job_whose_id_is_no_text_stops_no_other(
    scheduler: AsyncIOScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeats, "BEAT_SECONDS", 0.05)
    await with_rows(scheduler, {"row": {"function": "os:system"}})
    change(scheduler.ledger, "UPDATE scheduler_jobs SET job_id = ? WHERE job_id = 'row'", b"\xff\x00")
    async with AsyncIOScheduler() as again:
        beats = found_in(again.ledger, "SELECT beat FROM scheduler_processes")
        await until(lambda: found_in(again.ledger, "SELECT beat FROM scheduler_processes") != beats)
        added_tasks.calls.clear()
        await until(lambda: ("other",) in added_tasks.calls)


def declaring(hour: int) -> AsyncIOScheduler:
    made = AsyncIOScheduler()
    for job_id in ("a", "b"):
        made.add_job(added_tasks.note, "cron", hour=hour, id=job_id)
    return made


@pytest.mark.usefixtures("scheduler")
async def test_a_start_with_another_schedule_calls_no_sound_row_unreadable(log: list[str]) -> None:
    for hour in (1, 2, 2):
        async with declaring(hour):
            pass
    assert not [line for line in log if "cannot be read" in line]


@pytest.mark.usefixtures("scheduler")
async def test_a_watermark_that_is_no_number_is_told_at_a_start_with_the_id_of_its_job(
    log: list[str],
) -> None:
    async with declaring(1) as first:
        pass
    change(first.ledger, "UPDATE scheduler_jobs SET watermark_us = 'soon' WHERE job_id = 'b'")
    async with declaring(2):
        pass
    [line] = [line for line in log if "cannot be read" in line]
    assert line == "1 job with a row that cannot be read, which does not run until that is mended: b\n"
