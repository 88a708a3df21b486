"""Start, drain and stop of the scheduler in one process."""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from apscheduler import events
from everytick.errors import LedgerError, LedgerUnavailable
from everytick.liveness import Beacon
from everytick.model import ticks
from everytick.model.job import Job
from everytick.store import joining, requests, runs, schedule_digest, workers
from everytick.store.connections import UNAVAILABLE, Connection, Scope
from everytick.store.database import Ledger
from everytick.store.records import Claim, Identity, Registration, Room
from everytick.store.writer import Operation, Writer
from everytick.system import free_children_of_jobs, system
from everytick.text.wording import counted, cut_list
from loguru import logger

from . import capture, children
from .added_jobs import AddedJobs
from .backfilling import Backfilling
from .clock import Clock
from .context import current_run, running_loop
from .heartbeats import JOIN_SECONDS, Heartbeats, join
from .listeners import Listeners
from .listening import Listening
from .live_logs import LiveLogs
from .live_progress import LiveProgress
from .parts import Parts
from .ports import RunNotifier, SpanOpener
from .registry import Change, Registry
from .removals import Removals
from .repair import aside, let_no_log_line_raise
from .runner import Runner
from .watchdog import Watchdog

if TYPE_CHECKING:
    from everytick.settings import SchedulerSettings

# How long a start waits for a ledger that another program holds (R12).
_START_PATIENCE = 30.0
# How long a caller waits for the ledger; on the event loop no longer than one retry interval (R12).
_PATIENCE, _LOOP_PATIENCE = 10.0, 1.0


