"""What a restart or a deploy does to the schedule: 1 to 5, 9, 20."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from inside import until

from . import bodies
from .world import World, it_goes_on, job, spared, witness


async def a_run_that_a_restart_missed_is_caught_up(world: World) -> None:
    """What fell due while nothing was up runs at the next start, within its grace."""
    nightly = job("nightly", "cron", hour=3, misfire_grace_time=7_200)
    world.clock_shows("2027-03-10 02:00:00")
    async with world.up(nightly):
        pass
    world.clock_shows("2027-03-10 04:00:00")
    async with world.up(nightly):
        spared(await world.comes(lambda: bodies.calls), "the run of 03:00, missed by a restart, is lost")


async def a_paused_job_stays_paused_over_a_restart(world: World) -> None:
    """A pause lasts until somebody ends it."""
    paused = job("paused", "interval", seconds=0.1)
    async with world.up(witness, paused) as scheduler:
        scheduler.pause_job("paused")
    bodies.calls.clear()
    async with world.up(witness, paused):
        await it_goes_on()
    spared("paused" not in bodies.calls, "the restart unpaused the job")


async def a_one_off_runs_once_however_often_it_is_started(world: World) -> None:
    """A date that has had its run has no other."""
    once = job("once", "date", run_date="2027-03-10 12:00:00")
    world.clock_shows("2027-03-10 11:59:59.900")
    async with world.up(witness, once):
        await until(lambda: "once" in bodies.calls)
    world.clock_shows("2027-03-10 12:01:00")
    async with world.up(witness, once):
        await it_goes_on()
    spared(bodies.calls.count("once") == 1, "the one-off ran again after the restart")


async def a_calendar_interval_is_not_due_because_of_a_start(world: World) -> None:
    """A start is no reason to run: only the calendar is."""
    daily = job("daily", "calendarinterval", days=1, hour=3, misfire_grace_time=None)
    world.clock_shows("2027-03-10 04:00:00")
    for _ in range(2):
        async with world.up(witness, daily):
            await it_goes_on()
    number = bodies.calls.count("daily")
    spared(number == 0, f"a daily job of 03:00 was fired by {number} starts at 04:00")


async def an_interval_does_not_begin_anew_with_each_start(world: World) -> None:
    """An interval is counted from a fixed instant, not from the start of the process."""
    daily = job("daily", "interval", hours=24, misfire_grace_time=None)
    for _ in range(5):
        async with world.up(witness, daily):
            await it_goes_on(1)
        world.clock_jumps(hours=23)
    number = bodies.calls.count("daily")
    spared(number >= 3, f"hours=24, started anew every 23 hours, ran {number} times in 5 days")


async def a_job_whose_module_is_away_for_one_deploy_comes_back_with_it(world: World) -> None:
    """A job that was added while the application ran is kept, even if its function cannot be found."""
    module = world.folder / "plugin_of_a_person.py"
    with deployed(module):
        world.clock_shows("2027-03-10 08:30:00")
        async with world.up(witness) as scheduler:
            job("kept", "cron", body=f"{module.stem}:report", minute=0)(scheduler)
            await it_goes_on(1)
    world.clock_shows("2027-03-10 08:59:59.900")
    async with world.up(witness):
        await it_goes_on()
    assert "kept" not in bodies.calls
    with deployed(module):
        world.clock_shows("2027-03-10 09:59:59.900")
        async with world.up(witness):
            back = await world.comes(lambda: "kept" in bodies.calls)
    spared(back, "a deploy without its module destroyed a person's job")


@contextmanager
def deployed(module: Path) -> Iterator[None]:
    """Let a module exist inside of the block."""
    module.write_text("from pitfalls.bodies import note\n\n\ndef report(name):\n    note(name)\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(module.parent)
        try:
            yield
        finally:
            module.unlink()
            sys.modules.pop(module.stem, None)


async def a_job_that_left_the_code_never_runs_again(world: World) -> None:
    """The code says what is scheduled, and nothing else does."""
    world.clock_shows("2027-03-10 08:00:00")
    async with world.up(witness, job("old", "cron", hour=9)):
        pass
    world.clock_shows("2027-03-10 08:59:59.900")
    async with world.up(witness):
        await it_goes_on()
    spared("old" not in bodies.calls, "a job that is no longer in the code ran")


async def a_job_without_an_id_is_one_job_however_often_it_is_started(world: World) -> None:
    """The same declaration is the same job, with an id or without."""
    nameless = job("nameless", "cron", hour=9, id=None)
    world.clock_shows("2027-03-10 08:00:00")
    async with world.up(witness, nameless):
        pass
    world.clock_shows("2027-03-10 08:59:59.900")
    async with world.up(witness, nameless):
        await until(lambda: "nameless" in bodies.calls)
        await it_goes_on()
    number = bodies.calls.count("nameless")
    spared(number == 1, f"two starts made {number} jobs of the one without an id")
