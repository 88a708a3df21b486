"""The classes and functions that user code calls.

- `scheduler`: the class `AsyncIOScheduler` that `create_scheduler()` returns
- `own_loop`: `BackgroundScheduler` and `BlockingScheduler`, with an event loop of their own
- `opening`: the opening of a process on a thread, which may be given up meanwhile
- `standing`: where a schedule runs: here, in another process, or nowhere yet
- `declare`: `add_job` as it is called
- `triggers`: APScheduler's triggers as declared, checked and brought into a canonical form
- `trigger_arguments`, `trigger_source`, `default_zone`: the arguments of a trigger object
- `cron_fields`, `crontab`: checks of cron fields and crontab lines, with corrections
- `exclusions`, `holidays`: days on which a job is not due
- `refusals`: the errors of APScheduler's own triggers, in sentences
- `dates`, `zones`: arguments that are dates or time zones, checked and in one form
- `relative_dates`: dates that are computed from the present moment
- `control`, `changes`, `requests`: what changes jobs, and asks of runs, while the schedule runs
- `backfills`: requests for runs of past ticks
- `client`: the same from another process
- `offers`: functions for jobs that people add, on the page and by the API
- `drafts`: what they ask for, and what would be kept of it
- `offered_jobs`: such jobs, looked at before they are kept
- `unsupported`: methods of APScheduler's class that a durable schedule cannot offer
- `loading`: the user's schedule, and where log lines go
- `service`: the scheduler as a process of its own, with signals
- `ending`: the end of that process, whatever jobs do to keep it
"""
