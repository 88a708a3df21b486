"""Examines settings, environment, ledger, processes and schedule, and reports findings.

- `finding`: one finding, and which are of one kind
- `environment`, `liveness`: settings and machine; processes and their runs
- `storage`, `server`: the ledger as a file, and on a server
- `pitfalls`, `source`, `history`: the schedule, as it is declared, and how its runs ended
- `backfills`: the runs for past ticks that are asked for
- `examination`: all of it, in an order in which each part may fail without the others
"""

from .examination import examine
from .finding import LEVELS, Finding, of_one_kind, worst

__all__ = ["LEVELS", "Finding", "examine", "of_one_kind", "worst"]
