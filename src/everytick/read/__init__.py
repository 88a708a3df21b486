"""Read models: one for each thing that commands, pages and the API show. Nothing is written here.

Works while a scheduler runs, or none does. The user's schedule is never loaded: where it is known, its jobs
and defaults are handed in.

- `jobs`, `job_ids`: a job, with its options, its schedule, its next tick and its pause
- `last_runs`: how the last runs of jobs ended, and how long they took
- `overdue`: the ticks of a job that are due and not claimed
- `resuming`: what the end of a pause would do, and what waits for it
- `runs`, `run_details`: what became of each tick, by filters; everything about one run
- `completions`, `following`: what has ended since the last look; runs as they end
- `processes`: who keeps the schedule: which processes are up, stuck or gone
- `plan`, `coming`: what is due between two times, and what of it overlaps or collides
- `audit`: who did what
- `signs`, `schemas`: how states are marked; what `--json` and the API give
- `reader`: a look into the ledger for the user's own tasks
"""
