"""The functions of the jobs. Each writes down when it begins and when it ends, as those of the torture do."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import date

from everytick import current_run
from everytick.system import system

from simulation.world import World
from torture.history import Start
from torture.jobs import STEP, WHOLE


class Marks:
    """What the bodies wrote down."""

    def __init__(self) -> None:
        self.world: World | None = None
        self.starts: list[Start] = []
        self._begun: dict[tuple[int, int, int], int] = {}

    def begin_anew(self, world: World) -> None:
        self.world, self.starts, self._begun = world, [], {}

    def mark(self, word: str, share: int = 0) -> None:
        """Write a line of the run in which this is called; `share`: how far it has said that it is."""
        run, world = current_run(), self.world
        assert run is not None
        assert world is not None
        if not world.program.alive:
            return
        pid, at = world.program.pid, world.now // 1000
        key = (run.run_id, run.attempt, pid)
        if word == "start":
            tick = 0 if run.tick is None else round(run.tick.timestamp() * 1e6)
            self._begun[key] = len(self.starts)
            self.starts.append(Start(run.run_id, run.kind, run.job_id, tick, run.attempt, pid, at, None))
            return
        number = self._begun[key]
        start = self.starts[number]
        end, said = (at, start.said) if word == "end" else (start.end, (*start.said, (share, at)))
        # `dataclasses.replace` looks up each of the fields, and there are very many starts.
        begun = (start.run, start.kind, start.job, start.tick)
        begun_by = (start.attempt, start.pid, start.at)
        self.starts[number] = Start(*begun, *begun_by, end, said)


marks = Marks()
mark = marks.mark


async def quick() -> None:
    mark("start")
    mark("end")


async def slow() -> None:
    mark("start")
    try:
        await asyncio.sleep(1.2)
    finally:
        mark("end")


async def burst() -> None:
    mark("start")
    run = current_run()
    is_long = run is not None and run.tick is not None and run.tick.timestamp() % 4 == 0
    await asyncio.sleep(2.4 if is_long else 0.02)
    mark("end")


def thread() -> None:
    mark("start")
    system.sleep(0.7)
    mark("end")


async def flaky() -> None:
    mark("start")
    await asyncio.sleep(0.05)
    mark("end")
    run = current_run()
    if run is not None and run.attempt % 3:
        raise RuntimeError("as planned")


async def gappy() -> None:
    mark("start")
    run = current_run()
    assert run is not None
    assert run.tick is not None
    if run.kind == "scheduled" and run.tick.timestamp() % 6 == 0:
        await asyncio.sleep(3)
    mark("end")


async def dozer() -> None:
    mark("start")
    await asyncio.sleep(3)
    mark("end")


def numb() -> None:
    mark("start")
    system.sleep(1.5)
    mark("end")


async def hog() -> None:
    mark("start")
    run = current_run()
    if run is not None and run.tick is not None and run.tick.timestamp() % 20 == 0:
        system.sleep(3)
    mark("end")


async def endless() -> None:
    mark("start")
    try:
        await asyncio.Event().wait()
    finally:
        mark("end")


async def dated(day: date) -> None:
    """Take a date, which a person has given as a text."""
    mark("start")
    mark("end")
    if not isinstance(day, date):
        raise TypeError(f"{day!r} is no date")


async def tell() -> dict[str, int]:
    """Say how far it is, step by step, and return which attempt it is."""
    mark("start")
    run = current_run()
    assert run is not None
    for share in range(STEP, WHOLE + 1, STEP):
        await asyncio.sleep(0.2)
        run.progress(share / WHOLE, f"step {share // STEP}")
        mark("said", share)
    mark("end")
    return {"run": run.run_id, "attempt": run.attempt}


async def deaf() -> None:
    """Swallow each cancellation, sometimes for longer than a process waits when it stops."""
    mark("start")
    run = current_run()
    is_long = run is not None and run.tick is not None and run.tick.timestamp() % 4 == 0
    loop = asyncio.get_running_loop()
    end = loop.time() + (8 if is_long else 2.5)
    while loop.time() < end:
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(end - loop.time())
    mark("end")
