"""Read models: what is known of a thing, once for all who show it or judge by it. Nothing is written here.

Works while a scheduler runs, or none does. The user's schedule is never loaded: where it is known, its jobs
and defaults are handed in.

- `jobs`: a job, with its options, its schedule, its next tick and its pause
- `last_runs`: how the last runs of jobs ended, and how long they took
- `overdue`: what of a job is due and nobody has claimed
- `resuming`: what the end of a pause would do, and what waits for it
- `runs`, `run_details`: what became of each tick, by filters; everything about one run
- `completions`: what has ended since the last look; `following`: runs as they end
- `processes`: who keeps the schedule: which processes are up, stuck or gone
- `plan`, `coming`: what is due between two times, and what of it overlaps or collides
- `audit`: who did what
- `signs`: how states are marked
- `reader`: a look into the ledger for the user's own tasks
"""

from .audit import audit_row, audit_rows, requests_about
from .coming import Coming, coming
from .following import follow
from .jobs import Declared, job_row, job_rows, known_job_ids, schedules
from .last_runs import Recent, recent
from .overdue import Overdue, overdue
from .processes import Process, Processes, find_processes, someone_is_up
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
    "Declared",
    "Overdue",
    "Preview",
    "Process",
    "Processes",
    "Recent",
    "RunFilter",
    "attempts_of",
    "audit_row",
    "audit_rows",
    "coming",
    "details_of",
    "find_processes",
    "follow",
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
