"""Where the scheduler itself was until version 0.1, for files of yours that still import from here.

It is the package `everytick` now. Once none of your files needs this folder, nor `app/core/ledger.py`, take
both away: `copier update --defaults --vcs-ref :current: --data legacy=false`.
"""

from __future__ import annotations

import sys
import warnings
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from everytick import (
        AsyncIOScheduler,
        ConfigurationError,
        LedgerError,
        Run,
        ScheduleError,
        SchedulerClient,
        SchedulerSettings,
        ScheduleUnderTest,
        current_run,
        log_to_stderr,
    )

__all__ = [
    "AsyncIOScheduler",
    "ConfigurationError",
    "LedgerError",
    "Run",
    "ScheduleError",
    "ScheduleUnderTest",
    "SchedulerClient",
    "SchedulerSettings",
    "current_run",
    "log_to_stderr",
]


def __getattr__(name: str) -> Any:
    # When asked for, since the plugin for tests is not for production.
    import everytick

    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    # Before it imports a name of a package, Python asks whether it is there.
    if sys._getframe(1).f_globals.get("__name__") == "importlib._bootstrap":
        return getattr(everytick, name)
    warnings.warn(
        f"{__name__}.{name} is everytick.{name} now: import it from there. Once nothing uses the old place,"
        " `copier update --defaults --vcs-ref :current: --data legacy=false` takes it away",
        DeprecationWarning,
        stacklevel=2,
    )
    return getattr(everytick, name)