class Process:
    """One start of the scheduler: opened (blocking), begun on an event loop, drained, closed."""

    def __init__(
        self,
        declared: Sequence[Job],
        settings: SchedulerSettings,
        ledger: Ledger,
        defaults: dict[str, Any],
        listeners: Listeners,
        notifier: RunNotifier,
        open_span: SpanOpener | None,
    ) -> None:
        self.ledger, self._declared = ledger, declared
        self._registry = Registry(declared, defaults, settings.allowed_functions, settings.job_filter)
        self.jobs = self._registry.jobs
        self._notifier, self._settings, self._listeners = notifier, settings, listeners
        digest = schedule_digest.digest_of(declared)
        self._me = Identity.new(settings.role, digest, settings.job_filter, settings.group_limits)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._watchdog: Watchdog | None = None
        self._beacon, self.writer = Beacon(ledger.full_place), Writer(ledger, self._pulse, self._glance)
        self._parts = Parts()
        self._heartbeats = Heartbeats(
            self._me,
            self._registry,
            settings.scheduler_history_days,
            self._take_over,
            self._room_to_take,
            self._answers,
            self.writer.look_again,
            self._parts,
            listeners.missed,
        )
        self._live_logs, self._live_progress = LiveLogs(), LiveProgress()
        self._backfilling = Backfilling()
        most, allowed = settings.scheduler_max_workers, settings.allowed_functions
        self._runner = Runner(self.jobs, self._me, self.writer, most, allowed, listeners, notifier, open_span)
        admission, claimers = self._runner.admission, self._heartbeats.claimers
        self._clock = Clock(
            self._registry.enabled, self._me, self.ledger, self.writer, admission, listeners, claimers
        )
        self._listening, self._closing = Listening(ledger, self._me, self.writer), threading.Lock()
        self._added = AddedJobs(
            self._me, self._registry, self.writer, self._clock, listeners, lambda: self._loop
        )
        self._removals = Removals(self._me, self._registry, self.writer, lambda: self._heartbeats.taking)

    def open(self, *, is_whole: bool = True) -> Registration:
        """Prepare the ledger and join those who use it. Blocks; nothing runs yet.

        `is_whole`: the code declares nothing after that; else see `declare`.

        Raises:
            LedgerError: the ledger cannot be used; nothing was started.
        """
        self.ledger.prepare(_START_PATIENCE)
        # By the clock of the ledger's server, which was heard by now.
        self._opened = ticks.now()
        try:
            self.writer.start()
        except UNAVAILABLE as problem:
            raise LedgerError(self.ledger.unusable(problem)) from None
        workers.ALIVE_HERE.add(self._me.process_id)
        try:
            self._registration = join(
                self.writer, self.ledger, self._me, self._declared, _START_PATIENCE, is_whole=is_whole
            )
        except BaseException as problem:
            self._close_ledger()
            if isinstance(problem, LedgerUnavailable):
                raise LedgerError(self.ledger.unusable(problem)) from None
            if self.ledger.is_damage(problem):
                raise LedgerError(self.ledger.damaged(problem)) from None
            raise
        self._heartbeats.joined(self._registration)
        self._removals.joined(self._registration)
        self._watermarks = self._registry.joined(self._registration)
        self._registry.tell_of_disabled(is_whole=is_whole)
        self._registry.tell_of_groups(self._me.group_limits, is_whole=is_whole)
        self._added.keep_options(self._registration.jobs_added)
        if unreadable := sorted(set(self._registration.unreadable)):
            logger.error(
                "{} with a row that cannot be read, which does not run until that is mended: {}",
                counted(len(unreadable), "job"),
                cut_list(unreadable),
            )
        return self._registration

    def begin(self) -> None:
        """Let the clock run on the running event loop."""
        self._loop = asyncio.get_running_loop()
        # What was given back while the loop was blocked may wait for a slot of this process.
        self._watchdog = Watchdog(self._loop, self.writer.hurry)
        self._beacon.begin()
        capture.attach(self._settings.log_level)
        let_no_log_line_raise()
        free_children_of_jobs(current_run)
        children.remember()
        self._runner.admission.begin()
        self._take_over_now(self._registration.claims)
        if self._me.role.claims:
            self._clock.start(self._watermarks)
        self._listening.start()
        if self._me.role.runs:
            self._runner.admission.when_free = self._take_more
        self._heartbeats.taking = True
        if self._me.group_limits:
            self.writer.hurry()
        self._removals.wait_for(self._registration.awaited)
        self._notifier.start(self.ledger, self.writer, self._me, self.jobs, self._opened)
        self._listeners.added(job.id for job in self._declared)
        self._listeners.emit(events.SchedulerEvent(events.EVENT_SCHEDULER_STARTED))

    async def drain(self, hurry: asyncio.Event | None = None, *, ending: bool = False) -> int:
        """Stop claiming, give back what was reserved, let runs end, write it all down, leave (R11).

        `ending`: the interpreter exits next, so functions that still run are recorded as interrupted.
        Without it their leases are kept until their threads end. Returns how many runs had to be cut, or
        could not be recorded.
        """
        self._take_no_more()
        # Together: a claim under way may wait for a ledger that does not answer, and a hurry must not.
        draining = self._runner.drain(self._settings.scheduler_shutdown_grace_time, hurry or asyncio.Event())
        _, cut = await asyncio.gather(self._clock.stop(), draining)
        if ending:
            self._runner.interrupt_threads_left()
        self._listeners.emit(events.SchedulerEvent(events.EVENT_SCHEDULER_SHUTDOWN))
        if self._runner.left and not ending:
            logger.warning(
                "the leases are kept of {} on threads", counted(self._runner.left, "running function")
            )
            # On the thread of the last one: a job may have left no room for another thread.
            self._runner.when_none_is_left = self._close
        if not self._runner.left:
            cut += await aside(self._close)
        self._beacon.end()
        return cut

    def abandon(self) -> None:
        """Leave without the event loop, which runs no more. Blocks for some seconds; from any thread."""
        self._take_no_more()
        self._runner.abandon()
        self._runner.when_none_is_left = self._close
        if not self._runner.left:
            self._close()
        self._beacon.end()

    def _take_no_more(self) -> None:
        self._heartbeats.taking = False
        self._listening.stop()
        self._watchdog = None

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The event loop on which it was begun."""
        assert self._loop is not None, "begin() comes first"
        return self._loop

    @property
    def is_here(self) -> bool:
        """Whether this is the process that opened it, and not a child that was forked from that one."""
        return system.pid() == self._me.pid

    async def until_none_is_left(self) -> None:
        """Wait until the functions have ended that still run after a drain."""
        while self._runner.left:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.1)

    @property
    def sees_others(self) -> bool:
        """Whether other processes use the ledger, as of the last heartbeat."""
        return self._heartbeats.sees_others

    def execute(self, operation: Operation) -> Any:
        """Return what an operation returns, after its commit; from any thread.

        On the event loop this waits for as long as a blocked ledger may delay the schedule, no longer.

        Raises:
            LedgerError: the ledger did not answer; nothing was done.
        """
        doing = self.writer.submit(operation, scope=Scope.RARE)
        on_loop = running_loop() is self._loop
        try:
            try:
                return doing.result(_LOOP_PATIENCE if on_loop else _PATIENCE)
            except TimeoutError:
                if doing.cancel():
                    raise LedgerError(self.ledger.unusable("locked; nothing was changed")) from None
            # The writer has begun the operation: only its commit is to be waited for.
            return doing.result(JOIN_SECONDS)
        except LedgerUnavailable as problem:
            raise LedgerError(self.ledger.unusable(problem)) from None
        except TimeoutError:
            why = "it does not answer; it is not known whether anything was changed"
            raise LedgerError(self.ledger.unusable(why)) from None

    def declare(self, job: Job) -> Registration:
        """Take in a job that the code declares after the start, as if it had been there; from any thread.

        Raises:
            LedgerError: as by `execute`.
        """
        start, found = self._registration, Registration(0, {}, lost=0)
        with self._registry.declaring(job):
            if self._me.role.claims:
                found = self.execute(lambda connection: joining.declare(connection, self._me, job, start))
        self.call_soon(functools.partial(self._declared_now, job, found))
        return found

    def _declared_now(self, job: Job, found: Registration) -> None:
        if job.id in found.watermarks and job.id in self._registry.enabled:
            self._clock.declare(job, found.watermarks[job.id])
        self._heartbeats.moving |= found.moving
        self._take_over_now(found.claims)
        # A run of a start may wait for a place in its group (R14).
        self.writer.hurry()
        self._listeners.added([job.id])

    def take_back(self, job_id: str) -> None:
        """Let go of a job that the code declared, and no longer does; from any thread.

        Like one that it never declared it is removed from the ledger, if it does not come again in time.
        """
        self._registry.take_back(job_id)
        self.call_soon(functools.partial(self._clock.drop, job_id))
        self.call_soon(functools.partial(self._removals.wait_for, [job_id]))

    def take_in(self, changes: list[Change]) -> None:
        """Go on with jobs that were added, changed or removed; from any thread."""
        self._added.take_in(changes)

    def call_soon(self, function: Callable[[], None]) -> None:
        """Call a function on the event loop, from any thread."""
        self.loop.call_soon_threadsafe(function)

    def _room_to_take(self) -> Room:
        """Return how many runs could be taken over; none while the event loop is blocked."""
        return self._runner.room() if self._me.role.runs and self._answers() else Room(0)

    def _take_more(self, job_id: str, has_slot: bool) -> None:
        """Look at once for runs that wait, now that one of this job has ended (R14)."""
        admission, heartbeats = self._runner.admission, self._heartbeats
        frees = heartbeats.may_free(job_id) or job_id in self._backfilling.jobs
        if frees:
            # Another process may have the slot, or serve the queue, of what waits for this.
            self.writer.wake_others()
        if frees or (has_slot and (heartbeats.may_have_left or admission.has_requeued)):
            heartbeats.may_have_left = admission.has_requeued = False
            self.writer.hurry()

    def _answers(self) -> bool:
        watchdog = self._watchdog
        return watchdog is None or not watchdog.stalled

    def _pulse(self, connection: Connection) -> bool:
        if self._heartbeats.taking and self._loop is not None and self._loop.is_closed():
            logger.error("the event loop was closed under the schedule, which ends: use `async with`")
            system.start_thread(self.abandon, name="scheduler-close", daemon=False)
            return False
        # Another thread, which ends the process, may take it away at any moment.
        watchdog = self._watchdog
        if watchdog is not None:
            watchdog.look(busy=bool(self._runner.admission.slots))
        do, serial = self._parts.do, self._registry.serial
        runs_wait = self._heartbeats.runs_wait or bool(self._backfilling.jobs)
        looks = do("the look for news", self._listening.may_be_news, connection, serial, runs_wait)
        if looks is not False:
            do("the backfills", self._make_runs, connection)
        has_beaten = self._heartbeats.pulse(connection, looks=looks is not False)
        do("the logs of runs", self._live_logs.write, connection, self._runner.logging())
        do("the progress of runs", self._live_progress.write, connection, self._runner.reporting())
        # Where that failed it looks.
        if looks is not False:
            do("the cancellation of runs", self._cancel_unwanted, connection)
            if self._heartbeats.taking:
                do("the look for added jobs", self._added.look, connection)
        return has_beaten

    def _glance(self) -> bool:
        """Look whether the loop enters what was claimed; see `Writer`. On the ledger's thread."""
        watchdog = self._watchdog
        return watchdog is not None and watchdog.give_back(self._runner.admission)

    def _make_runs(self, connection: Connection) -> None:
        if self._heartbeats.taking and self._backfilling.go_on(connection):
            self.writer.look_again(0.0)

    def _cancel_unwanted(self, connection: Connection) -> None:
        unwanted = requests.to_cancel(connection, self._me)
        if unwanted and self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._runner.cancel, unwanted)

    def give_up(self) -> None:
        """Leave again, opened and not begun."""
        self._close_ledger(lambda connection: workers.leave(connection, self._me))

    def _close(self) -> int:
        # Once: after the drain, or when the last function has ended that it left.
        if not self._closing.acquire(blocking=False):
            return 0
        self._listeners.close()
        self._notifier.stop()
        return self._close_ledger(lambda connection: workers.leave(connection, self._me))

    def _close_ledger(self, last: Operation | None = None) -> int:
        # Not before all outcomes are recorded: runs that it still held would count as lost.
        unsaved = self.writer.close(last)
        workers.ALIVE_HERE.discard(self._me.process_id)
        if unsaved:
            logger.error("{} could not be written to the ledger", counted(unsaved, "outcome"))
        return unsaved

    def _take_over(self, claims: list[Claim]) -> None:
        """Called on the ledger's thread with runs that others gave back."""
        if self._loop is None or self._loop.is_closed():
            me = self._me
            self.writer.submit(lambda connection: runs.release(connection, me, claims), keep=True)
        else:
            self._loop.call_soon_threadsafe(self._dispatch, self._runner.admission.hold_all(claims))

    def _take_over_now(self, claims: list[Claim]) -> None:
        self._dispatch(self._runner.admission.hold_all(claims))

    def _dispatch(self, held: list[list[Claim]]) -> None:
        self._listeners.submitted(held)
        self._runner.admission.dispatch(held)
