"""Examines settings, surroundings, ledger, processes and schedule, and says what is not in order.

- `finding`: what is found
- `surroundings`, `storage`, `liveness`: what the schedule lives in, and on
- `pitfalls`, `source`, `run_statistics`: the schedule, as it is declared and as it has fared
- `examining`: all of it, in an order in which each part may fail without the others
"""

from .examination import examine
from .finding import LEVELS, Finding, worst

__all__ = ["LEVELS", "Finding", "examine", "worst"]
