"""Loads the user's schedule, and says in one sentence why it cannot be loaded."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from everytick import app
from everytick.call_site import in_sentences
from everytick.errors import ConfigurationError, ScheduleError
from everytick.logs import log_to_stderr
from everytick.references import referred

from .refusals import explained

if TYPE_CHECKING:
    from everytick.read.known_job import Declared
    from everytick.settings import SchedulerSettings

    from .scheduler import AsyncIOScheduler


def configure_logging(settings: SchedulerSettings) -> None:
    """Let the application say where its log lines go; without a word of its own to standard error."""
    application = app.current()
    configure: Any = log_to_stderr
    if application.logging is not None:
        configure = referred(application.logging, application.named_by("logging"))
        if not callable(configure):
            raise ConfigurationError(
                f"{application.named_by('logging')}: {application.logging} is no function:"
                " it must take the level and the format, as `log_to_stderr` does"
            )
    given = (settings.log_level, settings.log_format)
    if not _takes(configure, *given):
        raise ConfigurationError(
            f"{application.named_by('logging')}: {application.logging} must take two arguments, the level and"
            " the format, as `log_to_stderr` does"
        )
    configure(*given)


def own_routers() -> list[Any]:
    """Return the application's own routers beside the dashboard's."""
    application = app.current()
    if application.routers is None or not app.is_there(application.routers.partition(":")[0]):
        return []
    return list(referred(application.routers, application.named_by("routers")))


def load_schedule() -> AsyncIOScheduler:
    """Return what the application's `create_scheduler()` returns.

    Raises:
        ConfigurationError: no schedule is named, or nothing that could make one.
        ScheduleError: it cannot be imported or run, or returns something else; with file and line.
    """
    from . import default_zone

    application = app.current()
    if application.schedule is None:
        raise ConfigurationError(app.not_named())
    with default_zone.marked():
        return _made(application)


def load_schedule_for_command() -> AsyncIOScheduler:
    """Load the schedule for a command that only shows something.

    What the application's modules log meanwhile goes to standard error, in the form and with the times that
    `run` gives it; never to files of the application's own logging, which belong to the process that runs.

    Raises:
        ConfigurationError, ScheduleError: as by `load_schedule`; also for a setting that is wrong.
    """
    from everytick.settings import settings

    chosen = settings()
    log_to_stderr(chosen.log_level, chosen.log_format)
    return load_schedule()


def declared(scheduler: AsyncIOScheduler) -> Declared:
    """Return a schedule's declarations, for modules that must not load the schedule themselves."""
    from everytick.read.known_job import Declared

    # Without those that were added, which a child that was forked would ask the ledger for.
    jobs = list(scheduler._declared.values())
    return Declared(jobs, scheduler.defaults, scheduler.settings.allowed_functions, scheduler.offers)


def _made(application: app.Application) -> AsyncIOScheduler:
    from .scheduler import AsyncIOScheduler

    assert application.schedule is not None
    with explained():
        create = referred(application.schedule, application.named_by("schedule"))
    if not callable(create):
        raise ConfigurationError(
            f"{application.named_by('schedule')}: {application.schedule} is {_kind(create)} and no function:"
            " name a function that returns the AsyncIOScheduler"
        )
    where, name = application.schedule_file, application.schedule.partition(":")[2]
    with explained(), in_sentences():
        scheduler = create()
    if inspect.iscoroutine(scheduler):
        # The coroutine is never awaited: without this Python would warn of that as well.
        scheduler.close()
        raise ScheduleError(f"{where}: {name}() is an `async def`: make it a plain `def`")
    if scheduler is None:
        raise ScheduleError(f"{where}: {name}() returned nothing: end it with `return scheduler`")
    if not isinstance(scheduler, AsyncIOScheduler):
        raise ScheduleError(
            f"{where}: {name}() returned {_kind(scheduler)}, which keeps no ledger:"
            f" import {_ours(scheduler)} from everytick and return that"
        )
    scheduler.check_offers()
    return scheduler


def _takes(function: Any, *arguments: object) -> bool:
    """Return whether a function can be called so, as far as it says."""
    try:
        inspect.signature(function).bind(*arguments)
    except TypeError:
        return False
    except ValueError:
        # One that is not written in Python may not say.
        return True
    return True


def _ours(scheduler: object) -> str:
    """Return the name of our class for one of APScheduler's."""
    name = type(scheduler).__name__
    return name if name in ("BackgroundScheduler", "BlockingScheduler") else "AsyncIOScheduler"


def _kind(value: object) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}".removeprefix("builtins.")
