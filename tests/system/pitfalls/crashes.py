"""Faults of the database, stops, deaths, and more than one process: 6, 7, 10, 18, 19."""

from __future__ import annotations

import asyncio
from collections import Counter

from inside import until

from . import bodies
from .victim import dies_in
from .world import Declare, World, it_goes_on, job, spared, witness


async def a_database_error_does_not_silence_the_schedule(world: World) -> None:
    """After an error of its database the schedule goes on."""
    world.busy_seconds = 0.05
    async with world.up(witness) as scheduler:
        await it_goes_on(1)
        with world.locked_database():
            # The fault lasts longer than it is waited for.
            await asyncio.sleep(0.4)
        seen = len(bodies.calls)
        fires_again = await world.comes(lambda: len(bodies.calls) > seen + 2)
        assert scheduler.running
    spared(fires_again, "the database was locked once, and nothing fires again")


async def a_stop_that_waits_lets_a_coroutine_end(world: World) -> None:
    """A stop that waits gives a running coroutine its time."""
    async with world.up(job("job", "date", body=bodies.linger_on_loop)) as scheduler:
        await until(lambda: bodies.calls)
        scheduler.shutdown(wait=True)
        await until(lambda: len(bodies.calls) == 2)
    spared(bodies.calls[1] == "job ended", "shutdown(wait=True) cancelled a running coroutine at once")


async def a_function_that_outlives_the_stop_is_reported_as_it_ended(world: World) -> None:
    """A function on its thread is on record with its true end."""
    async with world.up(job("job", "date", body=bodies.wait_in_thread)) as scheduler:
        await until(lambda: bodies.calls)
        scheduler.shutdown(wait=True)
        await until(lambda: not scheduler.running)
    await until(lambda: "job ended" in bodies.calls)
    states = [outcome.state for outcome in world.outcomes("job")]
    spared(states == ["succeeded"], f"a function that ended well after the stop is reported as {states}")


async def processes_on_one_database_share_the_work(world: World) -> None:
    """Of many processes on one database, one runs a tick."""
    jobs = [job(f"job{number}", "cron", hour=9) for number in range(10)]
    world.clock_shows("2027-03-10 08:00:00")
    async with world.up(*jobs):
        pass

    async def life() -> None:
        async with world.up(*jobs):
            await until(lambda: len(set(bodies.calls)) == len(jobs))

    world.clock_shows("2027-03-10 08:59:59")
    world.statement_seconds = 0.005
    # Each has a thread and an event loop of its own.
    await asyncio.gather(*(asyncio.to_thread(asyncio.run, life()) for _ in range(2)))
    twice = [name for name, number in Counter(bodies.calls).items() if number > 1]
    spared(not twice, f"{len(twice)} of {len(jobs)} jobs were fired by both processes")


def deadly(world: World) -> Declare:
    """Return a job that kills its process at 09:00 if that is a victim."""
    marks = str(world.folder / "marks")
    return job("deadly", "cron", body=bodies.mark_and_die, args=[marks], hour=9)


async def life_with_a_slow_database(world: World) -> None:
    world.at_most_once = True
    async with world.up(witness, deadly(world)):
        world.statement_seconds = 0.05
        await asyncio.sleep(30)


async def a_tick_is_on_record_before_it_is_entered(world: World) -> None:
    """A process that is killed as a job begins has written down that it did."""
    world.clock_shows("2027-03-10 08:59:59")
    await dies_in(world, life_with_a_slow_database)
    world.clock_shows("2027-03-10 09:00:20")
    world.at_most_once = True
    async with world.up(witness, deadly(world), kept=True):
        await it_goes_on()
    number = len((world.folder / "marks").read_text().splitlines())
    spared(number == 1, "the process was killed as the job began, and the tick ran twice")


def deadly_once(world: World) -> Declare:
    marks, at = str(world.folder / "marks"), "2027-03-10 09:00:00"
    return job("deadly", "date", body=bodies.mark_and_die_on_loop, args=[marks], run_date=at)


async def life_with_a_one_off(world: World) -> None:
    async with world.up(witness, deadly_once(world)):
        await asyncio.sleep(30)


async def a_one_off_that_died_in_the_middle_is_not_forgotten(world: World) -> None:
    """A one-off whose process died is run again, or at least on record."""
    world.clock_shows("2027-03-10 08:59:59")
    await dies_in(world, life_with_a_one_off)
    world.clock_shows("2027-03-10 09:00:20")
    async with world.up(witness, deadly_once(world), kept=True):
        await it_goes_on()
        marks = (world.folder / "marks").read_text().splitlines()
        traces = world.outcomes("deadly")
    spared(len(marks) > 1 or traces, "the process died in mid-run: the one-off is lost without a trace")
