"""Jobs, schedules and ticks, without a ledger: no I/O, and no clock but `ticks.now()`.

- `job`: one `add_job(...)` call, its options and its id
- `functions`: which function a job calls, and whether it takes the arguments
- `handed_back`: whether what a function handed back is work that nobody did
- `kinds`: what a class is, without running code of it
- `allowed_functions`: which functions a row of the ledger may name
- `offers`: functions that the code offers for jobs that people add, and what they take
- `kept_data`: the data of a job as a row of the ledger holds them, checked
- `heartbeat_url`: checks an address that is called at the beginning and the end of a run
- `schedule`: a trigger's canonical form, as plain data that the ledger can keep
- `zone_names`: the names by which time zones are kept, and the zones that they mean
- `ticks`: a trigger's canonical form -> the UTC instants at which the job is due
- `misfire`: which of the due ticks run and which are skipped, and why
- `backoff`: how long to wait before the next try of what did not work
- `roles`: what a process does of the work, and queues
- `job_filter`: which jobs a process is set to run
- `group_limits`: how many runs of a group of jobs may be under way
"""
