"""The scheduler's machinery. User code imports from here, and only the names in `__all__`.

The rooms, in the order in which a tick passes through them:

- `settings`, `errors`: what is read from the environment, and the sentences for what is wrong
- `declaring`: `add_job` as it is called
- `triggers`, `from_now`: what was declared with APScheduler, checked and brought into a canonical form
- `functions`, `places`: which function is meant, and on which line that stands
- `declaration`: a job: function, id, options, the line it stands on
- `schedules`: a trigger's canonical form, as plain data that the ledger can keep
- `ticks`: a trigger's canonical form -> the UTC instants at which the job is due
- `catch_up`: which of the due ticks run and which are skipped, and why
- `registry`: the jobs that a process knows, of its code and added while running
- `clock`: wakes at the next tick, and claims all that is due in one transaction
- `ledger`: what became of each tick
- `admission`: what was claimed, until it is due, recorded as started, and has a slot
- `runner`: one claimed run, from its start to its outcome or its next attempt
- `calling`: its function, on the event loop or on a thread
- `next_attempt`: whether a run that did not succeed is tried again
- `outcomes`: how runs ended, on the way to the ledger
- `context`: what a task may ask of its run
- `tracing`: each run as a span, for who asked for them
- `listeners`: APScheduler's events, for who asked for them
- `presence`: who is alive, what a dead process left behind, and what is too old to be kept
- `gap_counting`: fills in later how many ticks a long gap of a combined trigger had
- `telling`, `alerts`, `pings`: what people and other services are told of it
- `watchdog`: names the coroutine that blocks the event loop
- `process`: start, drain and stop of all this in one process
- `refused`: what of APScheduler's class a durable schedule does without
- `scheduler`: the class `AsyncIOScheduler` that `create_scheduler()` returns
- `steering`: what adds, changes, pauses and removes jobs while the schedule runs
- `client`: the same from another process
- `service`: the scheduler as a process of its own, with signals
- `logs`: where log lines go
- `former_names`: names that went, for as long as they still work
- `in_words`, `cron_in_words`, `wording`: a schedule as a sentence
- `loading`, `plan`, `reading`: what the commands show
- `explain`: why a job ran at a time, or did not
- `dry_run`, `deploy_diff`: what the next start would change and run, without starting
- `doctor`: what is not in order
- `health`: whether the schedule is alive, for supervisors
- `endings`, `aggregate`, `metrics`: what Prometheus reads
- `simulation`, `known`: the schedule tried out over a span, and what the ledger knows for it
- `testing`: the same, and more, for tests of the schedule
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .api.client import SchedulerClient
    from .api.scheduler import AsyncIOScheduler
    from .app import Application, register
    from .engine.context import Run, current_run
    from .errors import ConfigurationError, LedgerError, ScheduleError
    from .logs import log_to_stderr
    from .read.reader import LedgerReader
    from .schedule_under_test import ScheduleUnderTest
    from .settings import SchedulerSettings

__all__ = [
    "Application",
    "AsyncIOScheduler",
    "ConfigurationError",
    "LedgerError",
    "LedgerReader",
    "Run",
    "ScheduleError",
    "ScheduleUnderTest",
    "SchedulerClient",
    "SchedulerSettings",
    "current_run",
    "log_to_stderr",
    "register",
]

_ROOM = {
    "Application": "app",
    "AsyncIOScheduler": "api.scheduler",
    "ConfigurationError": "errors",
    "LedgerError": "errors",
    "LedgerReader": "read.reader",
    "Run": "engine.context",
    "ScheduleError": "errors",
    "ScheduleUnderTest": "schedule_under_test",
    "SchedulerClient": "api.client",
    "SchedulerSettings": "settings",
    "current_run": "engine.context",
    "log_to_stderr": "logs",
    "register": "app",
}


def __getattr__(name: str) -> Any:
    # Imported when asked for, so that reading the settings does not load APScheduler.
    from importlib import import_module

    if name not in _ROOM:
        from .former_names import present_name

        name = present_name(__name__, name)
    return getattr(import_module(f".{_ROOM[name]}", __name__), name)
