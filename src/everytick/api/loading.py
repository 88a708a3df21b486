"""Finding the user's schedule, and telling in one sentence when it cannot be had."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from everytick import app
from everytick.call_site import in_a_sentence
from everytick.errors import ConfigurationError, LedgerError, ScheduleError
from everytick.logs import log_to_stderr

if TYPE_CHECKING:
    from everytick.settings import SchedulerSettings

    from .scheduler import AsyncIOScheduler


def configure_logging(settings: SchedulerSettings) -> None:
    """Let the application say where its log lines go; without a word of its own to standard error."""
    reference = app.current().logging
    (log_to_stderr if reference is None else _referred(reference))(settings.log_level, settings.log_format)


def own_routers() -> list[Any]:
    """Return the application's own routers beside the dashboard's."""
    reference = app.current().routers
    if reference is None or find_spec(reference.partition(":")[0]) is None:
        return []
    return list(_referred(reference))


def _referred(reference: str) -> Any:
    """Return what `package.module:name` refers to."""
    module, _, name = reference.partition(":")
    return getattr(import_module(module), name)


def load_schedule() -> AsyncIOScheduler:
    """Return what `create_scheduler()` in `main.py` returns.

    Raises:
        ScheduleError: it cannot be imported or run, or returns something else; with file and line.
    """
    from .scheduler import AsyncIOScheduler

    application = app.current()
    where = application.schedule_file
    try:
        scheduler = _referred(application.schedule or "")()
    except (ConfigurationError, LedgerError):
        raise
    except Exception as problem:
        raise ScheduleError(in_a_sentence(problem)) from None
    if scheduler is None:
        raise ScheduleError(f"{where}: create_scheduler() returned nothing: end it with `return scheduler`")
    if not isinstance(scheduler, AsyncIOScheduler):
        found = f"{type(scheduler).__module__}.{type(scheduler).__qualname__}"
        raise ScheduleError(
            f"{where}: create_scheduler() returned {found}, which keeps no ledger:"
            " import AsyncIOScheduler from everytick and return that"
        )
    return scheduler
