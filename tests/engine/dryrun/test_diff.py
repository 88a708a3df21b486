"""What `diff` says of a deploy is what the next start does."""

from __future__ import annotations

import re
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import pytest
from everytick import AsyncIOScheduler, SchedulerClient
from everytick.api.loading import declared
from everytick.cli import differences
from everytick.dryrun.diff import Difference, JobChange, difference
from everytick.model import ticks
from everytick.settings import settings
from everytick.store import joining, schema
from everytick.store.connections import transaction
from everytick.store.records import Identity

from histories import ask, run, write
from inside import Clock, rows, until
from ledgers import changing, found_in

# No process of this machine has it: pids are smaller.
NOBODY = 2**22 + 7


def task(*args: object, **kwargs: object) -> None:
    """The body of all jobs."""


def other_task(*args: object, **kwargs: object) -> None:
    """Another body."""


def of(scheduler: AsyncIOScheduler) -> Difference:
    """Return what a start of this schedule would change."""
    return difference(scheduler.ledger, declared(scheduler))


def start_once(*jobs: tuple[str, dict[str, Any]]) -> None:
    """Put a schedule in force, as a start does that ends at once."""
    scheduler = AsyncIOScheduler()
    for job_id, trigger in jobs:
        scheduler.add_job(task, id=job_id, **trigger)
    put_in_force(scheduler)


def put_in_force(scheduler: AsyncIOScheduler) -> None:
    """Register a schedule, as a start does that ends at once."""
    scheduler.ledger.prepare()
    with closing(scheduler.ledger.connect()) as connection, transaction(connection):
        joining.register(
            connection, Identity("0" * 32, Identity.new().host, NOBODY), scheduler.get_jobs(), None
        )


def named(found: Difference) -> dict[str, JobChange]:
    return {change.job_id: change for change in found.jobs}


def everything(scheduler: AsyncIOScheduler) -> list[Any]:
    """Return all that stands in the ledger."""
    return [found_in(scheduler.ledger, f"SELECT * FROM {name} ORDER BY 1") for name in schema.metadata.tables]


DAILY: dict[str, Any] = {"trigger": "cron", "hour": 3}


def test_before_the_first_start_everything_is_new_and_nothing_is_written(scheduler: AsyncIOScheduler) -> None:
    scheduler.add_job(task, id="daily", **DAILY)
    scheduler.add_job(task, id="at-start")
    found = of(scheduler)
    assert {job_id: change.what for job_id, change in named(found).items()} == {
        "daily": "added",
        "at-start": "added",
    }
    assert [(run.job_id, run.why) for run in found.runs] == [("at-start", "startup")]
    assert not scheduler.ledger.exists()


def test_the_schedule_in_force_makes_no_difference(scheduler: AsyncIOScheduler) -> None:
    start_once(("daily", DAILY))
    scheduler.add_job(task, id="daily", **DAILY)
    before = everything(scheduler)
    found = of(scheduler)
    assert (found.jobs, found.runs, found.as_json()["differs"]) == ([], [], False)
    assert everything(scheduler) == before


def test_each_kind_of_change_is_told_with_the_ticks_before_and_after(scheduler: AsyncIOScheduler) -> None:
    start_once(("kept", DAILY), ("moved", DAILY), ("gone", DAILY), ("patient", DAILY))
    scheduler.add_job(task, id="kept", **DAILY)
    scheduler.add_job(task, "cron", hour=4, timezone="Asia/Tokyo", id="moved")
    options: dict[str, Any] = {"misfire_grace_time": 60, "name": "Patience", "group": "database"}
    scheduler.add_job(task, id="patient", **options, **DAILY)
    scheduler.add_job(task, id="new", **DAILY)
    found = named(of(scheduler))
    assert {job_id: change.what for job_id, change in found.items()} == {
        "moved": "changed",
        "gone": "removed",
        "patient": "altered",
        "new": "added",
    }
    moved = found["moved"]
    assert moved.old is not None
    assert moved.new is not None
    assert (moved.old.trigger, moved.old.timezone) == ("cron[hour='3']", "UTC")
    assert (moved.new.trigger, moved.new.timezone) == ("cron[hour='4']", "Asia/Tokyo")
    for side, hour in ((moved.old, "T03:00:00"), (moved.new, "T19:00:00")):
        assert side.next is not None
        assert [hour in tick for tick in side.next] == [True] * 3
    assert found["patient"].details == {
        "misfire_grace_time": (600, 60),
        "name": ("task", "Patience"),
        "group": (None, "database"),
    }
    assert found["gone"].new is None
    assert re.fullmatch(r".*test_diff\.py:\d+", found["new"].declared_at or "")


