"""What can be learned afterwards, and what a step of the clock leaves: 15, 16, 26, 27."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from apscheduler import events

from inside import until

from . import bodies
from .world import World, it_goes_on, job, spared, witness


async def a_tick_skipped_for_an_overrun_is_on_record(world: World) -> None:
    """A tick that was skipped because the job still ran can be found afterwards."""
    heard: list[Any] = []
    slow = job("slow", "interval", body=bodies.wait_on_loop, seconds=0.1)
    async with world.up(lambda s: s.add_listener(heard.append, events.EVENT_JOB_MAX_INSTANCES), slow):
        await until(lambda: heard)
    async with world.up(slow):
        reasons = [outcome.reason for outcome in world.outcomes("slow")]
    spared("overlap" in reasons, "nothing tells, after a restart, that an overrun skipped ticks")


async def every_hour_of_a_long_sleep_is_accounted_for(world: World) -> None:
    """Ticks that were coalesced into one run are on record too."""
    world.with_short_naps()
    world.clock_shows("2027-03-10 00:30:00.900")
    waker = job("waker", "date", run_date="2027-03-10 00:30:01")
    async with world.up(waker, job("hourly", "cron", minute=0, misfire_grace_time=None)):
        world.clock_jumps(hours=10)
        await until(lambda: world.outcomes("hourly"))
        number = sum(outcome.ticks or 0 for outcome in world.outcomes("hourly"))
    spared(number == 10, f"ten hours look like {number} run")


async def every_tick_that_a_clock_step_jumped_over_is_accounted_for(world: World) -> None:
    """A clock that is set forward drops no tick unseen."""
    world.with_short_naps()
    world.clock_shows("2027-03-10 08:00:00.900")
    waker = job("waker", "date", run_date="2027-03-10 08:00:01")
    async with world.up(waker, job("job", "interval", seconds=4, misfire_grace_time=None)):
        world.clock_jumps(hours=1)
        await until(lambda: world.outcomes("job"))
        number = sum(outcome.ticks or 0 for outcome in world.outcomes("job"))
    spared(number >= 900, f"900 ticks in the hour of a clock step became {number}")


async def a_clock_that_is_set_forward_is_noticed(world: World) -> None:
    """Nobody sleeps past a tick because the clock was set while they slept."""
    world.with_short_naps()
    world.clock_shows("2027-03-10 08:00:00")
    async with world.up(job("now", "date"), job("nine", "cron", hour=9)):
        await until(lambda: bodies.calls)
        # It knows now how long it may sleep.
        world.clock_jumps(hours=1)
        came = await world.comes(lambda: "nine" in bodies.calls)
    spared(came, "it is past nine since a clock step, and the job of nine sleeps on")


async def a_clock_that_is_set_back_repeats_nothing(world: World) -> None:
    """A tick that has had its run has no other when its time comes again."""
    nine = job("nine", "cron", hour=9)
    for _ in range(2):
        world.clock_shows("2027-03-10 08:59:59.900")
        async with world.up(witness, nine):
            await it_goes_on()
    number = bodies.calls.count("nine")
    assert number
    spared(number == 1, "the clock was set back, and the job of nine ran again")


async def a_job_learns_its_tick(world: World) -> None:
    """A job can ask for which instant it runs."""
    world.clock_shows("2027-03-10 08:59:59.900")
    async with world.up(job("job", "cron", body=bodies.note_own_tick, args=[], hour=9)):
        await until(lambda: bodies.ticks)
    spared(
        bodies.ticks == [datetime(2027, 3, 10, 9, tzinfo=UTC)], "a job cannot learn which tick it runs for"
    )
