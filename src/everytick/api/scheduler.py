"""`AsyncIOScheduler`: APScheduler's class for those who declare, with the ledger behind it.

The class takes the calls that people write for APScheduler 3. An option that cannot work durably is refused
with a sentence when it is declared. APScheduler's own loop, job stores and executors are not used: the room
`engine` claims the due ticks, and calls the functions.
"""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import tzinfo
from typing import TYPE_CHECKING, Any, Self, TextIO, TypeVar
from weakref import WeakSet

from apscheduler.events import EVENT_ALL
from apscheduler.schedulers import SchedulerAlreadyRunningError, SchedulerNotRunningError
from apscheduler.schedulers.base import STATE_RUNNING, STATE_STOPPED
from everytick import app
from everytick.call_site import call_site, fail, frames_above
from everytick.engine.context import current_run
from everytick.engine.listeners import Listeners
from everytick.errors import LedgerError, nearest
from everytick.model import ticks
from everytick.model.job import OPTION_NAMES, Job
from everytick.notify.notifier import Notifier
from everytick.system import at_end_of_program, system
from everytick.telemetry import spans
from everytick.text.instants import when
from everytick.text.wording import counted, cut_list
from loguru import logger

from .control import declared_job
from .declare import refuse_former_id_in_use
from .opening import Opening
from .standing import Standing
from .unsupported import NO_EXECUTORS, NO_JOBSTORES, DurableOnly, refuse
from .zones import zone_given

if TYPE_CHECKING:
    from everytick.engine.process import Process

T = TypeVar("T")

# How many seconds a job that calls shutdown(wait=False) gets to end by itself.
MOMENT = 0.5
# How long behind the grace time the end of a program waits for runs to be cut and outcomes to be written.
CLEAN_UP = 10.0