def test_a_job_that_returns_is_new_and_keeps_its_pause(scheduler: AsyncIOScheduler) -> None:
    start_once(("back", DAILY))
    SchedulerClient().pause_job("back", note="for now")
    start_once(("other", DAILY))
    scheduler.add_job(task, id="back", **DAILY)
    scheduler.add_job(task, id="other", **DAILY)
    [change] = of(scheduler).jobs
    assert (change.job_id, change.what, change.paused) == ("back", "added", True)


def test_a_job_added_while_running_is_not_removed(scheduler: AsyncIOScheduler) -> None:
    start_once(("daily", DAILY))
    SchedulerClient().add_job(task, "cron", hour=5, id="kept")
    scheduler.add_job(task, id="daily", **DAILY)
    assert of(scheduler).jobs == []
    scheduler.add_job(task, "cron", hour=5, id="kept")
    [change] = of(scheduler).jobs
    assert (change.what, change.details) == ("altered", {"declared": ("added while running", "in the code")})


# --- what runs at once: each is compared with a start


async def started(scheduler: AsyncIOScheduler, expected: Difference) -> list[dict[str, Any]]:
    """Start the schedule until it did what was told; return all rows that it wrote."""
    known = {row["run_id"] for row in rows(scheduler)}
    number = len(expected.runs) + len(expected.skipped)
    async with scheduler:
        open_states = ("queued", "claimed", "running")
        await until(lambda: len(rows(scheduler)) >= number and not rows(scheduler, *open_states))
    return [row for row in rows(scheduler) if row["run_id"] not in known or row["state"] != "queued"]


def ran(found: list[dict[str, Any]]) -> set[tuple[str, int | None]]:
    return {(row["job_id"], row["tick_us"]) for row in found if row["state"] == "succeeded"}


def told(found: Difference) -> set[tuple[str, int | None]]:
    """Return the same of a difference."""
    return {
        (it.job_id, None if it.tick is None else ticks.instant(datetime.fromisoformat(it.tick)))
        for it in found.runs
    }


async def test_what_an_outage_left_is_made_up_for_as_told(scheduler: AsyncIOScheduler, clock: Clock) -> None:
    clock.set(ticks.instant(datetime(2027, 3, 1, 11, 0, 1, tzinfo=UTC)))
    hourly, often = {"trigger": "cron", "minute": 0}, {"trigger": "interval", "minutes": 10}
    several: dict[str, Any] = {**often, "coalesce": False, "misfire_grace_time": 1800}
    jobs = (("hourly", hourly), ("late", {**hourly, "misfire_grace_time": 60}), ("several", several))
    start_once(*jobs, ("paused", often), ("changed", often))
    SchedulerClient().pause_job("paused")
    clock.step(3600 + 299)
    for job_id, trigger in (*jobs, ("paused", often)):
        scheduler.add_job(task, id=job_id, **trigger)
    scheduler.add_job(task, "interval", minutes=15, id="changed")
    scheduler.add_job(task, id="at-start")
    expected = of(scheduler)
    assert {(it.job_id, it.why, (it.tick or "")[11:16]) for it in expected.runs} == {
        ("hourly", "catch-up", "12:00"),
        ("several", "catch-up", "11:40"),
        ("several", "catch-up", "11:50"),
        ("several", "catch-up", "12:00"),
        ("at-start", "startup", ""),
    }
    skipped = {(it["job_id"], it["reason"], it["count"]) for it in expected.skipped}
    found = await started(scheduler, expected)
    assert ran(found) == told(expected)
    assert skipped == {
        (row["job_id"], row["reason"], row["tick_count"] or 1) for row in found if row["state"] == "skipped"
    }
    assert ("late", "outage", 1) in skipped
    assert ("changed", "outage", 6) in skipped


