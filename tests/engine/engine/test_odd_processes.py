"""Rows of processes that somebody wrote by hand, with odd values: the pulse goes on, and reaps (R8)."""

from __future__ import annotations

import asyncio
from operator import itemgetter
from typing import Any

import pytest
from everytick import AsyncIOScheduler, SchedulerClient
from everytick.engine import clock, heartbeats
from everytick.model import ticks
from everytick.store import claims, queue
from everytick.store.records import host_name

from inside import log as log
from inside import rows_of, until
from ledgers import change, found_in

ODD: tuple[Any, ...] = ("x", 1.5, b"x", "", -5, 0, 2**31, 2**40, 2**63 - 1, -(2**63), 9e999, b"\xff")
COLUMNS = (
    *("process_id", "host", "pid", "beat", "beat_us", "started_us", "start_number", "pass_us", "role"),
    *("queues", "cannot_run", "schedule_digest"),
)
ENTER = f"INSERT INTO scheduler_processes ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))})"


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeats, "BEAT_SECONDS", 0.1)


def enter(scheduler: AsyncIOScheduler, name: Any, **odd: Any) -> None:
    """Write down a process of another host, silent for an hour, with some odd values."""
    hour = ticks.now() - 3600 * ticks.SECOND
    values = {"process_id": name, "host": "elsewhere/1", "pid": 2**30, "beat": 1, "beat_us": hour}
    values |= {"started_us": hour, "start_number": 1}
    change(scheduler.ledger, ENTER, *[(values | odd).get(column) for column in COLUMNS])


def left(scheduler: AsyncIOScheduler) -> set[Any]:
    """Return the processes that are in the ledger."""
    return {row["process_id"] for row in found_in(scheduler.ledger, "SELECT * FROM scheduler_processes")}


@pytest.mark.full
@pytest.mark.parametrize("column", COLUMNS)
async def test_a_row_with_an_odd_value_stops_nothing_and_is_reaped_when_it_stays_silent(
    column: str, scheduler: AsyncIOScheduler, log: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    scheduler.add_job(task, "interval", seconds=60, id="job")
    async with scheduler:
        own = left(scheduler)
        assert scheduler._process is not None
        for number, value in enumerate(ODD):
            odd = {"host": host_name()} if column == "pid" else {}
            enter(scheduler, value if column == "process_id" else f"odd{number}", **{**odd, column: value})
        monkeypatch.setattr(heartbeats, "LEASE_SECONDS", 1.0)
        enter(scheduler, "gone", host=host_name())
        await until(lambda: soon(scheduler) and "gone" not in left(scheduler))
        await until(lambda: soon(scheduler) and left(scheduler) == own)
    assert not [line for line in log if "failed" in line]
    async with scheduler:
        pass


@pytest.mark.full
@pytest.mark.parametrize("beat", [2**63 - 1, -(2**63), 2**62])
async def test_a_process_whose_own_number_of_heartbeats_was_changed_goes_on_with_its_jobs(
    beat: int, scheduler: AsyncIOScheduler, log: list[str]
) -> None:
    scheduler.add_job(task, "interval", seconds=60, id="job")
    async with scheduler:
        own = left(scheduler)
        change(scheduler.ledger, "UPDATE scheduler_processes SET beat = ?", beat)

        def beats() -> int:
            return int(found_in(scheduler.ledger, "SELECT beat FROM scheduler_processes")[0]["beat"])

        await until(lambda: soon(scheduler) and beats() not in (beat, beat + 1))
        await asyncio.to_thread(SchedulerClient().run_job_now, "job")
        await until(lambda: [row for row in rows_of(scheduler, "job") if row["state"] == "succeeded"])
        assert left(scheduler) == own
        before = beats()
        await until(lambda: soon(scheduler) and 0 < before < beats() < 2**62)
    assert not [line for line in log if "ERROR" in line]


@pytest.mark.full
async def test_a_start_goes_by_odd_rows(scheduler: AsyncIOScheduler) -> None:
    scheduler.add_job(task, "interval", seconds=60, id="job")
    async with scheduler:
        pass
    for column in COLUMNS:
        for number, value in enumerate(ODD):
            name = value if column == "process_id" else f"{column}{number}"
            enter(scheduler, name, **{"host": host_name(), "pid": "x", column: value})
    async with scheduler:
        assert scheduler.running


async def test_a_start_counts_on_from_the_last_one_whatever_numbers_rows_of_runs_have(
    scheduler: AsyncIOScheduler,
) -> None:
    scheduler.add_job(task, "date", id="job")
    scheduler.add_job(task, "interval", seconds=3600, id="other")
    async with scheduler:
        await until(lambda: [row for row in rows_of(scheduler, "job") if row["state"] == "succeeded"])
    for job_id in ("job", "other"):
        for value in ODD:
            row = {"job_id": job_id, "kind": "startup", "state": "succeeded", "attempt": 1, "crashes": 0}
            row |= {"due_us": 1, "finished_us": ticks.now(), "start_number": value}
            statement = f"INSERT INTO scheduler_runs ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})"
            change(scheduler.ledger, statement, *row.values())
    for _start in range(2):
        before = len(rows_of(scheduler, "job"))
        async with scheduler:
            await until(lambda before=before: len(rows_of(scheduler, "job")) > before)  # type: ignore[misc]
        new = max(rows_of(scheduler, "job"), key=itemgetter("run_id"))
        assert new["start_number"] < 2**31


async def test_a_part_of_the_pulse_that_fails_stops_no_other_and_is_logged_once(
    scheduler: AsyncIOScheduler, log: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_given: object, **_named: object) -> Any:
        raise ZeroDivisionError("a part failed")

    monkeypatch.setattr(queue, "is_any", fails)
    monkeypatch.setattr(heartbeats.Heartbeats, "_show_life", fails)
    scheduler.add_job(long, "date", id="long")
    async with scheduler:
        await until(lambda: [row for row in rows_of(scheduler, "long") if row["state"] == "running"])
        enter(scheduler, "other")
        scheduler.cancel_run(rows_of(scheduler, "long")[0]["run_id"])
        await until(lambda: soon(scheduler) and rows_of(scheduler, "long")[0]["state"] == "cancelled")
        for _ in range(5):
            soon(scheduler)
            await asyncio.sleep(0.05)
    assert len([line for line in log if "a part failed" in line]) == 2


async def test_claims_that_fail_again_and_again_are_one_line_of_the_log(
    scheduler: AsyncIOScheduler, log: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[int] = []

    def fails(*_given: object, **_named: object) -> Any:
        tried.append(1)
        raise ZeroDivisionError("a claim of its own")

    monkeypatch.setattr(clock, "_RETRY", ticks.SECOND // 10)
    monkeypatch.setattr(claims, "claim", fails)
    scheduler.add_job(task, "interval", seconds=1, id="job")
    async with scheduler:
        await until(lambda: len(tried) > 5)
    assert len([line for line in log if "a claim failed" in line]) == 1


def soon(scheduler: AsyncIOScheduler) -> bool:
    """Let the next pulse come now, and not within a second."""
    assert scheduler._process is not None
    scheduler._process.writer.hurry()
    return True


async def long() -> None:
    """Go on until it is cancelled."""
    await asyncio.sleep(60)


def task() -> None:
    """Do nothing."""
