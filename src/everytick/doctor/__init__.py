"""Examines settings, surroundings, ledger, processes and schedule, and says what is not in order.

- `finding`: what is found
- `environment`, `storage`, `server`, `liveness`: what the schedule lives in, and on
- `pitfalls`, `source`, `history`: the schedule, as it is declared and as it has fared
- `examination`: all of it, in an order in which each part may fail without the others
"""

from .examination import examine
from .finding import LEVELS, Finding, worst

__all__ = ["LEVELS", "Finding", "examine", "worst"]
