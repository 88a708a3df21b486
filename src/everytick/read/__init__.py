"""Read models: one for each thing that commands, pages and the API show. Nothing is written here.

Works while a scheduler runs, or none does. The user's schedule is never loaded: where it is known, its jobs
and defaults are handed in.

- `known_job`, `job_ids`: a job as the ledger knows it: its options, its schedule, its next tick and its pause
- `job_list`, `job_options`: a list of jobs, filtered and sorted; the options that a job was declared with
- `missed`: the jobs whose newest tick did not run
- `standings`: how jobs stand (failing, late, paused), and the orders of lists of jobs
- `overview`, `late`, `hourly`: whether all is well; the last day by hours
- `failing`, `endings`, `long_runs`: the jobs that fail, the newest ends of all jobs, runs that go on for long
- `troubles`, `trouble_counts`, `trouble_words`: what went wrong in a time, by job, and whether it is over
- `still_in_trouble`: which jobs are in trouble now, and how
- `in_the_way`: the runs behind which ticks were skipped
- `jobs`: the jobs as they are shown, with what the code declares
- `last_runs`: how the last runs of jobs ended, and how long they took
- `overdue`: the ticks of a job that are due and not claimed
- `chosen`: the jobs and runs that an action on several is about
- `resuming`: what the end of a pause would do, and what waits for it
- `runs`, `run_pages`, `run_counts`: what became of each tick, by filters: as a list, part by part, by states
- `run_filter`: which runs are wanted: the states that there are, and a filter
- `retried`: the runs that are wanted for how they ended before a retry
- `run_columns`: the columns of a run as they are shown
- `prospects`: what becomes of a run that somebody has asked for
- `not_in_force`: settings and code that the processes that are up do not go by yet
- `reports`: how far runs are, and what their functions returned
- `runs_of_job`, `run_details`: the runs of one job; everything about one run
- `under_way`: the runs that a process holds, and those that wait
- `groups`, `waits`: the groups of jobs whose runs share a limit; what the runs of jobs wait for
- `completions`, `following`: the runs that ended since the last look; runs as they end
- `following_logs`: what the runs of a job log, while they go on
- `processes`: who keeps the schedule: which processes are up, stuck or gone
- `outages`, `gaps`: when no scheduler was running, and how many ticks were missed in that time
- `outage_rows`: the ticks that were missed in a time and written down after it
- `plan`, `coming`: the ticks between two times, and which of them overlap or collide
- `backfills`: the backfills, and how far each is
- `audit`: who did what
- `sign_outs`: which sessions of the dashboard were ended
- `paging`: long lists part by part
- `signs`, `schemas`, `trouble_schemas`: how states are marked; what `--json` and the API give
- `reader`: a look into the ledger for the user's own tasks
"""
