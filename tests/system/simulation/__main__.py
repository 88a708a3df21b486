"""`python -m simulation --seeds 1000`: runs the worlds of many seeds, and tells what came of them."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

# As a program it is started without the paths that pytest sets, and with nobody's settings.
for _name in ("src", "tests/support", "scripts", "tests/system"):
    _path = str(Path(__file__).parents[3] / _name)
    if _path not in sys.path:
        sys.path.insert(0, _path)
for _variable in [name for name in os.environ if name.startswith(("SCHEDULER_", "LOG_"))]:
    del os.environ[_variable]

from loguru import logger  # noqa: E402

from simulation.mutants import MUTANTS  # noqa: E402
from simulation.plan import Plan, plan_of  # noqa: E402
from simulation.seeds import Outcome, costs, found_by, outcomes  # noqa: E402
from simulation.shrinking import kind, shrink  # noqa: E402
from simulation.story import Story, tell  # noqa: E402
from torture.report import explained, summary  # noqa: E402

# The most seeds whose history is shrunk.
_MOST = 3


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="simulation")
    parser.add_argument("--seeds", type=int, default=1, help="of how many seeds (default: 1)")
    parser.add_argument("--seed", type=int, help="the first of them (default: another one each time)")
    parser.add_argument("--jobs", type=int, default=1, help="how many at a time (default: 1)")
    parser.add_argument("--mutants", action="store_true", help="which seeds find the planted bugs")
    chosen = parser.parse_args(arguments)
    first = time.time_ns() // 1_000_000 % 1_000_000_000 if chosen.seed is None else chosen.seed
    print(f"{chosen.seeds} seed(s) from {first} on", flush=True)
    seeds = range(first, first + chosen.seeds)
    return _find_mutants(seeds, chosen.jobs) if chosen.mutants else _run(seeds, chosen.jobs)


def _run(seeds: Sequence[int], jobs: int) -> int:
    found: list[Outcome] = []
    broken = 0
    for outcome in outcomes(seeds, jobs):
        found.append(outcome)
        if outcome.broken or len(seeds) == 1:
            broken += outcome.broken
            # The same once more: it is deterministic.
            story = tell(plan_of(outcome.seed))
            if len(seeds) == 1:
                print(story.plan, *summary(story.history), f"history {story.digest}", sep="\n")
            if outcome.broken:
                print(*_told(story, shrinks=broken <= _MOST), sep="\n", flush=True)
    ticks, seconds = sum(it.ticks for it in found), sum(it.seconds for it in found)
    took = sum(it.cpu for it in found)
    print(
        f"{broken} of {len(seeds)} seed(s) from {seeds[0]} on broke the contract;"
        f" {ticks:,} ticks in {seconds:,.0f} simulated seconds took {took:.1f} s of CPU,"
        f" {ticks / took * 60:,.0f} ticks a minute, {took / len(seeds):.1f} s a seed",
        *costs(found),
        sep="\n",
    )
    return 1 if broken else 0


def _find_mutants(seeds: Sequence[int], jobs: int) -> int:
    survived = 0
    for name, found in found_by(seeds, jobs):
        mutant = MUTANTS[name]
        survived += found is None and not (mutant.is_rare and mutant.is_found_by(mutant.world))
        said = "none of the seeds finds it" if found is None else f"seed {found}"
        known = "a plan" if isinstance(mutant.world, Plan) else mutant.world
        print(f"{name}: {said} ({known} is in its line)", flush=True)
    return 1 if survived else 0


def _told(story: Story, *, shrinks: bool) -> list[str]:
    first = story.violations[0]
    lines = [f"seed {story.plan.seed}: {len(story.violations)} violation(s), such as: {first}"]
    if shrinks:
        wanted = kind(first)
        small = shrink(story.plan, lambda plan: wanted in _kinds(plan))
        told = tell(small)
        lines += ["its shortest history that was found:", str(small)]
        lines += explained(told.history, [each for each in told.violations if kind(each) == wanted][:1])
    return [*lines, f"again: make simulate-faults SEEDS=1 SEED={story.plan.seed}"]


def _kinds(plan: Plan) -> set[str]:
    return {kind(violation) for violation in tell(plan).violations}


if __name__ == "__main__":
    logger.remove()
    code = main()
    sys.stdout.flush()
    # What is left of the worlds need not be taken apart.
    os._exit(code)
