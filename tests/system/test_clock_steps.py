"""The machine's clock is set forward or back while the schedule runs."""

from __future__ import annotations

import time
from datetime import timedelta
from pathlib import Path

import pytest
from everytick import AsyncIOScheduler
from everytick.api.service import start_line
from everytick.engine import admission, heartbeats
from everytick.engine import clock as engines_clock
from everytick.model import ticks
from everytick.telemetry import health

from application import Application
from bodies import deploy, let, pass_by
from clock_file import give_clock
from inside import Clock, covered, rows, rows_of, until, with_jitter, without_a_hole
from inside import log as log
from ledgers import found_in
from short_waits import BEAT, LEASE, SLEEP, shorten_leases, shorten_sleeps
from waiting import wait_for

SECOND, HOUR, DAY = 1_000_000, 3_600, 86_400
# A busy machine adds to each wait.
BUSY = 8


def test_the_clock_is_looked_at_twice_a_minute() -> None:
    assert admission.LONGEST_SLEEP == 30


@pytest.fixture
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the engine look at the clock and beat often, as no story here needs half a minute."""
    monkeypatch.setattr(heartbeats, "BEAT_SECONDS", BEAT)
    for module in (admission, engines_clock):
        monkeypatch.setattr(module, "LONGEST_SLEEP", SLEEP)


async def sign_of_life(scheduler: AsyncIOScheduler) -> None:
    """Wait until the heart beats once more."""

    def beat() -> int:
        [found] = found_in(scheduler.ledger, "SELECT max(beat) AS beat FROM scheduler_processes")
        return int(found["beat"])

    before = beat()
    await until(lambda: beat() > before)


async def test_an_hour_forward_is_an_outage(scheduler: AsyncIOScheduler, clock: Clock) -> None:
    clock.set(1_800_000_030 * SECOND)
    scheduler.add_job(lambda: None, "interval", seconds=0.2, id="awake", coalesce=False)
    scheduler.add_job(lambda: None, "interval", minutes=1, id="minutely", misfire_grace_time=600)
    async with scheduler:
        await until(lambda: rows(scheduler, "succeeded"))
        clock.step(HOUR)
        await until(lambda: any(row["state"] == "succeeded" for row in rows_of(scheduler, "minutely")))
    found = rows_of(scheduler, "minutely")
    accounted = covered(found, "minutely", 60)
    assert len(accounted) == 60
    assert without_a_hole(accounted, 60)
    [run] = [row for row in found if row["state"] == "succeeded"]
    assert run["tick_us"] == accounted[-1]
    reasons = {tick: row["reason"] for row in found for tick in covered([row], "minutely", 60)}
    for tick in accounted[:-1]:
        too_late = tick < run["started_us"] - 600 * SECOND
        assert reasons[tick] == ("outage" if too_late else "coalesced")


async def test_a_day_forward_is_one_row_for_each_job(scheduler: AsyncIOScheduler, clock: Clock) -> None:
    clock.set(1_800_000_000 * SECOND - 30 * SECOND)
    scheduler.add_job(lambda: None, "interval", seconds=0.2, id="awake")
    scheduler.add_job(lambda: None, "interval", hours=1, id="hourly", misfire_grace_time=1)
    async with scheduler:
        await until(lambda: rows(scheduler, "succeeded"))
        clock.step(DAY + 60)
        await until(lambda: rows_of(scheduler, "hourly"))
    [row] = rows_of(scheduler, "hourly")
    assert (row["state"], row["reason"], row["tick_count"]) == ("skipped", "outage", 25)
    assert without_a_hole(covered(rows(scheduler), "awake", 0.2), 0.2)


@pytest.mark.full
@pytest.mark.usefixtures("short_waits")
@pytest.mark.parametrize("back", [SLEEP / 2, SLEEP * 2])
async def test_after_a_step_back_used_ticks_stay_silent_and_new_ones_come_in_time(
    scheduler: AsyncIOScheduler, clock: Clock, back: float
) -> None:
    started: list[int] = []
    scheduler.add_job(lambda: started.append(ticks.now()), "interval", seconds=0.5, id="job", coalesce=False)
    async with scheduler:
        await until(lambda: len(started) >= 3)
        number, used = len(started), ticks.now()
        clock.step(-back)
        await until(lambda: len(started) > number + 2, patience=back + 30)
        reached = [at for at in started[number:] if at >= used - SECOND]
        assert len(reached) >= len(started) - number - 1, "a tick was used again"
    assert started[number + 1] - used <= (SLEEP + BUSY) * SECOND
    accounted = covered(rows(scheduler), "job", 0.5)
    assert without_a_hole(accounted, 0.5)
    assert len(accounted) == len(set(accounted))
    assert all(row["started_us"] >= row["due_us"] for row in rows(scheduler, "succeeded"))


@pytest.mark.usefixtures("short_waits")
async def test_who_runs_it_hears_that_nothing_runs_since_the_clock_was_set_back(
    scheduler: AsyncIOScheduler, clock: Clock, log: list[str]
) -> None:
    scheduler.add_job(lambda: None, "interval", seconds=0.5, id="often")
    scheduler.add_job(lambda: None, "date", run_date="2099-01-01", id="has no tick meanwhile")
    async with scheduler:
        await until(lambda: rows(scheduler, "succeeded"))
        assert health.check(scheduler.ledger).ready
        used = ticks.now()
        clock.step(-HOUR)
        [line] = await until(lambda: [line for line in log if "set back" in line])
        found = health.check(scheduler.ledger)
    assert "; silent until " in line
    assert line.endswith(" used up already: 1 job, often\n")
    assert not found.ready
    [problem] = found.problems
    assert "the clock was set back: job often is silent until " in problem.sentence
    assert "often" not in problem.outline
    # As after a start with a clock that was wrong before: a machine without a battery for it.
    log.clear()
    assert ticks.now() < used
    scheduler = AsyncIOScheduler()
    scheduler.add_job(lambda: None, "interval", seconds=0.5, id="often")
    async with scheduler:
        assert [line.rpartition(": ")[2] for line in log if "set back" in line] == ["1 job, often\n"]
        assert "next often in 1 h" in start_line(scheduler)


@pytest.mark.full
@pytest.mark.usefixtures("short_waits")
async def test_a_clock_that_is_an_hour_back_and_then_right_again_loses_nothing(
    scheduler: AsyncIOScheduler, clock: Clock
) -> None:
    started: list[int] = []
    scheduler.add_job(lambda: started.append(ticks.now()), "interval", seconds=0.5, id="job", coalesce=False)
    async with scheduler:
        await until(lambda: len(started) >= 3)
        clock.step(-HOUR)
        # One that was under way may still come.
        await sign_of_life(scheduler)
        number, seen = len(started), len(rows(scheduler))
        await sign_of_life(scheduler)
        assert (len(started), len(rows(scheduler))) == (number, seen)
        clock.step(HOUR)
        await until(lambda: len(started) >= number + 3, patience=35)
    accounted = covered(rows(scheduler), "job", 0.5)
    assert without_a_hole(accounted, 0.5)


@pytest.mark.full
@pytest.mark.usefixtures("short_waits")
async def test_a_run_that_waits_for_its_jitter_or_start_delay_notices_a_step_forward(
    scheduler: AsyncIOScheduler, clock: Clock
) -> None:
    tick = 1_800_000_000 * SECOND
    job_id, due = with_jitter(tick, 3_000, 1_200, 3_000)
    clock.set(tick - 600 * SECOND)
    started: dict[str, int] = {}
    soon = ticks.moment(ticks.now()) + timedelta(seconds=1_200)
    scheduler.add_job(lambda: None, "interval", seconds=0.2, id="awake")
    scheduler.add_job(
        lambda: started.setdefault("jitter", ticks.now()), "interval", hours=1, id=job_id, jitter=3_000
    )
    scheduler.add_job(
        lambda: started.setdefault("delay", ticks.now()), "interval", hours=7, id="delayed",
        next_run_time=soon,
    )  # fmt: skip
    async with scheduler:
        clock.set(tick - SECOND // 5)
        await until(lambda: rows_of(scheduler, job_id) and rows_of(scheduler, "delayed"))
        assert not started
        clock.set(due)
        begin = time.monotonic()
        await until(lambda: len(started) == 2, patience=40)
        assert time.monotonic() - begin <= SLEEP + BUSY
    for row in rows(scheduler, "succeeded"):
        assert row["started_us"] >= row["due_us"]


@pytest.mark.full
@pytest.mark.usefixtures("short_waits")
async def test_a_run_that_waits_for_its_jitter_notices_a_step_back_and_the_way_forward(
    scheduler: AsyncIOScheduler, clock: Clock
) -> None:
    tick = 1_800_000_000 * SECOND
    job_id, due = with_jitter(tick, 60, 5, 6)
    clock.set(tick - 600 * SECOND)
    started: list[int] = []
    scheduler.add_job(lambda: None, "interval", seconds=0.2, id="awake")
    scheduler.add_job(lambda: started.append(ticks.now()), "interval", hours=1, id=job_id, jitter=60)
    async with scheduler:
        clock.set(tick - SECOND // 5)
        await until(lambda: rows_of(scheduler, job_id))
        begin = time.monotonic()
        clock.step(-HOUR)
        # Longer than it had to wait at first.
        await until(lambda: time.monotonic() > begin + 7)
        assert not started
        clock.set(due)
        begin = time.monotonic()
        await until(lambda: started, patience=40)
        assert time.monotonic() - begin <= SLEEP + BUSY
    assert started[0] >= due


@pytest.fixture
def app(tmp_path: Path) -> Application:
    return Application(tmp_path)


@pytest.mark.full
def test_a_schedule_that_sleeps_notices_a_step_forward_when_it_next_looks(app: Application) -> None:
    file = give_clock(app)
    deploy(app, 'quick, "interval", hours=1, id="tick"', 'quick, "cron", minute=7, id="cron"')
    shorten_sleeps(app)
    with app.running():
        begin = time.monotonic()
        file.write_text(str(HOUR))
        wait_for(lambda: {row["job_id"] for row in app.recorded()} == {"tick", "cron"}, "its rows")
        assert time.monotonic() - begin <= SLEEP + BUSY
        file.write_text(str(HOUR + DAY))
        wait_for(lambda: any(row["last_tick_us"] for row in app.recorded()), "a row for the day")
    for job_id in ("tick", "cron"):
        accounted = covered(app.recorded(), job_id, HOUR)
        assert without_a_hole(accounted, HOUR)
        assert len(accounted) == 25
        gaps = [row for row in app.recorded("skipped") if row["job_id"] == job_id and row["last_tick_us"]]
        assert {row["reason"] for row in gaps} == {"outage"}


@pytest.mark.full
def test_no_lease_is_lost_when_one_machine_has_the_wrong_time(app: Application) -> None:
    right = give_clock(app)
    wrong = app.folder / "wrong-offset"
    deploy(
        app,
        'long, "date", id="long"',
        'quick, "interval", seconds=1, id="tick", coalesce=False, misfire_grace_time=None',
    )
    shorten_leases(app)
    wrong.write_text("0")
    with app.running() as one:
        app.records(1, "running")
        app.environment["CLOCK_FILE"] = str(wrong)
        with app.running() as other:
            for offset in (-HOUR, HOUR):
                wrong.write_text(str(offset))
                # Longer than a lease.
                pass_by(LEASE + BEAT)
                [held] = [row for row in app.recorded() if row["job_id"] == "long"]
                assert (held["state"], held["attempt"]) == ("running", 1)
            let(app, "release")
            app.environment["CLOCK_FILE"] = str(right)
        logs = one.log() + other.log()
    assert "died" not in logs
    assert "declared dead" not in logs
    assert "lost its lease" not in logs
    assert {row["attempt"] for row in app.recorded("succeeded")} == {1}
    assert without_a_hole(covered(app.recorded(), "tick", 1), 1)
