"""The worlds of many seeds, over one process or several: what came of each, and what it cost."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from typing import TypeVar

from loguru import logger

from simulation.mutants import MUTANTS
from simulation.plan import plan_of
from simulation.story import tell

T = TypeVar("T")
V = TypeVar("V")


@dataclass(frozen=True)
class Outcome:
    """What came of the world of one seed.

    ticks: how many have a row. seconds: how long it was, in simulated time. slots: how many processes there
    were at once. cpu: the seconds that it took. broken: whether the contract was.
    """

    seed: int
    ticks: int
    seconds: float
    slots: int
    cpu: float
    broken: bool


def outcome_of(seed: int) -> Outcome:
    """Run the world of a seed."""
    begun = time.process_time()
    story = tell(plan_of(seed))
    is_broken = story.is_broken
    cpu = time.process_time() - begun
    return Outcome(seed, story.ticks, story.seconds, story.plan.slots, cpu, is_broken)


def outcomes(seeds: Sequence[int], jobs: int) -> Iterator[Outcome]:
    """Run the worlds of seeds, so many at a time; yield what came of each, in their order."""
    return _in_order(outcome_of, seeds, jobs)


def found_by(seeds: Sequence[int], jobs: int) -> Iterator[tuple[str, int | None]]:
    """Yield the name of each planted bug, and the first of the seeds that finds it, if one does."""
    return _in_order(partial(_first_that_finds, seeds=seeds), list(MUTANTS), jobs)


def _first_that_finds(name: str, *, seeds: Sequence[int]) -> tuple[str, int | None]:
    return name, next((seed for seed in seeds if MUTANTS[name].is_found_by(seed)), None)


def _in_order(work: Callable[[T], V], given: Sequence[T], jobs: int) -> Iterator[V]:
    if jobs <= 1:
        yield from map(work, given)
        return
    # Each begins anew: a process that is forked has what the threads of its parent held.
    with ProcessPoolExecutor(jobs, get_context("spawn"), initializer=_say_nothing) as pool:
        yield from pool.map(work, given)


def _say_nothing() -> None:
    logger.remove()


def costs(found: Sequence[Outcome]) -> Iterator[str]:
    """Yield what a seed costs, by how many processes there are in its world."""
    for few, most in ((1, 2), (3, 4), (5, 99)):
        some = [it for it in found if few <= it.slots <= most]
        if some:
            cpu = sum(it.cpu for it in some) / len(some)
            seconds = sum(it.seconds for it in some) / len(some)
            many = f"{few} or {most}" if most < 99 else "more"
            yield (
                f"{len(some)} seed(s) with {many} processes: {cpu:.1f} s of CPU each,"
                f" for {seconds:.0f} simulated seconds"
            )
