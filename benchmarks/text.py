"""The words around the tables of docs/performance.md."""

from __future__ import annotations

BEFORE = """
<!-- Written by `make bench`: change benchmarks/text.py and not this file. -->

# Performance

How fast it is and what it costs, beside others, measured on one machine in one run: `make bench`. A
machine's speed drifts, and yours is another one, so the ratios count and not the figures. Figures are
medians of the rounds; where these differ by more than a twentieth, the range stands behind.

Each job is a trivial coroutine with an interval of one second. All settings are as shipped: this
application keeps each run in its ledger with `synchronous=FULL`, so that it is still there after the power
failed, and its logs and its dashboard are on unless something else is said. APScheduler's stores keep when
each job is due next, and no runs; its memory keeps nothing.
"""

HEADINGS = {
    "targets": """
## Targets

"must" and "goal" were set before anything was measured here.
""",
    "peers": """
## Peers

- "max runs/s" is the highest number of jobs, all due at once each second, of which 99 in 100 runs begin
  within a second after their tick, and 99 in 100 are done. It is looked for in steps, so it is known to
  about a fifth.
- "CPU per run" is that of 100 or 1,000 jobs, due at once or spread evenly over the second, in all processes
  of the peer but not in its server.
- "cold start" ends when the schedule runs; of this application it is without the dashboard, and on
  PostgreSQL with an empty database, in which the ledger has to be made.
- "memory" and what follows are of one job that is not due. "drain" is from SIGTERM under 100 jobs to the
  end of the process.
- "over" could not be held, or took longer than was waited for. A dash was not measured, or makes no sense.

![Runs a second that are sustained](images/performance-runs.svg)
""",
    "lateness": """
## Lateness

From the tick to the first line of the job, with so many jobs due at once each second. "over": not all runs
were done, or a tenth as many were so late already that so many were not tried.

![Lateness, 99 in 100](images/performance-lateness.svg)
""",
    "many": """
## Start with many jobs

From the start of the process until the schedule runs, without the dashboard.
""",
    "history": """
## A long history

1,000 jobs with past runs of theirs in the ledger, spread over four weeks. Those runs are put in by the
database, in the form in which the scheduler writes them.

![Cost of a run](images/performance-history.svg)
""",
    "template": """
## The template

`copier copy` of the newest release, and `copier update` to it from the one before, from a clone on this disk.
""",
    "machine": """
## Machine and versions
""",
    "missing": """
## What is missing
""",
}

AFTERWARDS = """
## How each peer was measured

Each runs in an environment and in processes of its own, with a program as its documentation shows it (in
`benchmarks/peers/`), and writes down the time at which each job's body began. What is compared is measured
one after the other in the same round.

- Bare asyncio has one timer for each job and one task for each run; APScheduler has its stores as shipped.
- Celery counts an interval from when beat started; a schedule class of its own puts its ticks on whole
  seconds. Its worker has a process for each core, as shipped.
- arq looks for work twice a second, as shipped.
- huey's periodic tasks know only minutes; it was given tasks with an ETA, put into Redis beforehand.
- taskiq and procrastinate know whole seconds only: their jobs cannot be spread over the second.
- PostgreSQL and Redis run on the same machine with their own defaults, but PostgreSQL has 32 MB of
  buffers and takes 200 connections.
- Aegis Stack's generated scheduler is not among them: the package on PyPI (0.16.1) fetches its template and
  `copier.yml` from GitHub when it generates, and that was not to be had where this was measured. What it
  generates runs APScheduler 3 in memory, or with the SQLAlchemy store.

What many machines do together is measured elsewhere. So that no regression passes unnoticed,
`make bench-check` counts the instructions of a fixed amount of work.
"""
