"""`add_job` with APScheduler's arguments, for a schedule in the code and for jobs added while running."""

from __future__ import annotations

import ast
import functools
from abc import abstractmethod
from collections.abc import Callable, Mapping
from datetime import datetime, tzinfo
from types import ModuleType
from typing import Any, TypeVar

from apscheduler.triggers.base import BaseTrigger
from apscheduler.util import undefined
from everytick.call_site import call_site, fail, failing
from everytick.model import functions
from everytick.model import job as declaration
from everytick.model.job import OPTION_NAMES, Job, Options
from everytick.model.schedule import Schedule
from everytick.settings import SchedulerSettings, settings

from . import exclusions, triggers
from .crontab import is_crontab, not_a_place_for
from .dates import Reading
from .relative_dates import read_next_run_time
from .trigger_source import function_given
from .unsupported import NO_EXECUTORS, NO_JOBSTORES, refuse

_Function = TypeVar("_Function")

KNOWN_NAMES = OPTION_NAMES | {
    "args",
    "kwargs",
    "id",
    "name",
    "next_run_time",
    "replace_existing",
    "renamed_from",
    *exclusions.NAMES,
}

_LONGEST_ID = 500
_LONGEST_NAME = 1_000


class JobDeclarations:
    """An object that takes declarations."""

    # The options of jobs that do not name them (`job_defaults`).
    _job_defaults: Mapping[str, Any]

    @property
    def settings(self) -> SchedulerSettings:
        """The application's settings."""
        return settings()

    @property
    @abstractmethod
    def timezone(self) -> tzinfo:
        """The zone in which triggers without one are read."""

    @property
    def defaults(self) -> dict[str, Any]:
        """The options of a job that names none."""
        return {"misfire_grace_time": self.settings.scheduler_misfire_grace_time, **self._job_defaults}

    @abstractmethod
    def _is_stored(self) -> bool:
        """Return whether a declaration is kept as data, rather than made anew at each start."""

    @abstractmethod
    def _accept(self, job: Job, *, named: bool, replace_existing: bool) -> Job:
        """Take a declaration that was found right in itself; raise ValueError if it does not fit here."""

    def add_job(
        self,
        func: Any,
        trigger: Any = None,
        args: Any = None,
        kwargs: Any = None,
        id: str | None = None,
        name: str | None = None,
        misfire_grace_time: Any = undefined,
        coalesce: Any = undefined,
        max_instances: Any = undefined,
        next_run_time: Any = undefined,
        jobstore: str = "default",
        executor: str = "default",
        replace_existing: bool = False,
        *,
        max_catch_up: Any = undefined,
        timeout: Any = undefined,
        retries: Any = undefined,
        retry_delay: Any = undefined,
        on_crash: Any = undefined,
        ping: Any = undefined,
        alert: Any = undefined,
        queue: Any = undefined,
        overlap: Any = undefined,
        group: Any = undefined,
        renamed_from: str | None = None,
        exclude: Any = None,
        shift: str | None = None,
        **trigger_args: Any,
    ) -> Job:
        """Declare a job, with APScheduler's own arguments and a few more.

        Before the start this is a part of the schedule in the code, and so it is in code that calls `start()`
        and declares below, also much later in that code, such as in the main loop of a program: a job that
        the next start does not declare again is removed. To add jobs as data there, use a `SchedulerClient`.

        Any other call while running adds data, as in a request, a job or a thread: the job is written to the
        ledger before this returns, and from then on survives restarts and is known to all processes; its
        function must stand in a module, and its arguments be plain data.

        Args:
            func: a function, a coroutine function, or text `package.module:name`.
            trigger: `cron`, `interval`, `date`, `calendarinterval`, `and`, `or`, or a trigger object. None,
                like `date` without a date, means once at each start; while running: once, now.
            id: what the ledger knows the job by. Without it, one is derived from function, trigger and
                arguments.
            misfire_grace_time, coalesce, max_instances, max_catch_up, timeout, retries, retry_delay,
                on_crash, ping, alert, queue, overlap, group: see `model.job.Options`.
            next_run_time: None to begin paused; datetime.now() to run at each start (while running: now) as
                well.
            replace_existing: while running, whether a job with this id may be there and is changed. In the
                code it is accepted: a declaration always replaces what the ledger knew.
            renamed_from: the id that this job had before. The first start with the new id brings along its
                history, its pause, and the instant up to which its ticks are settled. For the code only; it
                may stay there for as long as there are ledgers that know the former id.
            exclude: the days on which it is not due, in its zone: a date or text such as `2026-12-24`, a
                tuple of the first and the last date of a range, weekdays such as `sat` or `sat-sun`,
                `holidays("DE", "BY")`, or a list of these.
            shift: what becomes of a tick on such a day: `skip` (the default: it is left out),
                `next-workday` or `previous-workday` (it is moved to the nearest day from Monday to Friday
                that is not excluded, with its time of day).
            trigger_args: what the trigger takes, for `cron` also day="first workday" and day="last workday";
                `timezone` as an IANA name or tzinfo.

        Raises:
            ScheduleError: with the line of this call.
            LedgerError: while running, when the ledger does not answer; then nothing was added.
        """
        where = call_site()
        given = {
            "misfire_grace_time": misfire_grace_time,
            "coalesce": coalesce,
            "max_instances": max_instances,
            "max_catch_up": max_catch_up,
            "timeout": timeout,
            "retries": retries,
            "retry_delay": retry_delay,
            "on_crash": on_crash,
            "ping": ping,
            "alert": alert,
            "queue": queue,
            "overlap": overlap,
            "group": group,
        }
        trigger_args |= {name: it for name, it in (("exclude", exclude), ("shift", shift)) if it is not None}
        if jobstore != "default":
            refuse(where, f"jobstore={jobstore!r}", NO_JOBSTORES)
        if executor != "default":
            refuse(where, f"executor={executor!r}", NO_EXECUTORS)
        if trigger is None and isinstance(next_run_time, datetime) and self._is_stored():
            # As APScheduler has it: once, then.
            trigger, trigger_args, next_run_time = (
                "date",
                {"run_date": next_run_time, **trigger_args},
                undefined,
            )
        with failing(where, id):
            job = self._declared_job(func, trigger, args, kwargs, id, name, given, trigger_args, where)
            self._read_next_run_time(job, next_run_time)
            if renamed_from is not None:
                job.renamed_from = self._former_id(renamed_from, job.id)
            return self._accept(job, named=id is not None, replace_existing=replace_existing)

    def scheduled_job(self, trigger: Any, *args: Any, **kwargs: Any) -> Callable[[_Function], _Function]:
        """Declare the decorated function as a job: `add_job` as a decorator."""

        if callable(trigger) and not isinstance(trigger, BaseTrigger):
            raise fail(call_site(), None, "write the trigger in parentheses: @scheduler.scheduled_job(...)")

        def declare(func: _Function) -> _Function:
            self.add_job(func, trigger, *args, **kwargs)
            return func

        return declare

    def _declared_job(
        self,
        func: Any,
        trigger: Any,
        args: Any,
        kwargs: Any,
        id: Any,
        name: Any,
        given: dict[str, Any],
        trigger_args: dict[str, Any],
        where: str,
    ) -> Job:
        is_stored = self._is_stored()
        function = self._function(func)
        if is_crontab(args):
            raise ValueError(not_a_place_for(f"args={args!r}", args))
        args, kwargs = functions.call_arguments(args, kwargs)
        functions.check_arguments(function, args, kwargs)
        schedule = self._schedule(trigger, trigger_args)
        if id is None:
            id = declaration.derive_id(function, schedule, args, kwargs)
        _check_id("id", id)
        given = {name: value for name, value in given.items() if value is not undefined}
        return Job(
            id=id,
            name=shown_name(name or functions.function_name(function)),
            func=function,
            args=args,
            kwargs=kwargs,
            schedule=schedule,
            options=self._options(given),
            where=where,
            startup_delay=schedule.startup_delay,
            given=given,
            added=is_stored,
            owner=self,
        )

    def _former_id(self, renamed_from: Any, job_id: str) -> str:
        """Return the id that a job in the code had before."""
        if self._is_stored():
            raise ValueError(
                "renamed_from= is for a job that the code declares before the start: one that is added while"
                " running gets another id by remove_job() and add_job()"
            )
        _check_id("renamed_from", renamed_from)
        if renamed_from == job_id:
            raise ValueError(
                f"renamed_from={renamed_from!r} is the job's own id: name the one that it had before"
            )
        return str(renamed_from)

    def _function(self, func: Any) -> Callable[..., Any]:
        """Return the callable that `func` is, or refers to."""
        try:
            if isinstance(func, str) and self._is_stored():
                # Before it is imported, which already runs code.
                self.settings.allowed_functions.check_name(func)
            return functions.resolve(func)
        except ValueError as problem:
            raise ValueError(f"{problem}{_if_called(func)}") from None

    def _schedule(self, trigger: Any, trigger_args: dict[str, Any]) -> Schedule:
        reading = Reading(self.timezone, self._is_stored())
        return triggers.read(trigger, trigger_args, KNOWN_NAMES, reading)

    def _options(self, given: Mapping[str, Any]) -> Options:
        return _checked({**self.defaults, **given}) if given else self._named_none

    @functools.cached_property
    def _named_none(self) -> Options:
        """The options of all jobs that name none."""
        return _checked(self.defaults)

    def _read_next_run_time(self, job: Job, value: Any) -> None:
        if value is undefined:
            return
        if value is None:
            job.paused_at_first = True
        else:
            job.startup_delay = read_next_run_time(value, [self.timezone, job.schedule.zone])


