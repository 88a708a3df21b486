"""What is shown of the ledger. Reads only; works while a scheduler runs, or none does.

- `jobs`: each job with its schedule, its next tick and its pause
- `overview`: how the last runs of jobs ended, and how long they took
- `runs`: what became of each tick, by filters
- `coming`: what is due between two times, and what of it overlaps or collides
- `details`: everything about one run
- `following`: runs as they end
- `audit`: who did what
- `common`: how instants are shown
"""

from .audit import audit_rows
from .coming import Coming, coming
from .common import iso, someone_is_up
from .details import run_details
from .following import follow
from .jobs import job_rows, known_job_ids, schedules
from .overview import Recent, recent
from .runs import FAILED, REASONS, STATES, RunFilter, run_row, run_rows

__all__ = [
    "FAILED",
    "REASONS",
    "STATES",
    "Coming",
    "Recent",
    "RunFilter",
    "audit_rows",
    "coming",
    "follow",
    "iso",
    "job_rows",
    "known_job_ids",
    "recent",
    "run_details",
    "run_row",
    "run_rows",
    "schedules",
    "someone_is_up",
]
