"""The engine. User code imports from here, and only the names in `__all__`.

The rooms, from the lowest up: each imports only from those before it.

- `system`, `errors`: what the engine needs of the machine; its errors and their sentences
- `written_ways`, `masking`: how programs write a secret; which values are secrets, and stars in their place
- `model`: what a job is, and when it is due
- `text`: a schedule in words
- `import_path`: the folders in which modules are looked for
- `command_line`, `project_file`, `dotenv_file`: how commands are typed, for hints; what `pyproject.toml`
  and `.env` say
- `app`, `answers`, `installed`, `call_site`, `source_text`, `references`: which application this is, what it
  was made from, its engine, places in its code and what stands there
- `under_pytest`: which ledger counts in a test
- `store`: the ledger, which holds what became of each tick
- `liveness`: what a process tells its own machine without the ledger
- `standard_streams`: standard output and standard error, which never block the program
- `log_rate`: log lines about what may happen very often
- `own_process`: calls a function in a process of its own, so that nothing of it stays
- `settings`: the settings, read from the environment
- `ledger`: the ledger that the settings name
- `engine`: one process at work, from a due tick to its outcome
- `read`: jobs, runs and processes as they are shown
- `explain`, `doctor`, `dryrun`: why a tick ran or not; findings about a set-up; a simulated schedule
- `notify`, `telemetry`, `logs`: what people, other services and monitoring are told
- `api`: what user code touches
- `dashboard`, `update`, `cli`: pages and JSON; newer versions of the template; commands
- `schedule_under_test`, `testing`: for tests of a schedule

`former_names` has names that went, for as long as they still work.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .api.client import SchedulerClient
    from .api.holidays import holidays
    from .api.own_loop import BackgroundScheduler, BlockingScheduler
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
    "BackgroundScheduler",
    "BlockingScheduler",
    "ConfigurationError",
    "LedgerError",
    "LedgerReader",
    "Run",
    "ScheduleError",
    "ScheduleUnderTest",
    "SchedulerClient",
    "SchedulerSettings",
    "current_run",
    "holidays",
    "log_to_stderr",
    "register",
]

_ROOM = {
    "Application": "app",
    "AsyncIOScheduler": "api.scheduler",
    "BackgroundScheduler": "api.own_loop",
    "BlockingScheduler": "api.own_loop",
    "ConfigurationError": "errors",
    "LedgerError": "errors",
    "LedgerReader": "read.reader",
    "Run": "engine.context",
    "ScheduleError": "errors",
    "ScheduleUnderTest": "schedule_under_test",
    "SchedulerClient": "api.client",
    "SchedulerSettings": "settings",
    "current_run": "engine.context",
    "holidays": "api.holidays",
    "log_to_stderr": "logs",
    "register": "app",
}


def __getattr__(name: str) -> Any:
    # Imported when asked for, so that reading the settings does not load APScheduler.
    from importlib import import_module

    if name == "dashboard":
        return import_module(".dashboard", __name__)
    if name not in _ROOM:
        from .former_names import present_name

        name = present_name(__name__, name)
    return getattr(import_module(f".{_ROOM[name]}", __name__), name)