def test_many_runs_that_wait_are_one_line(scheduler: AsyncIOScheduler) -> None:
    start_once(("job", DAILY), ("other", DAILY))
    begin = ticks.instant(datetime(2026, 3, 1, 3, tzinfo=UTC))
    waiting = [
        run("job", begin + n * ticks.DAY, "queued", started_us=None, finished_us=None) for n in range(29)
    ]
    write(scheduler.ledger, "scheduler_runs", waiting)
    SchedulerClient().run_job_now("other")
    for job_id in ("job", "other"):
        scheduler.add_job(task, id=job_id, misfire_grace_time=None, max_instances=30, **DAILY)
    lines = [" ".join(line.split()) for line in ask(scheduler, "diff").splitlines() if "queued" in line]
    assert lines[0] == "job (queued) 29 runs, for 2026-03-01 03:00:00 UTC to 2026-03-29 03:00:00 UTC"
    assert len([line for line in lines if line.startswith("other (queued) due ")]) == 1


@pytest.mark.full
async def test_what_waits_begins_as_told(scheduler: AsyncIOScheduler) -> None:
    start_once(("job", DAILY), ("other", DAILY))
    by_hand = SchedulerClient().run_job_now("job")
    SchedulerClient().pause_job("other")
    scheduler.add_job(task, id="job", **DAILY)
    scheduler.add_job(task, id="other", **DAILY)
    expected = of(scheduler)
    assert [(run.job_id, run.why, run.run_id) for run in expected.runs] == [("job", "queued", by_hand)]
    found = await started(scheduler, expected)
    assert [row["run_id"] for row in found if row["state"] == "succeeded"] == [by_hand]


@pytest.mark.full
async def test_what_waited_for_too_long_is_missed_as_told(scheduler: AsyncIOScheduler, clock: Clock) -> None:
    start_once(("job", DAILY), ("gone", DAILY))
    given_back = ticks.now() - 3600 * ticks.SECOND
    with changing(scheduler.ledger) as connection:
        for job_id in ("job", "gone"):
            connection.execute(
                "INSERT INTO scheduler_runs (job_id, kind, tick_us, state, attempt, crashes, due_us)"
                " VALUES (?, 'scheduled', ?, 'queued', 1, 0, ?)",
                (job_id, given_back, given_back),
            )
    scheduler.add_job(task, id="job", **DAILY)
    expected = of(scheduler)
    assert expected.runs == []
    told = {(it["job_id"], it["reason"]) for it in expected.skipped}
    assert told == {("job", "missed"), ("gone", "cancelled")}
    async with scheduler:
        await until(lambda: not rows(scheduler, "queued", "claimed"))
    assert {(row["job_id"], row["reason"] or row["state"]) for row in rows(scheduler)} == told


async def test_beside_a_living_process_there_is_no_run_of_a_start(scheduler: AsyncIOScheduler) -> None:
    scheduler.add_job(task, id="at-start")
    async with scheduler:
        await until(lambda: rows(scheduler, "succeeded"))
        other = AsyncIOScheduler()
        other.add_job(task, id="at-start")
        found = of(other)
    assert (found.runs, len(found.alive), found.stale) == ([], 1, [])
    [run] = of(scheduler).runs
    assert run.why == "startup"


def test_a_silent_process_elsewhere_is_given_up_and_its_runs_follow(scheduler: AsyncIOScheduler) -> None:
    start_once(("job", DAILY))
    with changing(scheduler.ledger) as connection:
        long_ago = ticks.now() - 300 * ticks.SECOND
        connection.execute("UPDATE scheduler_processes SET host = 'elsewhere/1', beat_us = ?", (long_ago,))
        connection.execute(
            "INSERT INTO scheduler_runs (job_id, kind, tick_us, state, attempt, crashes, due_us, process_id,"
            " claimed_us, started_us) SELECT 'job', 'scheduled', ?, 'running', 1, 0, 0, process_id, 0, 0"
            " FROM scheduler_processes",
            (long_ago,),
        )
    scheduler.add_job(task, id="job", **DAILY)
    scheduler.add_job(task, id="at-start")
    found = of(scheduler)
    assert found.stale == [f"process {NOBODY} on elsewhere"]
    assert {(run.job_id, run.why) for run in found.runs} == {("job", "lost"), ("at-start", "startup")}


def report() -> None:
    """Another body."""


