"""`AsyncIOScheduler`: APScheduler's class for those who declare, with the ledger behind it.

The class takes what people write for APScheduler 3. What cannot work durably is refused with a sentence
when it is declared. APScheduler's own loop, job stores and executors are not used: see `clock`, `ledger`
and `runner`.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable
from typing import Any, Self, TextIO
from zoneinfo import ZoneInfo

from apscheduler.events import EVENT_ALL
from apscheduler.schedulers import SchedulerAlreadyRunningError, SchedulerNotRunningError
from apscheduler.schedulers.base import STATE_RUNNING, STATE_STOPPED
from apscheduler.triggers.base import BaseTrigger
from apscheduler.util import astimezone, undefined
from loguru import logger

from . import declaration, triggers
from .declaration import Job, Options, call_site, fail
from .errors import nearest
from .from_now import read_next_run_time
from .ledger import definitions
from .ledger.database import Ledger
from .listeners import Listeners
from .process import Process
from .refused import NO_EXECUTORS, NO_JOBSTORES, DurableOnly, refuse
from .settings import SchedulerSettings
from .settings import settings as application_settings

_OPTION_NAMES = {field.name for field in dataclasses.fields(Options)}
_DECLARING_NAMES = {"args", "kwargs", "id", "name", "next_run_time", "replace_existing"}


class AsyncIOScheduler(DurableOnly):
    """A schedule, and, once started, what keeps it.

    Args:
        gconfig, options: as in APScheduler; `timezone` and `job_defaults` are used, what would bypass the
            ledger (`jobstores`, `executors`) is refused.

    Use `async with create_scheduler():` inside an asyncio application, or `python -m app run`.

    Raises:
        ScheduleError: something declared is wrong; the sentence begins with its file and line.
    """

    def __init__(self, gconfig: dict[str, Any] | None = None, **options: Any) -> None:
        self._declared: dict[str, Job] = {}
        self._process: Process | None = None
        self.ended = asyncio.Event()
        super().__init__(gconfig or {}, **options)
        self.listeners = Listeners(lambda: list(self._listeners))

    # --- declaring ---

    def _configure(self, config: dict[str, Any]) -> None:
        where = call_site()
        for name, instead in (("jobstores", NO_JOBSTORES), ("executors", NO_EXECUTORS)):
            if config.pop(name, None):
                refuse(where, f"{name}=", instead)
        self._options = config.pop("job_defaults", None) or {}
        for name in self._options:
            if name not in _OPTION_NAMES:
                raise fail(where, None, f"job_defaults has no {name!r}{nearest(name, _OPTION_NAMES)}")
        zone = config.pop("timezone", None)
        try:
            self._given_zone = astimezone(zone)
        except (KeyError, ValueError, TypeError, OSError):
            raise fail(where, None, triggers.bad_zone(zone)) from None
        config.pop("event_loop", None)
        config.pop("logger", None)
        config.pop("jobstore_retry_interval", None)
        if config:
            known = ("timezone", "job_defaults")
            name = next(iter(config))
            raise fail(where, None, f"AsyncIOScheduler takes no {name}={nearest(name, known)}")

    @property
    def settings(self) -> SchedulerSettings:
        """The application's settings."""
        return application_settings()

    @property
    def ledger(self) -> Ledger:
        """Where this schedule's ledger is."""
        return Ledger(self.settings.database_url)

    @property
    def timezone(self) -> Any:
        """The zone in which triggers without one are read: the argument, else SCHEDULER_TIMEZONE."""
        return self._given_zone or ZoneInfo(self.settings.scheduler_timezone)

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
        **trigger_args: Any,
    ) -> Job:
        """Declare a job, with APScheduler's own arguments and a few more.

        Args:
            func: a function, a coroutine function, or text `package.module:name`.
            trigger: `cron`, `interval`, `date`, `calendarinterval`, `and`, `or`, or a trigger object; None,
                like `date` without a date, means once at each start.
            id: what the ledger knows the job by. Without it, one is derived from function, trigger and
                arguments.
            misfire_grace_time, coalesce, max_instances, max_catch_up, timeout, retries, retry_delay,
                on_crash: see `declaration.Options`.
            next_run_time: None to begin paused; datetime.now() to run at each start as well.
            replace_existing: accepted; a declaration always replaces what the ledger knew.
            trigger_args: what the trigger takes; `timezone` as an IANA name or tzinfo.

        Raises:
            ScheduleError: with the line of this call.
        """
        where = call_site()
        options = {
            "misfire_grace_time": misfire_grace_time,
            "coalesce": coalesce,
            "max_instances": max_instances,
            "max_catch_up": max_catch_up,
            "timeout": timeout,
            "retries": retries,
            "retry_delay": retry_delay,
            "on_crash": on_crash,
        }
        label = id if isinstance(id, str) else None
        if self.running:
            raise fail(where, label, "jobs are declared before the start, in create_scheduler()")
        if jobstore != "default":
            refuse(where, f"jobstore={jobstore!r}", NO_JOBSTORES)
        if executor != "default":
            refuse(where, f"executor={executor!r}", NO_EXECUTORS)
        try:
            job = self._job(func, trigger, args, kwargs, id, name, options, trigger_args, where)
            self._read_next_run_time(job, next_run_time)
        except ValueError as problem:
            raise fail(where, label, problem) from None
        if job.id in self._declared:
            first = self._declared[job.id].where
            what = "is taken by the job declared at" if id else "was derived for an identical call at"
            raise fail(where, None, f"the id {job.id!r} {what} {first}: give each an id= of its own")
        self._declared[job.id] = job
        return job

    def scheduled_job(self, trigger: Any, *args: Any, **kwargs: Any) -> Callable[[Any], Any]:
        """Declare the decorated function as a job: `add_job` as a decorator."""

        if callable(trigger) and not isinstance(trigger, BaseTrigger):
            raise fail(call_site(), None, "write the trigger in parentheses: @scheduler.scheduled_job(...)")

        def declare(func: Any) -> Any:
            self.add_job(func, trigger, *args, **kwargs)
            return func

        return declare

    def add_listener(self, callback: Callable[[Any], Any], mask: int = EVENT_ALL) -> None:
        """Call `callback(event)` for events of `mask`, on a thread that serves nothing else."""
        if not callable(callback):
            raise fail(call_site(), None, f"add_listener({callback!r}) needs a function")
        super().add_listener(callback, mask)

    def get_jobs(self, jobstore: str | None = None, pending: bool | None = None) -> list[Job]:
        """Return the declared jobs, in the order of their declaration."""
        return list(self._declared.values())

    def get_job(self, job_id: str, jobstore: str | None = None) -> Job | None:
        """Return a declared job, or None."""
        return self._declared.get(job_id)

    def print_jobs(self, jobstore: str | None = None, out: TextIO | None = None) -> None:
        """Print the declared jobs, one a line, to `out` or standard output."""
        for job in self._declared.values():
            print(f"{job.id}: {job.name} (trigger: {job.trigger}, next: {job.next_run_time})", file=out)

    def remove_job(self, job_id: str, jobstore: str | None = None) -> None:
        """Take back a declaration, before the start."""
        if self.running or job_id not in self._declared:
            raise fail(call_site(), job_id, "only a declared job can be removed, and only before the start")
        del self._declared[job_id]

    def remove_all_jobs(self, jobstore: str | None = None) -> None:
        """Take back all declarations, before the start."""
        for job_id in list(self._declared):
            self.remove_job(job_id)

    def pause_job(self, job_id: str, jobstore: str | None = None) -> None:
        """Pause a job until it is resumed, over restarts too. Before the start: paused at first."""
        job = self._known(job_id)
        if self._process is None:
            job.paused_at_first = True
        else:
            self._process.writer.submit(
                lambda connection: definitions.pause(connection, job_id, None), keep=True
            )

    def resume_job(self, job_id: str, jobstore: str | None = None) -> None:
        """Resume a paused job. What fell into the pause is recorded and not caught up."""
        job = self._known(job_id)
        if self._process is None:
            refuse(
                call_site(),
                "resume_job() before the start",
                f"a pause lasts until somebody ends it: python -m app resume {job_id}",
            )
        else:
            self._process.writer.submit(lambda connection: definitions.resume(connection, job), keep=True)

    # --- running ---

    def start(self, paused: bool = False) -> None:
        """Start on the running event loop. Blocks for the moment that opening the ledger takes.

        Prefer `async with`, which also drains and stops.

        Raises:
            LedgerError: the ledger cannot be used; nothing was started.
        """
        if self.running:
            raise SchedulerAlreadyRunningError
        if paused:
            refuse(
                call_site(),
                "start(paused=True)",
                "pause single jobs: a pause must last over restarts",
            )
        asyncio.get_running_loop()
        self._begin(self._open())

    async def __aenter__(self) -> Self:
        if self.running:
            raise SchedulerAlreadyRunningError
        self._begin(await asyncio.to_thread(self._open))
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.drain()

    async def drain(self, hurry: asyncio.Event | None = None, *, ending: bool = False) -> int:
        """Stop: start nothing more, give runs SCHEDULER_SHUTDOWN_GRACE_TIME seconds, write down the rest.

        `hurry` cuts the grace time short when it is set. Returns the number of runs that were cut.
        """
        process, self._process = self._process, None
        self.state = STATE_STOPPED
        cut = await process.drain(hurry, ending=ending) if process else 0
        self.ended.set()
        return cut

    def shutdown(self, wait: bool = True) -> None:
        """Begin to stop, as `drain` does, and return at once; for code written for APScheduler."""
        if not self.running or self._process is None:
            raise SchedulerNotRunningError
        hurry = asyncio.Event()
        if not wait:
            hurry.set()

        def begin() -> None:
            self._draining = asyncio.ensure_future(self.drain(hurry))

        # Also from a job's own thread.
        self._process.call_soon(begin)

    def _open(self) -> Process:
        for sentence in self.settings.unknown_variables():
            logger.warning("{}", sentence)
        process = Process(self.get_jobs(), self.settings, self.listeners)
        self.registration = process.open()
        for job in process.jobs:
            if job.id in self.registration.added and job.startup_delay is None and not job.next_run_time:
                logger.warning("job {} will never run: its trigger has no time to come", job.id)
        return process

    def _begin(self, process: Process) -> None:
        process.begin()
        self._process = process
        self.ended = asyncio.Event()
        self.state = STATE_RUNNING

    # --- inside ---

    def _dispatch_event(self, event: Any) -> None:
        self.listeners.emit(event)

    def _job(
        self,
        func: Any,
        trigger: Any,
        args: Any,
        kwargs: Any,
        id: Any,
        name: Any,
        options: dict[str, Any],
        trigger_args: dict[str, Any],
        where: str,
    ) -> Job:
        function = declaration.resolve(func)
        args, kwargs = declaration.call_arguments(args, kwargs)
        declaration.check_arguments(function, args, kwargs)
        known = _OPTION_NAMES | _DECLARING_NAMES
        made = triggers.make(trigger, trigger_args, known)
        schedule = triggers.compile_trigger(made, self.timezone)
        if id is None:
            id = declaration.derive_id(function, schedule, args, kwargs)
        if not isinstance(id, str) or not id.strip() or not id.isprintable():
            raise ValueError(f"id={id!r} must be text, not empty and without control characters")
        return Job(
            id=id,
            name=str(name or declaration.function_name(function)).encode(errors="replace").decode(),
            func=function,
            args=args,
            kwargs=kwargs,
            schedule=schedule,
            options=self._checked_options(options),
            where=where,
            startup_delay=schedule.startup_delay,
        )

    def _checked_options(self, given: dict[str, Any]) -> Options:
        chosen: dict[str, Any] = {"misfire_grace_time": self.settings.scheduler_misfire_grace_time}
        chosen |= self._options
        chosen |= {name: value for name, value in given.items() if value is not undefined}
        options = Options(**chosen)
        options.check()
        return options

    def _read_next_run_time(self, job: Job, value: Any) -> None:
        if value is undefined:
            return
        if value is None:
            job.paused_at_first = True
        else:
            zones = [self.timezone, job.schedule.zone]
            job.startup_delay = read_next_run_time(value, zones)

    def _known(self, job_id: str) -> Job:
        if job_id not in self._declared:
            raise fail(call_site(), job_id, f"there is no such job{nearest(job_id, self._declared)}")
        return self._declared[job_id]
