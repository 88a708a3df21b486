"""One process at work, in the order in which a tick passes through it.

- `process`: start, drain and stop of all this
- `registry`: the jobs that the process knows, of its code and added while running
- `added_jobs`: goes on with jobs that are added, changed or removed while running
- `removals`: removes jobs that the code declares no more
- `clock`: wakes for the next tick, and claims all that is due in one transaction
- `claimers`: which of several processes claims the ticks of a job first
- `admission`: claimed runs, until they are due, recorded as started, and have a slot
- `tasks`: the tasks in which runs are called, with fresh context variables
- `runner`: one claimed run, from its start to its outcome
- `executor`: its function, on the event loop or on a thread
- `context`: the run that a task belongs to
- `capture`: the error and the log lines of a run
- `live_logs`, `live_progress`: write down what runs log, and how far they are, while they go on
- `reports`: how far a run is, and what its function returned, made fit for the ledger
- `safe_errors`: errors of jobs, whose text is code of the job, made safe to be shown
- `repair`: puts back what a job has made unusable for all code of the process
- `children`: names processes that jobs have started and that go on after the end
- `retry`: whether a run that did not succeed is tried again
- `outcomes`: how runs ended, on the way to the ledger
- `listeners`: APScheduler's events, for those who listen to them
- `heartbeats`: heartbeats, the runs that a dead process left behind, and the removal of old rows
- `backfilling`: makes the runs of backfills
- `parts`: the parts of work that comes each second, as on the ledger's thread: none stops the others
- `listening`: whether the process hears what others tell it, so that it need not look each second
- `gap_counting`: fills in later how many ticks a long gap of a combined trigger had
- `watchdog`: names the coroutine that blocks the event loop
- `ports`: the interface to those who are told of runs, such as alerts
"""
