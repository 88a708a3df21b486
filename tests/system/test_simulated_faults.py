"""The engine under faults in simulated time: see `simulation`."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from simulation.found import FOUND
from simulation.mutants import MUTANTS
from simulation.mutants.planting import planned
from simulation.plan import JOBS, Act, Plan, plan_of
from simulation.seeds import costs, outcomes
from simulation.shrinking import shrink
from simulation.story import tell
from torture.jobs import SECOND

# Worlds with faults of many kinds in each; those behind 30 are small, and some find several planted bugs.
_QUICK, _MORE = (4,), (1, 2, 3, *range(5, 18), 31, 213, 258, 319, 326, 335)
# Those that found a defect of the engine, or a rule of the checker that was wrong.
_KEPT = (
    *(412, 1010, 1020, 1025, 1041, 1105, 2016, 9066, 9146, 21_130_031, 21_130_107, 31_000_016),
    41_004_459,
)
# Of how many seeds one is to find a planted bug, where the one that is known to find it does so no more.
_FOUND_WITHIN = 350


@cache
def told(world: int | Plan) -> None:
    """See to it that the world of a seed or a plan keeps the contract. Asked of some by several tests."""
    violation = next(iter(tell(planned(world)).violations), "")
    again = "" if isinstance(world, Plan) else f" (make simulate-faults SEEDS=1 SEED={world})"
    assert not violation, f"{violation}{again}"


@cache
def digest_here() -> str:
    """Return the digest of the history of a seed, which other tests repeat."""
    return tell(plan_of(11)).digest


@pytest.mark.parametrize("seed", _QUICK)
def test_the_contract_holds_in_the_world_of_a_seed(seed: int) -> None:
    told(seed)


@pytest.mark.full
@pytest.mark.parametrize("seed", [*_MORE, *_KEPT])
def test_the_contract_holds_in_the_worlds_of_more_seeds(seed: int) -> None:
    told(seed)


@pytest.mark.full
def test_the_contract_holds_in_the_worlds_of_seeds_that_nobody_has_tried(
    capsys: pytest.CaptureFixture[str],
) -> None:
    first = time.time_ns() // 1_000_000 % 1_000_000_000
    with capsys.disabled():
        print(f" seeds {first} to {first + 4} ", end="")
    for seed in range(first, first + 5):
        told(seed)


@pytest.mark.parametrize("plan", FOUND.values(), ids=FOUND)
def test_the_contract_holds_where_a_seed_had_found_a_breach(plan: Plan) -> None:
    story = tell(plan)
    assert not story.violations, story.violations[0]


@pytest.mark.full
def test_a_job_that_blocks_its_process_harms_no_other_where_there_are_two_processes() -> None:
    story = tell(Plan(1, JOBS, 2, False, 20, 2.0, 18.0, ()))
    hogs = [start for start in story.history.starts if start.job == "hog"]
    assert max((start.end or 0) - start.at for start in hogs) > SECOND
    assert not story.violations, story.violations[0]


@pytest.mark.full
def test_the_same_seed_gives_the_same_history() -> None:
    assert tell(plan_of(11)).digest == digest_here()


@pytest.mark.full
def test_so_it_does_in_another_interpreter_whatever_the_order_of_its_sets() -> None:
    program = "from simulation import plan, story; print(story.tell(plan.plan_of(11)).digest)"
    said = set()
    for number in ("1", "2"):
        environment = {
            **os.environ,
            "PYTHONHASHSEED": number,
            "PYTHONPATH": os.pathsep.join([*sys.path, str(Path(__file__).parent)]),
        }
        done = subprocess.run(
            [sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=120
        )
        said.add(done.stdout.strip() or done.stderr)
    assert said == {digest_here()}


@pytest.mark.full
@pytest.mark.parametrize("name", MUTANTS)
def test_a_planted_bug_is_found(name: str) -> None:
    mutant = MUTANTS[name]
    if not mutant.is_found_by(mutant.world):
        others = (seed for seed in range(1, 1 + _FOUND_WITHIN) if mutant.is_found_by(seed))
        found = next(others, f"none of {_FOUND_WITHIN}")
        pytest.fail(f"{mutant.world}, which is in its line, does not find it any more; seed {found} does")
    if mutant.world not in (*_QUICK, *_MORE, *_KEPT, *FOUND.values()):
        # Of those a test of its own says so: it is the bug that is found, and nothing else.
        told(mutant.world)


@pytest.mark.full
def test_several_processes_tell_of_many_seeds_what_one_does_and_what_a_seed_costs() -> None:
    alone, together = (list(outcomes([11, 31], jobs)) for jobs in (1, 2))

    assert [replace(it, cpu=0) for it in together] == [replace(it, cpu=0) for it in alone]
    assert [(it.seed, it.broken) for it in alone] == [(11, False), (31, False)]
    [line] = costs([replace(it, cpu=1.0, slots=1, seconds=90) for it in alone])
    assert line == "2 seed(s) with 1 or 2 processes: 1.0 s of CPU each, for 90 simulated seconds"


def test_a_history_is_shrunk_to_the_act_that_breaks_something() -> None:
    acts = tuple(Act(float(at), "kill", slot=at % 3) for at in range(4, 20))
    plan = Plan(1, ("quick", "slow", "morph"), 3, False, 6, 2.0, 30.0, acts)

    small = shrink(plan, lambda plan: acts[7] in plan.acts and "slow" in plan.jobs)

    assert (small.acts, small.jobs, small.slots) == ((acts[7],), ("slow",), 3)
    assert small.seconds < 15
