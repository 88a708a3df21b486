"""The simulation agrees with trying every second, and with the real schedule on a clock that goes faster."""

from __future__ import annotations

import asyncio
import selectors
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from everytick import AsyncIOScheduler
from everytick import settings as settings_room
from everytick.dryrun.simulation import simulate
from everytick.model import ticks
from everytick.model.ticks import SECOND
from everytick.store.opening import ledger_at
from everytick.system import use
from hypothesis import given, settings
from hypothesis import strategies as st

from inside import rows_of, scheduler_settings
from test_simulate import MONDAY, UTC_ZONE, tried, tries

# --- by trying every second ---


class EverySecond:
    """One job, second by second, in the plainest way: what the simulation must agree with."""

    def __init__(self, step: int, takes: int, **options: Any) -> None:
        self.step, self.takes, self.options = step, takes, options
        self.ends: list[tuple[int, int, int]] = []
        # Missed ticks that run one after another, and when the present one of them ends.
        self.chain: list[int] = []
        self.chain_run: tuple[int, int, int] | None = None
        self.cut: list[tuple[int, int, int]] = []
        self.outcomes: dict[int, str] = {}
        self.starts: list[int] = []

    def go(self, seconds: int, outages: list[tuple[int, int]]) -> None:
        seen = -1
        for now in range(seconds + 400 * (self.takes + 1)):
            if now >= seconds and not (self.cut or self.held()):
                break
            outage = next((one for one in outages if one[0] <= now < one[1]), None)
            self.end(now)
            if outage:
                if now == outage[0]:
                    self.crash(now)
                continue
            if any(up == now for _down, up in outages) or now == 0:
                self.recover(seen, now)
                seen = now
            self.go_on(now)
            if now % self.step == 0 and seen < now < seconds:
                self.tick(now)
            seen = now if now < seconds else seen
            self.take_up(now)

    def held(self) -> int:
        return len(self.ends) + bool(self.chain or self.chain_run)

    def begin(self, tick: int, attempt: int, now: int) -> tuple[int, int, int]:
        self.starts.append(now)
        return now + self.takes, tick, attempt

    def tick(self, now: int) -> None:
        waits = self.options["overlap"] != "skip"
        is_full = self.held() >= self.options["max_instances"]
        if is_full and not waits:
            self.outcomes[now] = "overlap"
        elif is_full or self.cut:
            self.let_wait(now, now)
        elif self.takes:
            self.ends.append(self.begin(now, 1, now))
        else:
            self.begin(now, 1, now)
            self.outcomes[now] = "ran"

    def let_wait(self, tick: int, now: int) -> None:
        self.cut.append((tick, 1, 10**9))
        waiting = sorted(run for run in self.cut if run[1] == 1)
        for older in waiting[:-1] if self.options["overlap"] not in ("skip", "wait") else []:
            self.cut.remove(older)
            self.outcomes[older[0]] = "coalesced"
        if self.options["overlap"] == "replace" and self.held() >= self.options["max_instances"]:
            chain = [self.chain_run] if self.chain_run else []
            oldest = min([*self.ends, *chain], key=lambda run: run[1])
            self.outcomes[oldest[1]] = "replaced"
            if oldest in self.ends:
                self.ends.remove(oldest)
            else:
                self.outcomes |= dict.fromkeys(self.chain, "replaced")
                self.chain, self.chain_run = [], None

    def end(self, now: int) -> None:
        for run in [run for run in self.ends if run[0] == now]:
            self.ends.remove(run)
            self.outcomes[run[1]] = "ran"
        if self.chain_run and self.chain_run[0] == now:
            self.outcomes[self.chain_run[1]] = "ran"
            self.chain_run = None

    def crash(self, now: int) -> None:
        grace = self.options["misfire_grace_time"]
        under_way = sorted(
            [*self.ends, *([self.chain_run] if self.chain_run else [])], key=lambda run: run[1]
        )
        for _end, tick, attempt in under_way:
            if self.options["on_crash"] == "rerun" and attempt <= 3:
                self.cut.append((tick, attempt + 1, 10**9 if grace is None else now + grace))
            else:
                self.outcomes[tick] = "lost"
        self.cut += [(tick, 1, 10**9) for tick in self.chain]
        self.ends, self.chain, self.chain_run = [], [], None

    def recover(self, seen: int, now: int) -> None:
        grace = self.options["misfire_grace_time"]
        missed = [tick for tick in range(seen + 1, now + 1) if tick % self.step == 0]
        chosen = missed[-(1 if self.options["coalesce"] else self.options["max_catch_up"]) :]
        late = {tick for tick in missed if grace is not None and now > tick + grace}
        run = [tick for tick in chosen if tick not in late]
        for tick in missed:
            if tick not in run:
                self.outcomes[tick] = "outage" if tick in late else "coalesced"
        if any(attempt == 1 or until >= now for _tick, attempt, until in self.cut):
            for tick in run:
                self.let_wait(tick, now)
        else:
            self.chain = run

    def go_on(self, now: int) -> None:
        grace = self.options["misfire_grace_time"]
        while self.chain and self.chain_run is None:
            tick = self.chain.pop(0)
            if grace is not None and now > tick + grace:
                self.outcomes[tick] = "missed"
            elif self.takes:
                self.chain_run = self.begin(tick, 1, now)
            else:
                self.begin(tick, 1, now)
                self.outcomes[tick] = "ran"

    def take_up(self, now: int) -> None:
        grace = self.options["misfire_grace_time"]
        for tick, attempt, until in sorted(self.cut):
            if attempt > 1 and now > until:
                self.outcomes[tick] = "lost"
            elif self.held() >= self.options["max_instances"]:
                continue
            elif attempt == 1 and grace is not None and now > tick + grace:
                self.outcomes[tick] = "missed"
            elif self.takes:
                self.ends.append(self.begin(tick, attempt, now))
            else:
                self.begin(tick, attempt, now)
                self.outcomes[tick] = "ran"
            self.cut.remove((tick, attempt, until))


