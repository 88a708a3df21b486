"""`doctor` finds what is not in order, says where, and says what would be right."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from everytick import AsyncIOScheduler
from everytick.api.loading import declared
from everytick.command_line import python
from everytick.doctor import Finding, history, of_one_kind, pitfalls, storage
from everytick.model import ticks
from everytick.model.allowed_functions import AllowedFunctions
from everytick.read.known_job import Declared
from everytick.store.querying import connect

from histories import prepared, run, write
from inside import Clock
from ledgers import change as change_ledger
from ledgers import changing
from sample_ledger import DAY, MINUTE, SECOND, Book, SampleLedger, fill

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
            "is due every day, and may start no later than 1 min after",
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
    return Declared(list(troubled.declared.values()), {"misfire_grace_time": 600}, AllowedFunctions(("app",)))


def history_of(troubled: SampleLedger) -> list[Finding]:
    with connect(troubled.ledger) as connection:
        return history.examine_history(connection, in_code(troubled), ticks.now(), ZONE)


def book(troubled: SampleLedger, write: Callable[[Book], None]) -> None:
    with changing(troubled.ledger) as hand:
        write(Book(hand, troubled))


def test_a_job_that_failed_when_it_ran_last_and_several_times_in_a_row(troubled: SampleLedger) -> None:
    def fail(it: Book) -> None:
        for day in (1, 2):
            it.run("timeout", troubled.tick - day * DAY, "failed", error="ValueError: no")

    def of_the_job() -> Finding:
        [found] = [it for it in history_of(troubled) if (it.check, it.job_id) == ("failures", "timeout")]
        return found

    assert of_the_job().what.startswith("the last run of job timeout did not succeed: it took longer")
    book(troubled, fail)
    found = of_the_job()
    assert found.level == "warning"
    assert "the last 3 runs of job timeout did not succeed, at last with: it took longer" in found.what
    assert re.fullmatch(rf"{re.escape(python())} -m app show \d+", found.right or "")


def test_a_job_that_takes_longer_than_its_interval(troubled: SampleLedger) -> None:
    def run_long(it: Book) -> None:
        for number in range(10):
            tick = troubled.tick - DAY + number * MINUTE
            it.run("outage", tick, "succeeded", started_us=tick, finished_us=tick + 75 * SECOND)

    book(troubled, run_long)
    found = only(history_of(troubled), "duration", "warning")
    assert "job outage is due every minute, and one run in twenty takes 1 min 15 s or longer" in found.what


def test_a_pause_that_nobody_explained(troubled: SampleLedger) -> None:
    long_ago = "UPDATE scheduler_jobs SET paused_us = ?, pause_note = ? WHERE job_id = 'paused'"
    change(troubled, long_ago, ticks.now() - 8 * DAY, "the disk is full")
    assert not [it for it in history_of(troubled) if it.check == "pause"]
    change(troubled, long_ago, ticks.now() - 8 * DAY, None)
    assert "job paused is paused since" in only(history_of(troubled), "pause", "warning").what


def test_a_job_whose_function_is_gone(troubled: SampleLedger) -> None:
    found = only(history_of(troubled), "function", "error")
    assert "job gone cannot run: 'app.services.gone:task' cannot be imported" in found.what


def test_jobs_that_fail_with_one_error_are_one_finding_however_often_each_failed(
    scheduler: AsyncIOScheduler,
) -> None:
    for job_id in ("once", "often", "other"):
        scheduler.add_job(print, "interval", hours=1, id=job_id)
    begin = ticks.now() - 4 * DAY
    rows = [
        run("once", begin, "failed", error="OSError: no room"),
        *(run("often", begin + n * MINUTE, "failed", error="OSError: no room") for n in range(3)),
        run("other", begin, "failed", error="ValueError: no"),
    ]
    write(prepared(scheduler), "scheduler_runs", rows)
    with connect(scheduler.ledger) as connection:
        told = history.examine_history(connection, declared(scheduler), ticks.now(), UTC)
    found = [one for one in told if one.check == "failures"]
    assert [[one.job_id for one in kind] for kind in of_one_kind(found)] == [["often", "once"], ["other"]]
    assert "alike" not in found[0].as_json()


def test_slow_jobs_are_one_finding_where_the_same_becomes_of_their_ticks(scheduler: AsyncIOScheduler) -> None:
    overlaps = {"a b": "wait", "c": "wait", "d-replace": "replace", "e": "replace", "f": "wait-one"}
    begin = ticks.now() - 4 * DAY
    rows = []
    for job_id, overlap in overlaps.items():
        scheduler.add_job(print, "interval", minutes=1, id=job_id, overlap=overlap)
        ends = [(begin + n * MINUTE, begin + n * MINUTE + 75 * SECOND) for n in range(10)]
        rows += [run(job_id, tick, "succeeded", finished_us=end) for tick, end in ends]
    write(prepared(scheduler), "scheduler_runs", rows)
    with connect(scheduler.ledger) as connection:
        told = history.examine_history(connection, declared(scheduler), ticks.now(), UTC)
    kinds = of_one_kind([one for one in told if one.check == "duration"])
    assert [[one.job_id for one in kind] for kind in kinds] == [["a b", "c"], ["d-replace", "e"], ["f"]]
    assert "each tick ends the run before it" in (kinds[1][0].right or "")


def test_findings_whose_commands_differ_by_the_job_alone_are_of_one_kind() -> None:
    findings = [
        Finding(
            "warning", "pause", f"job {one} is paused", right=f"app resume {shlex.quote(one)}", job_id=one
        )
        for one in ("a b", "c", "d/e")
    ]
    assert of_one_kind(findings) == [findings]


@pytest.mark.parametrize("column", ["scheduler_runs.run_id", "scheduler_audit.audit_id"])
def test_a_number_behind_which_sqlite_counts_no_further(troubled: SampleLedger, column: str) -> None:
    table, name = column.split(".")
    with connect(troubled.ledger) as connection:
        assert storage.examine_numbers(connection, "here") == []
    change(
        troubled, f"UPDATE {table} SET {name} = ? WHERE {name} = (SELECT max({name}) FROM {table})", 2**63 - 1
    )
    with connect(troubled.ledger) as connection:
        [found] = storage.examine_numbers(connection, "here")
    assert found.level == "error"
    assert f"{table} has a row with {name} {2**63 - 1}" in found.what
    assert "delete the row" in str(found.right)
