"""What is shown of the ledger. Reads only; works while a scheduler runs, or none does.

- `jobs`: each job with its schedule, its next tick and its pause
- `overview`: how the last runs of jobs ended, and how long they took
- `runs`: what became of each tick, by filters
- `coming`: what is due between two times, and what of it overlaps or collides
- `details`: everything about one run
- `resuming`: what the end of a pause would do, and what waits for it
- `following`: runs as they end
- `audit`: who did what
- `signs`: how states are marked
- `overdue`: what is due and nobody has claimed
- `common`: how instants are shown
"""

from .audit import audit_row, audit_rows, requests_about
from .coming import Coming, coming
from .common import iso, someone_is_up
from .following import follow
from .jobs import job_row, job_rows, known_job_ids, schedules
from .last_runs import Recent, recent
from .overdue import Overdue, overdue
from .resuming import Preview, paused_job, paused_job_of, preview, resumed
from .run_details import attempts_of, details_of, run_details
from .runs import FAILED, REASONS, STATES, RunFilter, outlined, run_row, run_rows
from .signs import SIGNS

__all__ = [
    "FAILED",
    "REASONS",
    "SIGNS",
    "STATES",
    "Coming",
    "Overdue",
    "Preview",
    "Recent",
    "RunFilter",
    "attempts_of",
    "audit_row",
    "audit_rows",
    "coming",
    "details_of",
    "follow",
    "iso",
    "job_row",
    "job_rows",
    "known_job_ids",
    "outlined",
    "overdue",
    "paused_job",
    "paused_job_of",
    "preview",
    "recent",
    "requests_about",
    "resumed",
    "run_details",
    "run_row",
    "run_rows",
    "schedules",
    "someone_is_up",
]
