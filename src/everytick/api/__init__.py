"""What user code touches.

- `scheduler`: the class `AsyncIOScheduler` that `create_scheduler()` returns
- `declare`: `add_job` as it is called
- `triggers`: what was declared with APScheduler's triggers, checked and brought into a canonical form
- `trigger_arguments`, `trigger_source`, `bindings`, `default_zone`: what a trigger object was given when made
- `relative_dates`: dates that are computed from the present moment
- `control`, `requests`: what changes jobs, and asks of runs, while the schedule runs
- `client`: the same from another process
- `unsupported`: what of APScheduler's class a durable schedule does without
- `loading`: the user's schedule, and where log lines go
- `service`: the scheduler as a process of its own, with signals
"""