def apart(found: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return outages that do not touch, from where each begins and how long it lasts."""
    kept: list[tuple[int, int]] = []
    for down, length in sorted(found):
        if not kept or down > kept[-1][1]:
            kept.append((down, min(down + length, 299)))
    return kept


async def nothing() -> None:
    pass


outages = st.lists(st.tuples(st.integers(1, 280), st.integers(1, 60)), max_size=3).map(apart)


@pytest.mark.full
@settings(tries, max_examples=150)
@given(
    step=st.integers(2, 40),
    takes=st.one_of(st.just(0), st.integers(1, 90)),
    down=outages,
    grace=st.one_of(st.none(), st.integers(1, 120)),
    most=st.one_of(st.none(), st.integers(1, 6)),
    instances=st.integers(1, 3),
    on_crash=st.sampled_from(["rerun", "skip"]),
    overlap=st.sampled_from(["skip", "wait", "wait-one", "replace"]),
)
def test_the_simulation_agrees_with_trying_every_second(
    scheduler: AsyncIOScheduler,
    step: int,
    takes: int,
    down: list[tuple[int, int]],
    grace: int | None,
    most: int | None,
    instances: int,
    on_crash: str,
    overlap: str,
) -> None:
    options: dict[str, Any] = {
        "misfire_grace_time": grace,
        "coalesce": most is None,
        "max_catch_up": most or 1,
        "max_instances": instances,
        "on_crash": on_crash,
        "overlap": overlap,
    }
    scheduler.remove_all_jobs()
    scheduler.add_job(
        nothing, "interval", seconds=step, id="job", start_date=datetime(2026, 5, 18, tzinfo=UTC), **options
    )
    expected = EverySecond(step, takes, **options)
    expected.go(300, down)
    found = tried(scheduler, 300, down, takes).job("job")
    by_outcome = Counter(expected.outcomes.values())
    assert found.expected == len(expected.outcomes)
    assert found.problems() == []
    assert found.ran == by_outcome.pop("ran", 0)
    assert found.lost == by_outcome.pop("lost", 0)
    assert found.replaced == by_outcome.pop("replaced", 0)
    assert +found.skipped == by_outcome
    assert found.first == MONDAY + min(expected.starts) * SECOND
    assert found.last == MONDAY + max(expected.starts) * SECOND
    marks = [0, *(start for start in expected.starts if start < 300), 300]
    assert found.longest == max(b - a for a, b in pairwise(marks)) * SECOND


# --- beside the real thing ---


class Faster:
    """Lets all clocks of this process go faster, and its event loop wait accordingly."""

    def __init__(self, by: int) -> None:
        self.by, self.ahead = by, 0

    @contextmanager
    def clocks(self) -> Iterator[None]:
        """Replace the clocks of the engine and, for the event loop, those of the standard library."""
        monotonic, wall = time.monotonic_ns, time.time_ns
        begun, began = monotonic(), wall()

        def passed() -> int:
            return (monotonic() - begun) * self.by

        replaced: dict[str, Callable[[], float]] = {
            "monotonic_ns": lambda: begun + passed(),
            "monotonic": lambda: (begun + passed()) / 1e9,
            "time_ns": lambda: began + passed() + self.ahead,
        }
        with use(**replaced), pytest.MonkeyPatch.context() as patch:
            for name, clock in replaced.items():
                patch.setattr(time, name, clock)
            yield

    def loop(self) -> asyncio.AbstractEventLoop:
        by = self.by

        class Selector(selectors.DefaultSelector):  # type: ignore[misc,valid-type,unused-ignore]
            def select(self, timeout: float | None = None) -> Any:
                return super().select(None if timeout is None else timeout / by)

        return asyncio.SelectorEventLoop(Selector())


THREE = {"misfire_grace_time": 600, "coalesce": False, "max_catch_up": 3}
# How many seconds a run takes, and the options.
STORIES: dict[str, tuple[int, dict[str, Any]]] = {
    "quick": (0, {}),
    "beyond its grace": (0, {"misfire_grace_time": 14}),
    "as many as asked for": (4, THREE),
    "longer than its interval": (30, {}),
    "two at once": (30, {"max_instances": 2}),
    "catching up is slow": (30, THREE),
    "catching up is too slow": (30, {**THREE, "misfire_grace_time": 58}),
    "waits": (34, {"overlap": "wait", "misfire_grace_time": 20}),
    "the newest waits": (25, {"overlap": "wait-one"}),
    "is replaced": (27, {"overlap": "replace"}),
}
OUTAGE, LAST, OVER = (70, 176), 290, 330
# At which second a job is due first; others one after another. Not just before the outage.
FIRST = {"is replaced": 12}


# A start that is later than this had a machine that stood still: other ticks may have met it.
STOOD_STILL = 7 * SECOND


@pytest.mark.full
def test_the_real_schedule_does_the_same(tmp_path: Path) -> None:
    for attempt in range(6):
        folder = tmp_path / str(attempt)
        folder.mkdir()
        faster = Faster(20)
        with faster.clocks(), scheduler_settings(folder, SCHEDULER_SHUTDOWN_GRACE_TIME=0):
            real, simulated, undisturbed = side_by_side(faster)
        if undisturbed:
            break
    assert real == simulated


def side_by_side(faster: Faster) -> tuple[dict[str, Any], dict[str, Any], bool]:
    """Return what became of the ticks, what the simulation says, and whether all went at its time."""
    # Making the ledger takes a while.
    ledger_at(settings_room.settings().database_url).prepare()
    begin = (ticks.now() // SECOND + 20) * SECOND
    with asyncio.Runner(loop_factory=faster.loop) as runner:
        scheduler = runner.run(story(faster, begin))
    real = {name: accounted(scheduler, name, begin, begin + LAST * SECOND) for name in STORIES}
    found = {
        name: simulate(
            [job for job in declared(begin).get_jobs() if job.id == name],
            begin, begin + LAST * SECOND, UTC_ZONE,
            outages=[(begin + OUTAGE[0] * SECOND, begin + OUTAGE[1] * SECOND)],
            durations={name: (takes * SECOND, "given")},
        ).job(name)
        for name, (takes, _options) in STORIES.items()
    }  # fmt: skip
    simulated = {
        name: dict(+Counter(ran=result.ran, lost=result.lost, cancelled=result.replaced, **result.skipped))
        for name, result in found.items()
    }
    return real, simulated, at_their_times(scheduler, begin)


async def story(faster: Faster, begin: int) -> AsyncIOScheduler:
    async def at(second: int) -> None:
        await asyncio.sleep(begin / SECOND + second - time.time_ns() / 1e9)

    async with declared(begin):
        await at(OUTAGE[0])
    # The machine is off: what ran until then was cut off.
    faster.ahead += int((begin / SECOND + OUTAGE[1] - time.time_ns() / 1e9) * 1e9)
    async with declared(begin) as scheduler:
        await at(OVER)
    return scheduler


def declared(begin: int) -> AsyncIOScheduler:
    scheduler = AsyncIOScheduler()
    for number, (name, (takes, options)) in enumerate(STORIES.items()):
        scheduler.add_job(
            asyncio.sleep, "interval", seconds=20, id=name, args=[takes], on_crash="skip",
            start_date=datetime.fromtimestamp(begin / SECOND + FIRST.get(name, number), UTC),
            end_date=datetime.fromtimestamp(begin / SECOND + LAST, UTC), **options,
        )  # fmt: skip
    return scheduler


def at_their_times(scheduler: AsyncIOScheduler, begin: int) -> bool:
    """Tell whether each quick run began soon after its tick, but for the one that catches up.

    An fsync that takes long on a busy machine, or a machine that is halted, is an outage that the
    simulation was not told of.
    """
    rows = [row for row in rows_of(scheduler, "quick") if not row["reason"]]
    away = range(begin + OUTAGE[0] * SECOND, begin + OUTAGE[1] * SECOND)
    return all(
        row["started_us"] is not None and row["started_us"] - row["tick_us"] < STOOD_STILL
        for row in rows
        if row["tick_us"] not in away
    )


def accounted(scheduler: AsyncIOScheduler, job_id: str, begin: int, end: int) -> dict[str, int]:
    """Return how many ticks the ledger has with each outcome."""
    found: Counter[str] = Counter()
    for row in rows_of(scheduler, job_id):
        assert row["tick_us"] >= begin
        if row["tick_us"] < end:
            outcome = {"succeeded": "ran", "interrupted": "lost"}.get(row["state"], row["state"])
            found[row["reason"] or outcome] += row["tick_count"] or 1
    return dict(found)
