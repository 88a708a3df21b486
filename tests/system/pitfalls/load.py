"""Many jobs, a slow database, a busy loop, a slow listener: 8, 11 to 14, 17, 27."""

from __future__ import annotations

import asyncio
import inspect
import time
from datetime import UTC, datetime
from typing import Any

from apscheduler import events
from apscheduler.triggers.cron import CronTrigger
from apscheduler.util import undefined

from inside import until

from . import bodies
from .world import Declare, LoopSteps, Outcome, World, job, spared


def at_nine(number: int, body: Any) -> list[Declare]:
    """Return that many jobs that are all due at 09:00."""
    return [job(f"job{index}", "cron", body=body, hour=9) for index in range(number)]


async def a_slow_database_does_not_stop_the_event_loop(world: World) -> None:
    """What is written down is written on a thread of its own."""
    world.clock_shows("2027-03-10 08:59:59.900")
    # From the start on: what is due within a moment is claimed at once.
    world.statement_seconds = 0.01
    async with LoopSteps() as steps, world.up(*at_nine(10, bodies.note)):
        await until(lambda: "job0" in bodies.calls)
        world.statement_seconds = 0
    assert len(world.slow_times) > 10
    spared(steps.within(world.slow_times), "the event loop stood still while the database worked")


async def functions_leave_the_threads_of_the_application_alone(world: World) -> None:
    """Plain functions have threads of their own, not those of `asyncio.to_thread`."""
    world.clock_shows("2027-03-10 08:59:59.900")
    # The event loop has at most 32 threads of its own.
    async with world.up(*at_nine(32, bodies.wait_in_thread)):
        await until(lambda: len(bodies.calls) >= 5)
        own = asyncio.create_task(asyncio.to_thread(bodies.note, "own"))
        served = await world.comes(own.done)
        bodies.released.set()
        await own
    spared(served, "the application's own to_thread() waits for the scheduler's jobs")


async def coroutines_are_awaited_when_the_workers_are_limited(world: World) -> None:
    """A limit of workers holds for coroutines too, and changes nothing else for them."""
    ended: list[Any] = []
    world.max_workers = 4
    declared = job("job", "date", body=bodies.note_on_loop)
    async with world.up(lambda s: s.add_listener(ended.append, events.EVENT_JOB_EXECUTED), declared):
        await until(lambda: ended)
    for event in ended:
        if inspect.iscoroutine(event.retval):
            event.retval.close()
    spared(bodies.calls, "the coroutine was reported as executed, but never awaited")


async def coroutines_at_once_are_limited(world: World) -> None:
    """However many jobs fall due together, only that many run at once."""
    number = 40
    world.clock_shows("2027-03-10 08:59:59.900")
    async with world.up(*at_nine(number, bodies.join_the_crowd)):
        await until(lambda: bodies.crowd.entered == number)
    most = bodies.crowd.most
    spared(most < number / 2, f"{most} of {number} coroutines ran at once")


async def a_busy_loop_does_not_lose_a_one_off(world: World) -> None:
    """A run that begins a little late begins all the same."""
    once = job("once", "date", run_date="2027-03-10 09:00:00", misfire_grace_time=undefined)
    world.clock_shows("2027-03-10 08:59:59.900")
    async with world.up(once):
        # As long as the loop was busy with something else.
        world.clock_jumps(seconds=1.6)
        await until(lambda: bodies.calls or Outcome("skipped", "missed") in world.outcomes("once"))
    spared(bodies.calls, "a one-off that was late by a second is lost for good")


async def a_long_gap_is_not_walked_tick_by_tick_on_the_loop(world: World) -> None:
    """What a gap costs the event loop does not grow with the number of ticks in it."""
    missed = 12 * 3_600
    world.clock_shows("2027-03-10 08:59:59.900")
    every_second = job("job", "cron", body=bodies.note_on_loop, second="*", misfire_grace_time=None)
    async with world.up(every_second):
        before = time.thread_time()
        world.clock_jumps(seconds=missed)
        await until(lambda: bodies.calls)
        cost = time.thread_time() - before
    cheap = cost < cost_of_walking(missed // 3)
    spared(cheap, f"the loop walked {missed} ticks, one by one, for {cost:.2f} s")


def cost_of_walking(number: int) -> float:
    """Return how long this machine needs to go through that many ticks, one by one."""
    trigger = CronTrigger(second="*", timezone=UTC)
    before = time.thread_time()
    tick = now = datetime.now(UTC)
    for _ in range(number):
        tick = trigger.get_next_fire_time(tick, now)
    return time.thread_time() - before


async def a_slow_listener_delays_nothing(world: World) -> None:
    """Listeners have a thread of their own."""
    spans: list[tuple[float, float]] = []

    def slow(event: Any) -> None:
        begin = time.monotonic()
        time.sleep(0.1)
        spans.append((begin, time.monotonic()))

    declared = job("job", "date")
    async with (
        world.up(lambda s: s.add_listener(slow, events.EVENT_JOB_EXECUTED), declared),
        LoopSteps() as steps,
    ):
        await until(lambda: spans)
    spared(steps.within(spans), "a slow listener stopped the event loop")
