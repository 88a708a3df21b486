"""Planted bugs: each takes one of the engine's precautions away, and some seed must find that.

A mutant that no seed finds is a hole in the faults, or in the checker; or another precaution does the same,
and only the two together are worth planting. By theme:

- `claims`: which ticks are claimed, and how many runs may be under way
- `limits`: groups of jobs, and the ticks that wait for earlier runs
- `days`: excluded days, and ticks that are moved to a workday
- `beginning`: between the claim of a run and its first line
- `ends`: outcomes, retries, and the stop of a process
- `reports`: what a run says of itself, and what it returns
- `deaths`: what becomes of a process that died, and of what it held
- `requests`: what people ask for
- `deploys`: jobs that leave the code, and jobs that get another id
- `environments`: jobs that processes are set not to run
- `fills`: the pace of backfills, and those of missed ticks alone
- `worlds` has small plans that find them, and `simulation.found` others
- `planting` has what each of them is made with

What cannot be seen from outside, and is not planted alone:

- That coroutines which ignore a stop are given up (`Runner._give_up_on_deaf`): where the process ends next,
  all that is left is written down once more (`interrupt_threads_left`). Planted is that neither does it.
- That all who count a start count to the same number: one process counts it, the first that joins, and those
  that come later see its heartbeats. Planted is that each takes its own start for a new one, and that nobody
  learns of a start among the dead.
- Which process claims the ticks of a job ahead, and who looks whether it did (`engine.claimers`): only where
  there is a server. On SQLite each claims, and the watermark lets one of them have the tick.
"""

from __future__ import annotations

from simulation.mutants import (  # noqa: F401 (each keeps its own)
    beginning,
    claims,
    days,
    deaths,
    deploys,
    ends,
    environments,
    fills,
    limits,
    reports,
    requests,
)
from simulation.mutants.planting import MUTANTS, Mutant

__all__ = ["MUTANTS", "Mutant"]