def test_a_renamed_job_is_told_with_what_else_changes(scheduler: AsyncIOScheduler) -> None:
    start_once(("report", DAILY), ("other", DAILY))
    scheduler.add_job(task, "cron", hour=4, id="daily-report", renamed_from="report", name="The report")
    scheduler.add_job(task, id="other", **DAILY)
    [change] = of(scheduler).jobs
    assert (change.job_id, change.what, change.perhaps_renamed_from) == ("daily-report", "renamed", None)
    assert change.details == {"id": ("report", "daily-report"), "name": ("task", "The report")}
    assert change.old is not None
    assert (change.old.trigger, change.declared_at is None) == ("cron[hour='3']", False)
    said = ask(scheduler, "diff")
    assert "renamed  daily-report\n" in said
    assert "id: report -> daily-report" in said


@pytest.mark.parametrize(
    ("now", "guess"),
    [
        # The same function at the same times, whatever it is called now.
        (("zz", task, DAILY), "nightly_export"),
        # The same function, and an id that is alike.
        (("nightly_exports", task, {"trigger": "cron", "hour": 4}), "nightly_export"),
        # The same times, and an id that is alike: the function was renamed with the job.
        (("export_nightly", report, DAILY), "nightly_export"),
        (("zz", report, DAILY), None),
        (("zz", task, {"trigger": "cron", "hour": 4}), None),
    ],
)
def test_a_new_job_that_looks_like_a_removed_one_is_asked_about(
    scheduler: AsyncIOScheduler, now: tuple[str, Any, dict[str, Any]], guess: str | None
) -> None:
    start_once(("nightly_export", DAILY), ("another", {"trigger": "interval", "hours": 7}))
    job_id, function, trigger = now
    scheduler.add_job(function, id=job_id, **trigger)
    found = named(of(scheduler))
    assert (found[job_id].what, found[job_id].perhaps_renamed_from) == ("added", guess)
    question = f"is this {guess}? Then add renamed_from={guess!r}"
    assert (question in ask(scheduler, "diff")) == (guess is not None)


def test_each_removed_job_is_guessed_for_one_new_job_only(scheduler: AsyncIOScheduler) -> None:
    start_once(("sync_north", DAILY), ("sync_south", DAILY))
    for job_id in ("sync_northern", "sync_southern", "sync_western"):
        scheduler.add_job(task, id=job_id, **DAILY)
    found = named(of(scheduler))
    assert {job_id: it.perhaps_renamed_from for job_id, it in found.items() if it.what == "added"} == {
        "sync_northern": "sync_north",
        "sync_southern": "sync_south",
        "sync_western": None,
    }


def test_jobs_that_the_settings_disable_are_named(
    scheduler: AsyncIOScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    scheduler.add_job(task, "interval", minutes=1, id="mail-often")
    scheduler.add_job(task, "date", id="mail-start")
    scheduler.add_job(task, "date", id="start")
    put_in_force(scheduler)
    assert of(scheduler).disabled == {}
    monkeypatch.setenv("SCHEDULER_DISABLED_JOBS", "mail-*")
    settings.cache_clear()
    found = of(scheduler)
    setting = "SCHEDULER_DISABLED_JOBS=mail-*"
    assert found.disabled == {"mail-often": setting, "mail-start": setting}
    assert [run.job_id for run in found.runs] == ["start"]
    assert f"disabled by {setting}: mail-often, mail-start" in differences.lines(found, UTC)
    assert found.as_json()["disabled"] == found.disabled


@pytest.mark.parametrize("only_missed", [False, True])
def test_the_next_runs_of_a_backfill_are_told(scheduler: AsyncIOScheduler, only_missed: bool) -> None:
    start_once(("report", DAILY))
    first = ticks.instant(datetime(2026, 3, 1, 3, tzinfo=UTC))
    day = ticks.DAY
    write(
        scheduler.ledger,
        "scheduler_runs",
        [
            run("report", first),
            run("report", first + day, "failed"),
            run("report", first + 2 * day, "failed"),
        ],
    )
    span = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 9, tzinfo=UTC)
    SchedulerClient().backfill_job("report", *span, only_missed=only_missed, max_instances=2)
    scheduler.add_job(task, id="report", **DAILY)
    before = everything(scheduler)
    found = [(start.why, start.tick) for start in of(scheduler).runs if start.kind == "backfill"]
    days = (2, 3) if only_missed else (1, 2)
    assert found == [("backfill", f"2026-03-0{number}T03:00:00+00:00") for number in days]
    assert everything(scheduler) == before
    assert f"report (backfill) 2 runs, for 2026-03-0{days[0]} 03:00:00" in ask(scheduler, "diff")
