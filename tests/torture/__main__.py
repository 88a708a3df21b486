"""`python -m torture --minutes 20 --seed 7`: torments an application and tells what came of it."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from torture.checker import Evidence, read_ledger, read_starts, violations
from torture.nemesis import Nemesis
from torture.world import SCHEDULE, World


def torture(folder: Path, seconds: float, seed: int, *, aloud: bool = False) -> Evidence:
    """Torment an application in `folder`; return the evidence."""
    world = World(folder)
    nemesis = Nemesis(world, seed)
    try:
        nemesis.torment(seconds, (lambda what: print(what, end=" ", flush=True)) if aloud else lambda _: None)
        # What was cut off must be found by lease, and ticks claimed under a clock set ahead must come.
        until = nemesis.quiet(30 + max(0.0, nemesis.clock_steps))
    finally:
        nemesis.end()
    runs, attempts, jobs = read_ledger(world.ledger_file)
    return Evidence(SCHEDULE, nemesis.faults, read_starts(folder / "marks.txt"), runs, attempts, jobs, until)


def main() -> None:
    parser = argparse.ArgumentParser(prog="torture")
    parser.add_argument("--minutes", type=float, default=1)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    chosen = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="torture-"))
    print(f"seed {chosen.seed}, {chosen.minutes:g} minutes, in {folder}", flush=True)
    evidence = torture(folder, chosen.minutes * 60, chosen.seed, aloud=True)
    found = list(violations(evidence))
    faults = Counter(fault.kind for fault in evidence.faults)
    states = Counter(row["state"] for row in evidence.runs)
    print(f"\n{len(evidence.runs)} rows: {dict(states)}")
    print(f"{len(evidence.starts)} starts, {len(evidence.attempts)} earlier attempts, faults: {dict(faults)}")
    for sentence in found[:30]:
        print("VIOLATION", sentence)
    print(f"{len(found)} violations")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
