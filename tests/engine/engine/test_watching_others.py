"""How a process watches the ticks that another one is to claim."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from everytick import AsyncIOScheduler
from everytick.engine.claimers import LOOK, Claimers
from everytick.engine.clock import Clock
from everytick.errors import LedgerUnavailable
from everytick.model import ticks
from everytick.model.misfire import Decision
from everytick.model.ticks import SECOND
from everytick.store.records import Answer, Room
from everytick.store.workers import Claimer

from inside import scheduler_settings

TICK = 1_750_000_000 * SECOND
JOBS = ("hourly", "last", "quick", "slow")


class Ledger:
    """Plays the ledger's thread: the test says what each operation returns."""

    def __init__(self) -> None:
        self.looks: list[dict[str, int]] = []
        self.claims: list[list[Decision]] = []
        self._asked: list[Future[Any]] = []

    def submit(self, operation: Callable[..., Any], **how: Any) -> Future[Any]:
        known = inspect.getclosurevars(operation).nonlocals
        if "weight" in how:
            self.claims.append(known["decisions"])
        else:
            self.looks.append(dict(known["upto"]))
        self._asked.append(Future())
        return self._asked[-1]

    async def answer(self, result: object) -> None:
        """Answer what was asked last, or fail; return when the clock has dealt with it."""
        if isinstance(result, Exception):
            self._asked.pop().set_exception(result)
        else:
            self._asked.pop().set_result(result)
        for _ in range(3):
            await asyncio.sleep(0)


class Watcher:
    """The clock of a process that comes second for all of its jobs. `ledger` is what it asks."""

    def __init__(self, folder: Path) -> None:
        with scheduler_settings(folder):
            scheduler = AsyncIOScheduler(timezone="UTC")
            for each in JOBS:
                options: dict[str, Any] = {"hours": 1} if each == "hourly" else {"seconds": 1}
                if each == "last":
                    options["end_date"] = ticks.moment(TICK)
                scheduler.add_job(print, "interval", **options, id=each)
            self.jobs = {job.id: job for job in scheduler.get_jobs()}
        names = (f"p{number}" for number in range(9_999))
        self.claimers = next(view for name in names if is_second(view := knowing_first(name)))
        self.ledger = Ledger()
        nothing: Any = SimpleNamespace()
        writer: Any = self.ledger
        room: Any = SimpleNamespace(settle_late=lambda: None, room=lambda: Room(0))
        self.clock = Clock(self.jobs, nothing, nothing, writer, room, nothing, self.claimers)

    def waits(self, seen: int) -> None:
        """Let each job wait for its first tick after an instant."""
        self.clock.start(dict.fromkeys(JOBS, seen))

    def look(self) -> None:
        """Let all that waits for a look now be looked at."""
        self.clock._wake()

    def wake(self, job_id: str) -> int:
        """Return for when a job waits."""
        return self.clock._wakes[job_id]

    def claims_ahead(self, job_id: str, after: int) -> bool:
        """Return whether it claims the next tick of a job after an instant before that is due."""
        tick = self.jobs[job_id].next_tick(after)
        return tick is not None and tick - SECOND // 5 <= self.wake(job_id) < tick


def knowing_first(name: str) -> Claimers:
    claimers = Claimers(name)
    claimers.learn([Claimer("first", 1)])
    return claimers


def is_second(claimers: Claimers) -> bool:
    return all(claimers.place(job) == 1 for job in JOBS)


@pytest.fixture
async def watcher(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Watcher:
    """One whose jobs, but for the hourly one, are due at TICK; it is the moment to look at that."""
    made = Watcher(tmp_path)
    monkeypatch.setattr(ticks, "now", lambda: TICK - SECOND // 2)
    made.waits(TICK - SECOND)
    monkeypatch.setattr(ticks, "now", lambda: TICK + LOOK)
    return made


async def test_a_tick_that_was_put_off_is_found_with_its_own_look(watcher: Watcher) -> None:
    """Its claimer had claimed the ticks of all other jobs, and was killed before this one was due."""
    watcher.look()
    seen = watcher.ledger.looks
    assert seen == [dict.fromkeys(("last", "quick", "slow"), TICK)]
    # The ledger tells of those alone that nobody has claimed.
    await watcher.ledger.answer({"slow": TICK - SECOND})
    [[decision]] = watcher.ledger.claims
    assert (decision.job.id, decision.run) == ("slow", (TICK,))
    assert watcher.wake("quick") == TICK + SECOND + LOOK, "it waits for the next one"
    assert "last" not in watcher.clock._wakes, "it has none"


async def test_who_let_one_tick_pass_is_stepped_in_for_with_all_its_jobs(watcher: Watcher) -> None:
    """Each of them would be late otherwise, one after another, as its own tick comes."""
    watcher.look()
    assert watcher.wake("hourly") % SECOND == LOOK
    await watcher.ledger.answer({"slow": TICK - SECOND})
    [[decision]] = watcher.ledger.claims
    await watcher.ledger.answer([Answer(decision, "claimed", TICK)])
    assert all(watcher.claims_ahead(job, TICK) for job in ("hourly", "quick", "slow"))


async def test_what_was_another_ones_is_claimed_ahead_when_that_has_left(watcher: Watcher) -> None:
    watcher.claimers.learn([])
    await asyncio.sleep(0)
    assert watcher.claims_ahead("hourly", TICK)
    # These are due already.
    assert {watcher.wake(job) for job in ("last", "quick", "slow")} == {TICK}


async def test_of_a_tick_that_is_long_past_it_is_asked_which_one_was_claimed(
    watcher: Watcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process was frozen: it does not look at each tick of that time, one after another."""
    monkeypatch.setattr(ticks, "now", lambda: TICK + 60 * SECOND)
    watcher.look()
    assert watcher.ledger.looks == [dict.fromkeys(("last", "quick", "slow"), ticks.FOREVER)]
    await watcher.ledger.answer(dict.fromkeys(("last", "quick", "slow"), TICK + 60 * SECOND))
    assert watcher.ledger.claims == []
    assert watcher.wake("quick") == TICK + 61 * SECOND + LOOK


async def test_a_look_that_failed_is_made_again(watcher: Watcher) -> None:
    watcher.look()
    await watcher.ledger.answer(LedgerUnavailable("away"))
    assert watcher.wake("slow") == TICK + LOOK + SECOND
    assert watcher.ledger.claims == []
