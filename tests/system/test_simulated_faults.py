"""The engine under faults in simulated time: see `simulation`."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from simulation.plan import plan_of
from simulation.story import tell

# Worlds with faults of many kinds in each.
_QUICK, _MORE = range(1, 7), range(7, 30)


def told(seed: int) -> None:
    story = tell(plan_of(seed))
    assert not story.violations, f"{story.violations[0]} (make simulate-faults SEEDS=1 SEED={seed})"


@pytest.mark.parametrize("seed", _QUICK)
def test_the_contract_holds_in_the_world_of_a_seed(seed: int) -> None:
    told(seed)


@pytest.mark.full
@pytest.mark.parametrize("seed", _MORE)
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


def test_the_same_seed_gives_the_same_history() -> None:
    first, second = (tell(plan_of(11)) for _ in range(2))
    assert (first.steps, first.digest) == (second.steps, second.digest)


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
    assert said == {tell(plan_of(11)).digest}