def refuse_former_id_in_use(job: Job, declared: Mapping[str, Job], renamed: Mapping[str, Job]) -> None:
    """Refuse a former id that a job of the schedule has, or that two jobs had.

    declared: the jobs so far, by their ids. renamed: those with `renamed_from`, by that.
    """
    former = job.renamed_from
    pairs = [(renamed.get(job.id), job.id)]
    if former is not None:
        pairs += [(declared.get(former), former), (renamed.get(former), former)]
    for other, id in pairs:
        if other is not None and other.id in declared:
            raise fail(
                job.where,
                job.id,
                f"renamed_from={id!r} names an id that one job had and none has: the job {other.id!r}"
                f" declared at {other.where} is the other one",
            )


def _check_id(what: str, id: Any) -> None:
    if not isinstance(id, str) or not id.strip() or not id.isprintable() or len(id) > _LONGEST_ID:
        raise ValueError(
            f"{what}={id!r:.80} must be text, not empty, no control characters, at most {_LONGEST_ID} long"
        )


def shown_name(name: Any) -> str:
    """Return a job's name as it can be kept: without halves of characters; refuse one that nobody reads."""
    text = str(name)
    if len(text) > _LONGEST_NAME:
        raise ValueError(f"name= has {len(text):,} characters: at most {_LONGEST_NAME:,} are kept")
    return text.encode(errors="replace").decode()


def _checked(values: dict[str, Any]) -> Options:
    options = Options(**values)
    options.check()
    return options


def _if_called(func: Any) -> str:
    """Return what to say of a value in the place of a function if a function was called there."""
    is_reference = isinstance(func, str) and functions.is_reference(func)
    if callable(func) or isinstance(func, ModuleType) or is_reference:
        return ""
    given = function_given()
    if isinstance(given, ast.Call):
        name = ast.unparse(given.func)
        return f": leave the parentheses out, {name} instead of {name}()" if len(name) < 80 else ""
    # A value that is written out was no call; behind a name there may have been one.
    is_open = func is None or given is None or isinstance(given, ast.Name | ast.Attribute | ast.Subscript)
    return "; if a function was called there, leave the parentheses out" if is_open else ""
