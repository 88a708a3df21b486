"""The simulation of a backfill agrees with a real one, on a clock that goes faster."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from everytick import AsyncIOScheduler, SchedulerClient
from everytick import settings as settings_room
from everytick.dryrun.simulation import simulate
from everytick.model import ticks
from everytick.model.ticks import SECOND
from everytick.store.backfills import Backfill, Unfinished, Wanted
from everytick.store.opening import ledger_at

from inside import rows_of, scheduler_settings
from test_simulate import UTC_ZONE
from test_simulate_agrees import Faster

# By name: how many ticks, their rate, how many at once, and how many seconds a run takes.
STORIES: Mapping[str, tuple[int, int | None, int, int]] = {
    "one after another": (6, None, 1, 10),
    "two at once": (7, None, 2, 15),
    "by its rate": (8, 6, 4, 5),
    "by its rate and its limit": (6, 12, 2, 20),
}
# A process looks about once a second whether a run may be made, and what is late makes the next gap shorter.
EARLY, LATE = 2.0, 4.0


@pytest.mark.full
def test_a_real_backfill_goes_as_it_is_simulated(tmp_path: Path) -> None:
    simulated = {name: begins(*story) for name, story in STORIES.items()}
    for attempt in range(6):
        folder = tmp_path / str(attempt)
        folder.mkdir()
        faster = Faster(10)
        with faster.clocks(), scheduler_settings(folder, SCHEDULER_SHUTDOWN_GRACE_TIME=0):
            real = began(faster)
        # A machine that stands still for a moment stands still for ten there.
        if agree(real, simulated):
            break
    assert agree(real, simulated), (real, simulated)


def agree(real: Mapping[str, list[float]], simulated: Mapping[str, list[float]]) -> bool:
    """Tell whether the runs of each begin as far from each other as they are simulated to."""
    return all(
        len(found) == len(simulated[name])
        and all(
            -EARLY <= is_so - expected <= LATE
            for is_so, expected in zip(gaps(found), gaps(simulated[name]), strict=True)
        )
        for name, found in real.items()
    )


def gaps(begun: list[float]) -> list[float]:
    return [later - earlier for earlier, later in pairwise(begun)]


def began(faster: Faster) -> dict[str, list[float]]:
    """Return when the runs of real backfills began, in seconds."""
    ledger_at(settings_room.settings().database_url).prepare()
    hour = 3_600 * SECOND
    last = (ticks.now() // hour - 48) * hour
    scheduler = AsyncIOScheduler()
    for name, (_number, _rate, _most, takes) in STORIES.items():
        scheduler.add_job(asyncio.sleep, "interval", hours=1, id=name, args=[takes])

    def runs(name: str) -> list[dict[str, Any]]:
        return [row for row in rows_of(scheduler, name) if row["kind"] == "backfill"]

    def are_over() -> bool:
        return all(
            len(runs(name)) == story[0] and all(row["finished_us"] for row in runs(name))
            for name, story in STORIES.items()
        )

    def ask() -> None:
        until = datetime.fromtimestamp(last / SECOND, UTC)
        for name, (number, rate, most, _takes) in STORIES.items():
            first = until - timedelta(hours=number - 1)
            SchedulerClient().backfill_job(name, first, until, rate=rate, max_instances=most)

    async def go() -> None:
        async with scheduler:
            await asyncio.to_thread(ask)
            for _ in range(300):
                if are_over():
                    break
                await asyncio.sleep(1)

    with asyncio.Runner(loop_factory=faster.loop) as runner:
        runner.run(go())
    return {name: sorted(row["started_us"] / SECOND for row in runs(name)) for name in STORIES}


def begins(number: int, rate: int | None, most: int, takes: int) -> list[float]:
    """Return when its runs begin in a simulation: of each the last one of so many."""
    scheduler = AsyncIOScheduler()
    scheduler.add_job(asyncio.sleep, "cron", hour=3, id="job", args=[takes])
    found = []
    for runs in range(1, number + 1):
        backfill = Backfill(1, Wanted("job", "", 0, 0, False), rate, most, "running", 0, 0)
        result = simulate(
            scheduler.get_jobs(), 0, 3_600 * SECOND, UTC_ZONE,
            durations={"job": (takes * SECOND, "given")}, backfills=[Unfinished(backfill, runs, 0, False)],
        ).backfills[0]  # fmt: skip
        assert result.last is not None
        found.append(result.last / SECOND)
    return found
