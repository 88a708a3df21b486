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

from simulation.mutants import MUTANTS
from simulation.mutants.planting import planned
from simulation.plan import JOBS, Act, Plan, plan_of
from simulation.seeds import costs, outcomes
from simulation.shrinking import shrink
from simulation.story import tell
from torture.jobs import SECOND

# Worlds with faults of many kinds in each; those behind 30 are small, and find several planted bugs each.
_QUICK, _MORE = (4,), (1, 2, 3, *range(5, 30), 31, 213, 258, 319, 326, 335)
# Those that found a defect of the engine, or a rule of the checker that was wrong.
_KEPT = (412, 1010, 1020, 1025, 1041, 1105, 2016, 9066, 9146, 21_130_031, 21_130_107, 31_000_016)
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


# What seeds found, cut to its shortest: the same seed means another plan as soon as there are more faults.
_FOUND = {
    "claimed ahead, then paused, while the clock is set back before the tick": Plan(
        5028,
        ("slow",),
        3,
        False,
        6,
        2.0,
        18.0,
        (Act(13.85, "pause", job="slow", seconds=4.0), Act(13.95, "set clock", number=-3)),
    ),
    "a clock that is set ahead between two heartbeats of the only process that enables a job": Plan(
        1,
        ("morph", "mail_slow"),
        2,
        True,
        12,
        2.0,
        33.0,
        (Act(5.0, "set one", number=1), Act(21.26, "set clock", number=40)),
    ),
    "the only process with the newer code, which is killed and not replaced for long": Plan(
        31_000_401,
        ("quick", "morph", "named"),
        2,
        True,
        26,
        0.3,
        48.0,
        (Act(29.01, "redeploy"), Act(35.001, "kill", seconds=40.0)),
    ),
    "a process that is frozen when its run is to make way, and goes on with it after its end": Plan(
        31_000_467,
        ("telling", "newest_of_many", "replaced_endless"),
        2,
        False,
        18,
        2.0,
        33.0,
        (Act(24.02, "storm"), Act(25.21, "stop", seconds=25.0)),
        1_800_143_985,
    ),
    "a job that is paused while no process is there, and none was for long": Plan(
        41_000_106,
        ("slow",),
        2,
        False,
        18,
        2.0,
        24.0,
        (Act(3.0, "terminate all", seconds=30.0), Act(19.01, "pause", job="slow", seconds=0.1)),
    ),
    "a job that is in the code again while the clock is back, before ticks that it had": Plan(
        41_000_187,
        ("leaving",),
        1,
        True,
        24,
        2.0,
        14.0,
        (Act(6.815, "redeploy"), Act(10.001, "set clock", number=-20), Act(10.01, "redeploy")),
        1_800_143_974,
    ),
    "a job that left the code between the death of its process and when others found that": Plan(
        41_000_359,
        ("leaving",),
        3,
        True,
        32,
        2.0,
        33.0,
        (Act(7.854, "storm"), Act(8.85, "redeploy", slot=2)),
        1_800_143_966,
    ),
    "processes that have left a job, and newer code that has it as theirs had, and dies": Plan(
        41_001_158,
        ("morph",),
        4,
        True,
        26,
        2.0,
        48.0,
        (
            Act(26.001, "redeploy", slot=2),
            Act(39.0, "redeploy", slot=3),
            Act(45.92, "kill", slot=3, seconds=40.0),
        ),
        1_800_403_166,
    ),
    "a tick that still waits when a newer one has begun, since the clock was set back in between": Plan(
        80_644_987,
        ("but_sunday", "telling", "newest_of_many", "replaced_endless"),
        1,
        True,
        18,
        2.0,
        28.551,
        (Act(7.064, "stop", job="telling", seconds=18.0), Act(26.0, "set clock", number=-20, seconds=1.551)),
        1_800_143_984,
    ),
    "a tick behind one that a dead process had reserved, and nobody is there for long to find that": Plan(
        41_001_353,
        (
            "half",
            "either",
            "all",
            "pair",
            "strict",
            "spread",
            "dozer",
            "boot",
            "warm",
            "each",
            "newest",
            "replaced",
            "shared0",
            "shared1",
            "shared2",
            "shared_thread",
            "morph",
            "endless",
            "leaving",
            "named",
            "named_slow",
        ),
        3,
        True,
        12,
        0.3,
        48.0,
        (
            Act(16.0, "kill", seconds=40.0),
            Act(17.467, "kill", slot=2, seconds=40.0),
            Act(24.01, "kill", slot=1, seconds=40.0),
        ),
    ),
    "a tick that is due before the one of which its process had died, which was for an earlier time": Plan(
        41_001_815,
        (
            "slow",
            "pair",
            "late",
            "strict",
            "spread",
            "hog",
            "past",
            "boot",
            "each_late",
            "shared1",
            "shared_thread",
            "morph",
            "endless",
        ),
        2,
        True,
        32,
        2.0,
        18.0,
        (
            Act(5.057, "redeploy all"),
            Act(10.566, "kill all"),
            Act(10.95, "storm"),
            Act(11.36, "kill all"),
        ),
        1_800_143_977,
    ),
    "a tick behind one that a frozen process had reserved, while the clock is set ahead by an hour": Plan(
        41_001_976,
        (
            "half",
            "all",
            "strict",
            "spread",
            "warm",
            "each",
            "newest",
            "replaced",
            "each_late",
            "shared1",
            "shared2",
        ),
        2,
        True,
        6,
        2.0,
        18.0,
        (Act(2.95, "stop", seconds=18.0), Act(15.091, "set clock", number=3600)),
    ),
    "a start of several that find only dead ones, by a clock that was set back before they died": Plan(
        41_001_961,
        ("warm",),
        3,
        True,
        12,
        2.0,
        23.196,
        (Act(17.999, "set clock", number=-3, seconds=4.197), Act(19.102, "storm")),
    ),
    "a tick that waits when newer code comes, of which a tick is due before the next one of the older": Plan(
        41_002_091,
        ("strict", "spread", "numb", "hog", "morph"),
        2,
        False,
        12,
        0.3,
        48.0,
        (
            Act(8.027, "kill all"),
            Act(15.359, "moved", number=1, seconds=15.0),
            Act(28.85, "redeploy", slot=1),
        ),
        1_800_143_972,
    ),
    "a start of several on hosts of their own, that find only dead ones": Plan(
        2, ("quick", "morph", "boot"), 3, True, 12, 2.0, 9.0, (Act(6.0, "storm"),)
    ),
    "a start that finds only dead ones, whose last heartbeats were by a clock that was set back since": Plan(
        80_645_059,
        ("warm", "newest"),
        6,
        True,
        18,
        2.0,
        33.0,
        (Act(32.666, "set clock", number=-3), Act(34.313, "kill all")),
        1_800_143_975,
    ),
    "a run that made way before the clock was set back, and was tried again by a person": Plan(
        80_644_941,
        ("boot", "newest", "replaced"),
        4,
        True,
        12,
        2.0,
        12.999,
        (Act(3.264, "set clock", number=-3600, seconds=1.738), Act(11.999, "retry")),
    ),
    # As seed 80644959 did.
    "a run that is interrupted in the microsecond in which the clock is set": Plan(
        582,
        ("quick", "slow", "endless", "replaced_endless"),
        2,
        False,
        12,
        2.0,
        4.5,
        (
            Act(3.0, "terminate twice"),
            Act(3.0, "terminate twice", slot=1),
            Act(3.0, "set clock", number=40),
        ),
    ),
    "a run that was reserved for later, while older ones wait for the place of a dead process": Plan(
        41_003_240,
        ("quick", "cron", "either", "slow", "pair", "flaky", "each_late", "morph", "leaving", "named"),
        2,
        True,
        26,
        2.0,
        48.0,
        (
            Act(3.433, "full write", slot=1, number=1, seconds=1.0),
            Act(5.999, "kill", slot=1, seconds=3.0),
            Act(13.003, "slow", number=5, seconds=3.0),
            Act(21.999, "stop", seconds=0.5),
            Act(24.5, "set clock", slot=1, number=-3, seconds=4.792),
            Act(27.85, "kill", slot=1, seconds=3.0),
            Act(29.652, "terminate"),
            Act(33.85, "lost", job="quick", number=3, seconds=0.3),
            Act(37.85, "lost", job="leaving", number=3, seconds=0.3),
            Act(40.003, "kill", slot=1),
            Act(41.968, "lost", slot=1, job="morph", number=1, seconds=0.3),
            Act(46.586, "lost", slot=1, job="quick", number=1, seconds=2.0),
        ),
        1_800_100_000,
    ),
}


@pytest.mark.parametrize("plan", _FOUND.values(), ids=_FOUND)
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
    if mutant.world not in (*_QUICK, *_MORE, *_KEPT):
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
