"""Which instants a trigger means: 21 to 25."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from apscheduler.triggers.cron import CronTrigger
from everytick import ConfigurationError

from inside import until

from . import bodies
from .world import Declare, World, it_goes_on, job, spared, witness

HELSINKI = ZoneInfo("Europe/Helsinki")
REFUSED = "refused"


async def jitter_does_not_move_the_schedule(world: World) -> None:
    """Jitter delays a run, never the ticks: they stay those of the trigger."""
    random.seed(21)
    world.with_short_naps()
    world.clock_shows("2027-03-10 09:00:30.900")
    waker = job("waker", "date", run_date="2027-03-10 09:00:31")
    minutely = job("job", "cron", minute="*", jitter=90, coalesce=False, misfire_grace_time=None)
    async with world.up(waker, minutely):
        world.clock_jumps(minutes=100)
        await until(lambda: world.outcomes("job"))
        number = sum(outcome.ticks or 0 for outcome in world.outcomes("job"))
    spared(number == 100, f"with jitter, 100 minutes have {number} minutely ticks")


async def a_time_that_the_clock_jumps_over_is_not_invented(world: World) -> None:
    """A time that the clock jumps over means the end of the gap."""
    world.zone = "Europe/Helsinki"
    world.clock_shows("2027-03-27 12:00:00")
    async with world.up(job("job", "cron", hour=3, minute=30)) as scheduler:
        due = scheduler.get_job("job").next_run_time
    real = due.astimezone(UTC).astimezone(HELSINKI)
    spared(
        real == due == datetime(2027, 3, 28, 4, tzinfo=HELSINKI),
        f"the run is due at {due:%H:%M}, a time that does not exist, and comes at {real:%H:%M}",
    )


async def a_time_that_comes_twice_has_one_run(world: World) -> None:
    """A time that comes twice in a night means the first."""
    world.zone = "Europe/Helsinki"
    half_past_three = job("job", "cron", hour=3, minute=30)
    for utc in ("00:29:59.900", "01:29:59.900"):
        world.clock_shows(f"2027-10-31 {utc}")
        async with world.up(witness, half_past_three):
            await it_goes_on()
    number = bodies.calls.count("job")
    assert number
    spared(number == 1, f"the run of 03:30 came {number} times in the night with two of them")


async def the_nth_weekday_is_not_every_one(world: World) -> None:
    """What looks like the first Monday is refused, not taken for every Monday."""
    due = await first_due(world, "mon#1", lambda text: job("job", "cron", day_of_week=text))
    spared(due == REFUSED, f"mon#1, the first Monday of a month, is {due}")


async def a_step_through_weekdays_is_not_passed_over(world: World) -> None:
    """A step through named days is refused, not left out."""
    due = await first_due(world, "mon-fri/2", lambda text: job("job", "cron", day_of_week=text))
    spared(due == REFUSED, f"mon-fri/2, every second day from Monday, is {due}")


async def a_misspelt_day_is_not_taken_for_another(world: World) -> None:
    """A word that only begins like a known one is refused."""
    due = await first_due(world, "lastfoo", lambda text: job("job", "cron", day=text))
    spared(due == REFUSED, f"day='lastfoo' is taken for the last, {due}")


async def a_weekday_of_a_crontab_is_that_of_cron(world: World) -> None:
    """A crontab's 1 is Monday, or it is refused."""
    due = await first_due(world, "0 9 * * 1", lambda text: job("job", CronTrigger.from_crontab(text)))
    spared(due == REFUSED or due.startswith("Monday"), f"the crontab's 0 9 * * 1, Monday at nine, is {due}")


async def first_due(world: World, text: str, declaring: Callable[[str], Declare]) -> str:
    """Return on which day after Monday the 8th of March 2027 the job is due, or that its text is refused."""
    world.clock_shows("2027-03-08 12:00:00")
    try:
        async with world.up(declaring(text)) as scheduler:
            return f"{scheduler.get_job('job').next_run_time:%A %d %B}"
    except (ValueError, ConfigurationError) as problem:
        refusal = str(problem)
    assert text in refusal
    return REFUSED


async def a_trigger_made_by_hand_has_the_schedulers_zone(world: World) -> None:
    """A trigger object without a zone is read in the zone of the schedule."""
    here = datetime.now().astimezone().utcoffset()
    zones = (ZoneInfo("Pacific/Auckland"), ZoneInfo("Europe/Berlin"))
    zone = next(zone for zone in zones if datetime.now(zone).utcoffset() != here)
    world.zone = zone.key
    async with world.up(job("job", CronTrigger(hour=9))) as scheduler:
        due = scheduler.get_job("job").next_run_time
    spared(due.astimezone(zone).hour == 9, f"CronTrigger(hour=9) is due at {due:%H:%M %Z}, not in {zone.key}")