class AsyncIOScheduler(Standing, DurableOnly):
    """A schedule, and, once started, what keeps it.

    Args:
        gconfig, options: as in APScheduler; `timezone` and `job_defaults` are used, what would bypass the
            ledger (`jobstores`, `executors`) is refused.

    Use `async with create_scheduler():` inside an asyncio application, or `python -m app run`.

    Raises:
        ScheduleError: something declared is wrong; the sentence begins with its file and line.

    Example:
        from everytick import AsyncIOScheduler
        from shop.tasks import remind

        def create_scheduler() -> AsyncIOScheduler:
            scheduler = AsyncIOScheduler(timezone="Europe/Berlin")
            scheduler.add_job(remind, "cron", hour=9, args=["you"], id="reminder", retries=3)
            return scheduler
    """

    def __init__(self, gconfig: dict[str, Any] | None = None, **options: Any) -> None:
        self._declared: dict[str, Job] = {}
        # By the id that it had before.
        self._renamed: dict[str, Job] = {}
        # Where the scheduler is a process of its own, shutdown() ends that process instead.
        self.on_shutdown: Callable[[bool], None] | None = None
        self._draining: asyncio.Future[int] | None = None
        self._has_ended = False
        given: Any = gconfig
        if not isinstance(given, dict | None):
            instead = "give options by their names, such as timezone='Europe/Berlin'"
            raise fail(call_site(), None, f"the first argument of {type(self).__name__} is a dict: {instead}")
        super().__init__(gconfig or {}, **options)
        self.listeners = Listeners(lambda: list(self._listeners), self._zone_of)

    # --- declaring ---

    def _configure(self, config: dict[str, Any]) -> None:
        where = call_site()
        for name, instead in (("jobstores", NO_JOBSTORES), ("executors", NO_EXECUTORS)):
            if config.pop(name, None):
                refuse(where, f"{name}=", instead)
        self._job_defaults = given = config.pop("job_defaults", None) or {}
        if not isinstance(given, dict):
            raise fail(where, None, f"job_defaults={given!r:.200} must be a dict, such as dict(retries=3)")
        # Configured again: drop the options that were computed from the former defaults.
        self.__dict__.pop("_named_none", None)
        for name in self._job_defaults:
            if name not in OPTION_NAMES:
                raise fail(where, None, f"job_defaults has no {name!r}{nearest(name, OPTION_NAMES)}")
        zone = config.pop("timezone", None)
        try:
            self._given_zone = None if zone is None else zone_given(zone)
        except ValueError as problem:
            raise fail(where, None, f"timezone={problem}") from None
        config.pop("event_loop", None)
        config.pop("logger", None)
        config.pop("jobstore_retry_interval", None)
        if config:
            known = ("timezone", "job_defaults")
            name = next(iter(config))
            raise fail(where, None, f"{type(self).__name__} takes no {name}={nearest(name, known)}")

    @property
    def timezone(self) -> tzinfo:
        """The zone in which triggers without one are read: the argument, else SCHEDULER_TIMEZONE."""
        return self._given_zone or self.settings.zone

    def _accept(self, job: Job, *, named: bool, replace_existing: bool) -> Job:
        if job.added:
            note = self._told_as_of_each_start(job)
            return self._keep(job, named=named, replace_existing=replace_existing, note=note)
        if current_run() is not None:
            raise LedgerError(f"{job.where}: the scheduler has stopped, so the job {job.id!r} was not added")
        if self._has_ended:
            logger.warning(
                "{}: job {} was added after the end: it takes effect at the next start()",
                job.where,
                job.id,
            )
        if job.id in self._declared and not (self._is_started() and replace_existing):
            first = self._declared[job.id].where
            what = "is taken by the job declared at" if named else "was derived for an identical call at"
            raise fail(job.where, None, f"the id {job.id!r} {what} {first}: give each an id= of its own")
        if self._renamed or job.renamed_from is not None:
            refuse_former_id_in_use(job, self._declared, self._renamed)
        process = self._process
        if process is not None:
            found = process.declare(job)
            self._tell_of(job, found.watermarks.get(job.id) if job.id in found.added else None)
        self._declared[job.id] = job
        if job.renamed_from is not None:
            self._renamed[job.renamed_from] = job
        return job

    def remove_job(self, job_id: str, jobstore: str | None = None, *, note: str | None = None) -> None:
        """Remove a job that was added while running: it never runs again. Its history stays.

        In the code that declares jobs this takes back a declaration.

        Args:
            note: why, for the audit trail.

        Raises:
            ScheduleError: there is no such job, or it stands in the code of a schedule that runs.
        """
        process = self._process
        if process is None or not self._is_declaring():
            super().remove_job(job_id, jobstore, note=note)
            return
        job = self.get_job(job_id)
        if job is not None and job.added:
            super().remove_job(job_id, jobstore, note=note)
            return
        # A job that only an earlier start has declared cannot be taken back: there is no such job yet.
        del self._declared[declared_job(self._declared, job_id).id]
        process.take_back(job_id)

    def add_listener(self, callback: Callable[[Any], Any], mask: int = EVENT_ALL) -> None:
        """Call `callback(event)` for events of `mask`, on a thread that serves nothing else."""
        if not callable(callback):
            raise fail(call_site(), None, f"add_listener({callback!r}) needs a function")
        super().add_listener(callback, mask)

    def print_jobs(self, jobstore: str | None = None, out: TextIO | None = None) -> None:
        """Print the jobs, one a line, to `out` or standard output."""
        paused = self.paused_jobs()
        for job in self.get_jobs():
            comes = "paused" if job.id in paused else _coming(job)
            print(f"{job.id}: {job.name} (trigger: {job.trigger}, {comes})", file=out)

    def remove_all_jobs(self, jobstore: str | None = None) -> None:
        """Take back all declarations; while running, remove all jobs that were added while running."""
        for job in self.get_jobs():
            if job.added or not self._is_stored():
                self.remove_job(job.id)

    # --- running ---

    def start(self, paused: bool = False) -> None:
        """Start on the running event loop. Blocks for the moment that opening the ledger takes.

        What the code that calls this declares below is a part of the schedule as well.

        Prefer `async with`, which also drains and stops.

        Raises:
            LedgerError: the ledger cannot be used; nothing was started.
        """
        self._check_start(paused)
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            raise fail(
                call_site(),
                None,
                "start() needs a running event loop: call it in a coroutine, or leave it out and let a"
                f" function return the scheduler, for `{app.typed('run')}`",
            ) from None
        self._begin(self._open())

    def _check_start(self, paused: bool) -> None:
        self._forget_start_elsewhere()
        if self.running:
            raise SchedulerAlreadyRunningError
        self._started_by, self._declares_late = frames_above(), True
        if paused:
            refuse(call_site(), "start(paused=True)", "pause single jobs: a pause must last over restarts")

    async def __aenter__(self) -> Self:
        if self.running:
            raise SchedulerAlreadyRunningError
        self._started_by, self._declares_late = frames_above(), False
        opening = Opening(self._open)
        try:
            self._begin(await system.in_thread(opening.run))
        except asyncio.CancelledError:
            opening.give_up()
            raise
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.drain()

    async def drain(self, hurry: asyncio.Event | None = None, *, ending: bool = False) -> int:
        """Stop: start nothing more, give runs SCHEDULER_SHUTDOWN_GRACE_TIME seconds, write down the rest.

        `hurry` cuts the grace time short when it is set. Returns the number of runs that were cut. A second
        call waits for the end of the first.
        """
        process = self._process
        if process is None:
            return 0
        self.state = STATE_STOPPED
        if self._draining is None:
            self._draining = asyncio.ensure_future(self._drain(process, hurry, ending))
        return await asyncio.shield(self._draining)

    async def _drain(self, process: Process, hurry: asyncio.Event | None, ending: bool) -> int:
        try:
            if not ending:
                return await process.drain(hurry)
            return await in_spite_of_jobs(lambda: process.drain(hurry, ending=True))
        finally:
            # Until here jobs that are ending may still add others, which are kept for the next start.
            self._own_process = self._draining = None
            self._started_by = ()
            self._has_ended = True

    def shutdown(self, wait: bool = True) -> None:
        """Begin to stop, as `drain` does, and return at once; for code written for APScheduler."""
        if self._forget_start_elsewhere():
            # What shuts it down was written for the process that it runs in, as a function of `atexit`.
            return
        process = self._process
        if not self.running or process is None:
            raise SchedulerNotRunningError
        if process.loop.is_closed():
            process.abandon()
            self._become_client()
            self._forget_start_elsewhere()
            return
        # Also from a job's own thread.
        process.call_soon(functools.partial(self.on_shutdown or self._shutdown, wait))

    def _end_with_program(self) -> None:
        """Let what runs have its outcome where the program ends and the schedule still stands."""
        process = self._own_process
        if process is None or not process.is_here:
            return
        if not process.loop.is_running():
            process.abandon()
        elif self._thread.daemon:
            # It would end amid what it does.
            draining = asyncio.run_coroutine_threadsafe(self.drain(), process.loop)
            with suppress(Exception):
                draining.result(self.settings.scheduler_shutdown_grace_time + CLEAN_UP)
        else:
            return
        # Functions of `atexit` may still use the scheduler: shutdown() does nothing then.
        self._become_client()

    def _shutdown(self, wait: bool) -> None:
        hurry = asyncio.Event()
        if not wait:
            asyncio.get_running_loop().call_later(MOMENT, hurry.set)
        self._stopping = asyncio.ensure_future(self.drain(hurry))

    def _open(self) -> Process:
        # A command that only reads a schedule does without all that runs it.
        from everytick.engine.process import Process

        self.check_offers()
        for sentence in self.settings.unknown_variables():
            logger.warning("{}", sentence)
        process = Process(
            self.get_jobs(),
            self.settings,
            self.ledger,
            self.defaults,
            self.listeners,
            Notifier(self.settings),
            spans.opener(),
        )
        self.registration = found = process.open(is_whole=not self._declares_late)
        for sentence in self.ledger.remarks():
            logger.warning("{}", sentence)
        queues = {job.options.queue for job in process.jobs.values()}
        for queue in self.settings.role.without_a_job(queues) if queues else ():
            logger.warning(
                "SCHEDULER_QUEUES: no job has the queue {}; the jobs' are {}", queue, cut_list(sorted(queues))
            )
        if found.lost:
            logger.warning("recorded as lost: {} of a process that died", counted(found.lost, "run"))
        added = set(found.added)
        for job in process.jobs.values():
            job.owner = self
            # From where its ticks are looked for next: so they are computed once.
            self._tell_of(job, found.watermarks.get(job.id) if job.id in added else None)
        return process

    @staticmethod
    def _tell_of(job: Job, new_since: int | None) -> None:
        if job.schedule.remark:
            logger.warning("{}: job {}: {}", job.where, job.id, job.schedule.remark)
        if new_since is not None and job.startup_delay is None and job.next_tick(new_since) is None:
            logger.warning("job {} will never run: its trigger has no time to come", job.id)

    def _begin(self, process: Process) -> None:
        process.begin()
        self._own_process, self._thread = process, threading.current_thread()
        _begun.add(self)
        self.state = STATE_RUNNING

    # --- inside ---

    def _dispatch_event(self, event: Any) -> None:
        self.listeners.emit(event)

    def _zone_of(self, job_id: str) -> tzinfo:
        job = self._jobs.get(job_id)
        return self.timezone if job is None else job.schedule.zone


_begun: WeakSet[AsyncIOScheduler] = WeakSet()


@at_end_of_program
def _end_all() -> None:
    for scheduler in list(_begun):
        scheduler._end_with_program()


async def in_spite_of_jobs(step: Callable[[], Awaitable[T]]) -> T:
    """Await a step, once more if it was cancelled, in a process of the scheduler's own.

    Only a job can have done that there, by cancelling all tasks, which does not mean this one.
    """
    task = asyncio.current_task()
    assert task is not None
    while True:
        try:
            return await step()
        except asyncio.CancelledError:
            task.uncancel()
            logger.error("something cancelled the scheduler's own task; it goes on")


def _coming(job: Job) -> str:
    """Return when a job that is not paused runs next."""
    tick = job.next_tick(ticks.now())
    if tick is not None:
        return f"next run at: {when(tick, job.schedule.zone)}"
    return "never again" if job.startup_delay is None else "at each start"
