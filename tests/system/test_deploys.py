"""Two versions of one schedule: one after the other, and both at once."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger
from everytick import AsyncIOScheduler

from application import Application
from bodies import TASKS, deploy, doomed, entered, in_some_seconds, let, marks, more
from inside import covered, rows, until, was_down, without_a_hole
from ledgers import changing, found_in
from waiting import wait_for

SECOND = 1_000_000


@pytest.fixture
def app(tmp_path: Path) -> Application:
    return Application(tmp_path)


def definitions(app: Application) -> list[dict[str, Any]]:
    return found_in(app.ledger, "SELECT * FROM scheduler_jobs ORDER BY job_id")


def definition(app: Application, job_id: str) -> dict[str, Any]:
    return next(row for row in definitions(app) if row["job_id"] == job_id)


MOVED = ('quick, "interval", seconds=0.5, id="moved"', 'quick, "interval", seconds=0.7, id="moved"')
KEPT = 'quick, "interval", seconds=0.5, id="kept"'


@pytest.mark.full
def test_the_newer_start_decides_and_the_older_process_leaves_this_job_alone(app: Application) -> None:
    deploy(app, MOVED[0], KEPT)
    with doomed(app) as older:
        more(app, "moved", 2)
        deploy(app, MOVED[1], KEPT)
        with app.running() as newer:
            newer.says("changed in the schedule: moved")
            older.says("job moved was changed in the schedule of a newer start; this process leaves it")
            more(app, "moved", 3)
        # Only the older one is left: it goes on with all the others.
        ran = len(marks(app, "moved"))
        more(app, "kept", 6)
        assert len(marks(app, "moved")) == ran
        assert {mark.pid for mark in marks(app, "kept")[-4:]} == {older.popen.pid}
        assert older.log().count("leaves it") == 1
    changed = definition(app, "moved")["changed_us"]
    after = [
        row["tick_us"] for row in app.recorded() if row["job_id"] == "moved" and row["tick_us"] > changed
    ]
    assert after
    assert {tick % 700_000 for tick in after} == {after[0] % 700_000}


@pytest.mark.full
def test_after_a_way_back_the_first_version_decides_again(app: Application) -> None:
    deploy(app, MOVED[0], KEPT)
    with app.running():
        more(app, "moved", 2)
    deploy(app, MOVED[1], KEPT)
    with doomed(app) as second:
        more(app, "moved", 2)
        deploy(app, MOVED[0], KEPT)
        with app.running() as third:
            second.says("this process leaves it")
            assert {mark.pid for mark in more(app, "moved", 3)[1:]} == {third.popen.pid}


@pytest.mark.full
def test_a_removed_job_never_fires_again_and_its_history_stays(app: Application) -> None:
    gone = 'quick, "interval", seconds=0.5, id="gone", misfire_grace_time=None, coalesce=False'
    deploy(app, gone, KEPT)
    with doomed(app) as older:
        more(app, "gone", 2)
        deploy(app, KEPT)
        with app.running() as newer:
            newer.says("removed in the schedule: gone")
            older.says("job gone is no longer part of the schedule of a newer start")
            ran = len(marks(app, "gone"))
            more(app, "kept", 6)
            assert len(marks(app, "gone")) == ran
    before = [row for row in app.recorded() if row["job_id"] == "gone"]
    assert len(before) >= ran
    assert [run["job_id"] for run in app.runs("--job", "gone", "--limit", "1")] == ["gone"]
    # Brought back: it goes on from then, and nothing of the time between is made up for.
    deploy(app, gone, KEPT)
    begin = time.time_ns() // 1000
    with app.running() as again:
        again.says("new in the schedule: gone")
        more(app, "gone", 2)
    found = [row for row in app.recorded() if row["job_id"] == "gone"]
    assert found[: len(before)] == before
    assert all(row["tick_us"] > begin for row in found[len(before) :])
    assert all(row["last_tick_us"] is None for row in found)


@pytest.mark.full
@pytest.mark.parametrize("version", ["removed", "changed"])
def test_an_older_process_leaves_the_retries_of_what_is_not_in_force_any_more(
    app: Application, version: str
) -> None:
    flaky = 'flaky, "interval", hours=9, id="flaky", retries=3, retry_delay=0.1'
    deploy(app, f"{flaky}, next_run_time=datetime.now()", KEPT)
    with doomed(app) as older:
        entered(app, "flaky")
        deploy(app, *([KEPT] if version == "removed" else [KEPT, flaky.replace("9", "8")]))
        with app.running() as newer:
            newer.says(f"{version} in the schedule: flaky")
            let(app, "fail")
            final = "cancelled" if version == "removed" else "failed"
            wait_for(lambda: app.recorded(final), "the end of its run")
            more(app, "kept", 6)
    later = marks(app, "flaky")[1:]
    assert len(later) == (0 if version == "removed" else 3)
    assert older.popen.pid not in {mark.pid for mark in later}


@pytest.mark.full
def test_a_run_of_a_removed_job_given_back_by_an_older_process_does_not_wait_for_ever(
    app: Application,
) -> None:
    soon = in_some_seconds(600)
    waiting = f'quick, "interval", hours=9, id="gone", next_run_time=datetime.fromisoformat("{soon}")'
    deploy(app, waiting, KEPT)
    with doomed(app) as older:
        app.records(1, "claimed")
        deploy(app, KEPT)
        with app.running() as newer:
            newer.says("removed in the schedule: gone")
            older.popen.terminate()
            assert older.popen.wait(30) == 0
            with changing(app.ledger) as connection:
                connection.execute("UPDATE scheduler_runs SET due_us = 0 WHERE job_id = 'gone'")
            wait_for(lambda: app.recorded("cancelled"), "the end of what was given back")
    assert marks(app, "gone") == []


@pytest.mark.full
def test_commands_that_only_read_never_register(app: Application) -> None:
    deploy(app, MOVED[0], 'quick, "cron", hour=5, id="gone"')
    with app.running():
        app.records(1, "succeeded")
        before = definitions(app)
        deploy(app, MOVED[1], 'quick, "cron", hour=5, id="new"')
        shown = {job["id"] for job in app.json("jobs")}
        assert shown == {"moved", "new"}
        for command in (["runs"], ["plan"], ["jobs"]):
            assert app.command(*command).returncode == 0
        after = definitions(app)
        assert [row["job_id"] for row in after] == ["gone", "moved"]
        for old, new in zip(before, after, strict=True):
            assert {**old, "watermark_us": 0} == {**new, "watermark_us": 0}
        more(app, "moved", 2)


Declare = Callable[[AsyncIOScheduler, Callable[..., object]], object]


@pytest.mark.parametrize(
    "declare",
    [
        lambda s, f: s.add_job(f, "cron", minute="*", id="job"),
        lambda s, f: s.add_job(f, "cron", minute="*", second="0", id="job", name="Another name"),
        lambda s, f: s.add_job(f, CronTrigger(minute="*"), args=["word"], id="job"),
        lambda s, f: s.add_job(f, CronTrigger.from_crontab("* * * * *"), kwargs={"word": 1}, id="job"),
        lambda s, f: s.add_job(f, "cron", minute="*", timezone="UTC", id="job", max_instances=3, retries=2),
        lambda s, f: s.add_job(f, "cron", minute="*", id="job", jitter=0.01, timeout=9, on_crash="skip"),
    ],
)
async def test_the_same_definition_goes_on_whatever_else_has_changed(
    scheduler: AsyncIOScheduler, declare: Declare
) -> None:
    calls: list[str] = []
    scheduler.add_job(lambda: calls.append("old"), "cron", minute="*", id="job")
    await was_down(scheduler, "job", 150)
    # As it stands in the ledger: a tick may have come while the scheduler was up.
    [row] = found_in(scheduler.ledger, "SELECT watermark_us FROM scheduler_jobs")
    scheduler.remove_job("job")
    declare(scheduler, lambda word=None: calls.append("new"))
    async with scheduler:
        assert (scheduler.registration.added, scheduler.registration.changed) == ([], [])
        assert scheduler.registration.watermarks["job"] == row["watermark_us"]
        await until(lambda: calls)
    # What was missed meanwhile is accounted for, by the new function.
    assert calls[0] == "new"
    assert 2 <= len(rows(scheduler)) <= 4


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ({"hours": 2}, {"minutes": 120}, True),
        ({"hours": 2}, {"hours": 2, "timezone": "UTC"}, True),
        ({"hours": 2}, {"hours": 2, "start_date": "2000-01-01"}, False),
        ({"hours": 2}, {"hours": 3}, False),
        ({"hours": 2}, {"hours": 2, "timezone": "Asia/Kathmandu"}, False),
        ({"hours": 2, "end_date": "2090-01-01"}, {"hours": 2, "end_date": "2091-01-01"}, False),
    ],
)
async def test_a_definition_is_the_trigger_its_zone_and_its_anchor(
    scheduler: AsyncIOScheduler, first: dict[str, Any], second: dict[str, Any], same: bool
) -> None:
    scheduler.add_job(print, "interval", id="job", **first)
    async with scheduler:
        pass
    scheduler.remove_job("job")
    scheduler.add_job(print, IntervalTrigger(**second), id="job")
    async with scheduler:
        assert scheduler.registration.changed == ([] if same else ["job"])


@pytest.mark.full
def test_another_default_zone_is_another_definition(app: Application) -> None:
    deploy(app, 'quick, "cron", hour=5, id="cron"', 'quick, "cron", hour=5, timezone="Asia/Tokyo", id="own"')
    with app.running():
        pass
    app.environment["SCHEDULER_TIMEZONE"] = "Asia/Seoul"
    with app.running() as process:
        process.says("changed in the schedule: cron")
    assert "own" not in next(line for line in process.log().splitlines() if "changed in" in line)


@pytest.mark.full
def test_a_pause_and_its_note_survive_restarts_and_redeploys(app: Application) -> None:
    job = 'quick, "interval", seconds=0.5, id="job", misfire_grace_time=None, coalesce=False'
    deploy(app, job, KEPT)
    with app.running():
        more(app, "job", 2)
        # The command itself takes a second or more on a busy machine.
        asked = time.time_ns() // 1000
        assert app.command("pause", "job", "--note", "until the disk is mended").returncode == 0
        began = time.time_ns() // 1000
    ran = len(marks(app, "job"))
    for version in (
        [job, KEPT],
        # another function and other options, away, and back with another trigger
        [job.replace("quick,", "quick_too,") + ", retries=3", KEPT],
        [KEPT],
        [job.replace("0.5", "0.4"), KEPT],
    ):
        deploy(app, *version)
        with app.running() as process:
            if len(version) == 2:
                process.says("1 paused")
            more(app, "kept", 3)
        found = definition(app, "job")
        assert found["paused_us"] is not None
        assert found["pause_note"] == "until the disk is mended"
    assert len(marks(app, "job")) <= ran + 1
    with app.running():
        assert app.command("resume", "job").stdout == "job is resumed\n"
        ended = time.time_ns() // 1000
        more(app, "job", 2)
    assert definition(app, "job")["pause_note"] is None
    # One row for the definition with which it was paused, until it went away, and one for the other.
    first, second = [row for row in app.recorded("skipped") if row["reason"] == "paused"]
    assert asked - SECOND <= first["tick_us"] <= first["last_tick_us"] < second["tick_us"]
    assert first["tick_count"] == (first["last_tick_us"] - first["tick_us"]) // 500_000 + 1
    assert second["last_tick_us"] <= ended
    assert second["tick_count"] == (second["last_tick_us"] - second["tick_us"]) // 400_000 + 1
    late = [row for row in app.recorded("succeeded") if row["job_id"] == "job" and row["tick_us"] > began]
    assert all(row["tick_us"] > second["last_tick_us"] for row in late[1:])


@pytest.mark.full
def test_a_job_that_began_paused_and_was_resumed_stays_so(app: Application) -> None:
    deploy(app, 'quick, "interval", seconds=0.5, id="job", next_run_time=None', KEPT)
    with app.running():
        more(app, "kept", 3)
        assert app.command("resume", "job").returncode == 0
        more(app, "job", 1)
    with app.running():
        more(app, "job", 2)


@pytest.mark.full
@pytest.mark.parametrize("by_name", [False, True])
def test_a_job_whose_function_is_gone_is_reported_and_kept(app: Application, by_name: bool) -> None:
    body = '"app.services.my_tasks:quick"' if by_name else "quick"
    call = f'{body}, "interval", seconds=0.5, id="job", misfire_grace_time=None'
    deploy(app, call)
    if by_name:
        app.schedule(f"scheduler.add_job({call})")
    with app.running():
        more(app, "job", 2)
    before, history = definitions(app), app.recorded()
    app.tasks(TASKS.replace("def quick(", "def renamed("))
    assert "quick" in app.refused()
    assert (definitions(app), app.recorded()) == (before, history)
    app.tasks(TASKS)
    with app.running() as process:
        more(app, "job", 2)
        assert "in the schedule:" not in process.log()
    found = app.recorded()
    assert found[: len(history)] == history
    assert without_a_hole(covered(found, "job", 0.5), 0.5)
