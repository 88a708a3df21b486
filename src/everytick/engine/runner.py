"""One run, from its start to its outcome. Claimed runs come here through `admission`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import nullcontext
from functools import partial
from typing import Any, ParamSpec

from apscheduler import events
from everytick.model import ticks
from everytick.model.allowed_functions import AllowedFunctions
from everytick.model.job import Job
from everytick.settings import zone_of_logs
from everytick.store import runs
from everytick.store.records import CANCELLED, Claim, Identity, Outcome, Room
from everytick.store.writer import Writer
from everytick.system import system
from everytick.text.durations import exact_seconds
from everytick.text.instants import iso
from everytick.text.wording import counted
from loguru import logger

from . import capture
from .admission import BUSY, Admission
from .attempts import Attempt
from .context import Progress, set_current_run, why_to_end
from .executor import Calls, Returned
from .listeners import Listeners
from .outcomes import Outcomes
from .ports import RunNotifier, SpanOpener
from .reports import Result, report_of, result_now, result_of
from .retry import with_next_attempt
from .run_log import log_end, log_success, tell_in_each_line, tell_no_more
from .safe_errors import safe, safe_now
from .tasks import until_done

P = ParamSpec("P")

# How long a run is certainly ours, and its job not paused for long, after its claim; and how long it is ours
# after a look into the ledger: less than a lease.
_FRESH_SECONDS, _LOOKED_SECONDS = 1.0, 5.0
# How long a coroutine that was cancelled may take to clean up.
_CANCEL_SECONDS = 5.0
_NO_SPAN = nullcontext()


class Runner:
    """Runs what was claimed. Lives on the event loop."""

    def __init__(
        self,
        jobs: Mapping[str, Job],
        me: Identity,
        writer: Writer,
        max_workers: int,
        allowed: AllowedFunctions,
        listeners: Listeners,
        notifier: RunNotifier,
        open_span: SpanOpener | None,
    ) -> None:
        self._jobs = jobs
        self._me, self._writer, self._listeners, self._notifier = me, writer, listeners, notifier
        self._outcomes = Outcomes(writer, me)
        self.admission = Admission(jobs, me, writer, self._outcomes, listeners, max_workers, self._run)
        self._under_way: dict[int, Attempt] = {}
        # A mark for each run whose outcome is about to be written.
        self._ending: set[object] = set()
        # Called when `left` comes to nothing, on the thread of the function that was the last.
        self.when_none_is_left: Callable[[], object] = lambda: None
        self._calls = Calls(max_workers, allowed)
        self._cutting = False
        self._open_span = open_span
        # The tick of the last run, and how log lines show it.
        self._last_tick: tuple[int | None, str | None] = (None, None)

    async def drain(self, grace: float, hurry: asyncio.Event) -> int:
        """Start nothing more, give back what was only reserved, and let runs end within `grace` seconds.

        Runs that still go on then, or when `hurry` is set, are cancelled. Returns the number of runs cut. A
        plain function cannot be cancelled: see `left`.
        """
        self.admission.close()
        slots = self.admission.slots.keys()
        if slots:
            logger.info("waiting up to {} for {}", exact_seconds(grace), counted(len(slots), "running job"))
            await until_done(slots, grace, hurry)
        cut = len(self._under_way)
        self._cutting = True
        for task in slots:
            task.cut()
        if slots:
            await asyncio.wait(slots, timeout=_CANCEL_SECONDS)
        self._give_up_on_deaf()
        self._calls.close()
        return cut

    def abandon(self) -> None:
        """Start nothing more, when the event loop is closed. From any thread.

        Functions on threads go on, and their outcome is written down; coroutines are interrupted.
        """
        self.admission.close()
        self._cutting = True
        for attempt in list(self._under_way.values()):
            thread = attempt.thread
            if thread is None:
                self._end(attempt, "interrupted", error=_INTERRUPTED)
            else:
                thread.add_done_callback(partial(self._thread_ended, attempt))
        self._calls.close()

    def room(self) -> Room:
        """Return how many more runs could begin, and which cannot. From any thread."""
        room = self.admission.room()
        room.under_way = frozenset(list(self._under_way))
        return room

    def cancel(self, unwanted: Mapping[int, int | None]) -> None:
        """End runs on request. A function on a thread can only be told: see `Run.cancel_requested`.

        With each, the tick that is to replace it; None where a person asked.
        """
        for run_id, replaced_by in unwanted.items():
            attempt = self._under_way.get(run_id)
            if attempt is None:
                if claim := self.admission.take_back(run_id):
                    why = why_to_end(self._jobs.get(claim.job_id), replaced_by)
                    self._outcomes.write(Outcome(claim, "cancelled", finished=ticks.now(), error=why))
            elif not attempt.signals.cancel_requested:
                job_id, signals = attempt.claim.job_id, attempt.signals
                signals.why_cancelled = why_to_end(self._jobs.get(job_id), replaced_by)
                signals.cancel_requested = True
                log = logger.bind(job=job_id)
                if not attempt.cancel():
                    wanted = "be cancelled" if replaced_by is None else f"end ({signals.why_cancelled})"
                    log.warning("run {} is to {}, but it is a plain function: it goes on", run_id, wanted)
                    continue
                loop = asyncio.get_running_loop()
                loop.call_later(_CANCEL_SECONDS, self._tell_of_deaf, attempt, "it was cancelled")

    @property
    def left(self) -> int:
        """How many runs have not ended: after a drain, functions that still are on their threads."""
        return len(self._under_way) + len(self._ending)

    def logging(self) -> list[tuple[Claim, capture.Lines]]:
        """Return the runs under way with what they have logged so far. Called on the ledger's thread."""
        held = [(attempt.claim, attempt.lines) for attempt in list(self._under_way.values())]
        return [(claim, lines) for claim, lines in held if lines is not None]

    def reporting(self) -> list[tuple[Claim, Progress]]:
        """Return the runs under way that say how far they are. Called on the ledger's thread."""
        held = [(attempt.claim, attempt.signals.progress) for attempt in list(self._under_way.values())]
        return [(claim, progress) for claim, progress in held if progress]

    def interrupt_threads_left(self) -> None:
        """Record functions that are still running as interrupted: the process is about to end."""
        for attempt in list(self._under_way.values()):
            log_end("WARNING", "interrupted: the process is stopping", job=attempt.claim.job_id)
            self._end(attempt, "interrupted", error=_INTERRUPTED)

    async def _run(self, claims: list[Claim]) -> None:
        """Run the first of some claims, which is taken out when it is entered, or ends without that."""
        admission, claim, now = self.admission, claims[0], ticks.now()
        job = self._jobs.get(claim.job_id)
        if job is None:
            if admission.take_first(claims, claim):
                error = "its job was removed before it could start"
                self._outcomes.write(Outcome(claim, "cancelled", finished=now, error=error))
            return
        if admission.is_missed(claims, job, now):
            return
        # A process that was frozen meanwhile asks the ledger again whether the run is still its own.
        is_fresh = claim.started and system.monotonic() - claim.at <= _FRESH_SECONDS
        while not is_fresh:
            asked = system.monotonic()
            if not await self._start(claim, job):
                admission.take_first(claims, claim)
                return
            # That may have taken long, with a ledger that did not answer.
            now = ticks.now()
            if not admission.may_begin(claims, claim) or admission.is_missed(claims, job, now):
                return
            is_fresh = system.monotonic() - asked <= _LOOKED_SECONDS
        if not admission.take_first(claims, claim):
            return
        attempt = self._under_way[claim.run_id] = Attempt(claim, job, now)
        try:
            tick = self._tick_as_text(claim.tick)
        except Exception as wrong:
            # Whatever is wrong with it: from here on the run has an end, or its job would never run again.
            self._end(attempt, "failed", problem=wrong)
            return
        set_current_run(attempt.run)
        self._tell(job, self._notifier.began, job)
        timeout = job.options.timeout
        limit, alarm = (None, None) if timeout is None else self._limited(attempt, timeout)
        token = tell_in_each_line(
            job=job.id, tick=tick, kind=claim.kind, attempt=claim.attempt, run=claim.run_id
        )
        returned: Returned | None = None
        problem: BaseException | None = None
        try:
            try:
                with _NO_SPAN if self._open_span is None else self._open_span(attempt.run(), claim.due):
                    returned = await self._calls.call(attempt, self.admission.tasks.current(), limit)
            # Also SystemExit and KeyboardInterrupt: a job cannot stop the scheduler (R12).
            except BaseException as raised:
                # Handled below: meanwhile Python goes through all of its chain, which a job may have made as
                # long as it likes, whenever anything else is raised.
                problem = raised
            # Not by `isinstance`, which asks the exception for its `__class__`.
            if problem is not None and issubclass(type(problem), asyncio.CancelledError):
                self._cancelled(attempt, problem)
            elif limit is not None and limit.expired():
                # It may also have ended in its own way instead of letting itself be cancelled.
                await self._timed_out(attempt)
            elif problem is not None:
                await self._failed(attempt, problem)
            else:
                log_success(job)
                result = None
                if returned is not None:
                    result = await result_of(returned.value)
                    returned.is_plain |= result.is_json
                self._end(attempt, "succeeded", returned=returned, result=result)
        finally:
            # Its traceback leads here: all of it would stay until the garbage collector finds that.
            problem = None
            if alarm is not None:
                alarm.cancel()
            tell_no_more(token)

    def _tick_as_text(self, tick: int | None) -> str | None:
        """Return a tick as log lines show it, made once for all jobs that are due together."""
        if tick != self._last_tick[0]:
            self._last_tick = tick, iso(tick, zone_of_logs())
        return self._last_tick[1]

    def _limited(self, attempt: Attempt, seconds: float) -> tuple[asyncio.Timeout, asyncio.TimerHandle]:
        """Return the timeout of a run, and the timer that tells if it does not end by that."""
        loop, said = asyncio.get_running_loop(), f"its timeout of {exact_seconds(seconds)} has passed"
        alarm = loop.call_later(seconds + _CANCEL_SECONDS, self._tell_of_deaf, attempt, said)
        return asyncio.timeout(seconds), alarm

    def _tell_of_deaf(self, attempt: Attempt, why: str) -> None:
        """Say that a run goes on although it was cancelled: nothing can end it but its own code."""
        claim = attempt.claim
        if self._under_way.get(claim.run_id) is attempt:
            how = "it swallows its cancellation" if attempt.thread is None else "a thread cannot be stopped"
            logger.bind(job=claim.job_id).error(
                "run {} of job {} goes on although {}: {}. It keeps its slot, and counts for max_instances,"
                " until it ends by itself or its process is stopped",
                claim.run_id,
                claim.job_id,
                why,
                how,
            )

    def _tell(self, job: Job, tell: Callable[P, None], *about: P.args, **more: P.kwargs) -> None:
        """Let the notifier hear of a run; that this fails is no reason for the run to fail."""
        try:
            tell(*about, **more)
        except Exception as problem:
            logger.bind(job=job.id).opt(exception=problem).error("a run could not be reported")

    async def _start(self, claim: Claim, job: Job) -> bool:
        """Record that a run which had to wait is about to be entered; False if it may not be."""
        me, head = self._me, [(claim, job)]
        while True:
            starting = self._writer.submit(lambda connection: runs.start(connection, me, head), keep=True)
            verdict = (await asyncio.wrap_future(starting))[claim.run_id]
            if verdict != "busy":
                return self.admission.may_enter(claim, job, verdict)
            await asyncio.sleep(BUSY / ticks.SECOND)

    async def _failed(self, attempt: Attempt, problem: BaseException) -> None:
        # A coroutine that was cancelled at the end of a stop.
        was_cut = self._cutting and attempt.thread is None
        # Its text is code of the job: on the event loop it could hold up all the others.
        shown = await safe(problem)
        if was_cut:
            log_end("WARNING", "interrupted: the process is stopping", problem=shown)
            self._end(attempt, "interrupted", error=_INTERRUPTED)
        else:
            log_end("ERROR", "{} failed", attempt.job.name, problem=shown)
            self._end(attempt, "failed", problem=problem, shown=shown)

    async def _timed_out(self, attempt: Attempt) -> None:
        job, thread = attempt.job, attempt.thread
        assert job.options.timeout is not None
        limit = exact_seconds(job.options.timeout)
        log_end("ERROR", "{} took longer than its timeout of {}", job.name, limit)
        if thread is not None and not thread.done():
            # A thread cannot be stopped: it keeps its slot, and the run its lease, until it ends (R7).
            try:
                await asyncio.shield(asyncio.wrap_future(thread))
            except asyncio.CancelledError as problem:
                if not thread.done():
                    self._cancelled(attempt, problem)
                    return
            except BaseException:
                log_end("DEBUG", "{} failed after its timeout", job.name)
        self._end(attempt, "timed_out", error=f"it took longer than its timeout of {limit}")

    def _cancelled(self, attempt: Attempt, problem: BaseException) -> None:
        thread, signals = attempt.thread, attempt.signals
        if thread is not None and not thread.done():
            # It goes on, and so does its lease, until the thread ends.
            thread.add_done_callback(lambda done: self._thread_ended(attempt, done))
        elif self._cutting:
            log_end("WARNING", "interrupted: the process is stopping")
            self._end(attempt, "interrupted", error=_INTERRUPTED)
        elif signals.cancel_requested:
            task = asyncio.current_task()
            if task is not None:
                # The slot goes on with the next run.
                task.uncancel()
            why = signals.why_cancelled
            log_end("WARNING", "cancelled on request" if why == CANCELLED else f"cancelled: {why}")
            self._end(attempt, "cancelled", error=why)
        else:
            self._end(attempt, "cancelled", problem=problem)

    def _thread_ended(self, attempt: Attempt, done: Future[Any]) -> None:
        if done.cancelled():
            # It still waited for a thread when there were no more calls.
            self._end(attempt, "interrupted", error=_INTERRUPTED)
            return
        problem = done.exception()
        state = "succeeded" if problem is None else "failed"
        returned = done.result() if problem is None else None
        result = None if returned is None else result_now(returned.value)
        self._end(attempt, state, problem=problem, result=result)

    def _give_up_on_deaf(self) -> None:
        """Record coroutines that did not let themselves be cancelled as interrupted."""
        for attempt in list(self._under_way.values()):
            if attempt.thread is None:
                log_end("ERROR", "ignored its cancellation and was left behind", job=attempt.claim.job_id)
                self._end(attempt, "interrupted", error=_INTERRUPTED)

    def _end(
        self,
        attempt: Attempt,
        state: str,
        *,
        returned: Returned | None = None,
        result: Result | None = None,
        problem: BaseException | None = None,
        shown: BaseException | None = None,
        error: str | None = None,
    ) -> None:
        # Counted as left until its outcome is handed to the ledger's thread.
        mark = object()
        self._ending.add(mark)
        try:
            claim, job = attempt.claim, attempt.job
            if self._under_way.pop(claim.run_id, None) is None:
                return
            log, signals = attempt.forget(), attempt.signals
            trace = None
            if problem is not None:
                shown = safe_now(problem) if shown is None else shown
                error, trace = capture.one_line(shown), capture.trace(shown)
            now = ticks.now()
            self.admission.pace.ended((now - attempt.started) / ticks.SECOND)
            outcome = Outcome(claim, state, None, attempt.started, now, error, trace, log)
            if result is not None or signals.progress is not None:
                outcome.report = report_of(signals.progress, result)
            if state != "succeeded" and not signals.cancel_requested:
                outcome = with_next_attempt(outcome, job, now)
            self._outcomes.write(outcome, more=self.admission.has_ready)
            self._tell(job, self._notifier.ended, job, outcome)
            code = events.EVENT_JOB_EXECUTED if state == "succeeded" else events.EVENT_JOB_ERROR
            if problem is None and state != "succeeded":
                # Listeners tell success from failure by this.
                problem = TimeoutError(error) if state == "timed_out" else asyncio.CancelledError(error)
            value = None if returned is None else returned.value
            self._listeners.ended(claim, code, value, problem, trace)
        finally:
            self._ending.discard(mark)
            if not self.left:
                self.when_none_is_left()


_INTERRUPTED = "the process was stopped before the run had ended"
