"""Explains in plain sentences why a job ran, or did not, at an instant; from the ledger alone.

- `facts`: what the ledger knows of one job
- `account`: the explanation as it grows
- `outcomes`, `skipped`, `waiting`: what a row says, of a run that is over, of a tick that did not run, and
  of a run that is not over
- `absence`: why there is no row
- `instant`: which instant is meant, and the whole explanation

Handed in: the ledger, the settings, and the jobs of the user's schedule, which is never loaded here.
"""

from .instant import VERDICTS, Explanation, why, why_run

__all__ = ["VERDICTS", "Explanation", "why", "why_run"]
