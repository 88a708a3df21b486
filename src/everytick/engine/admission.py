"""Claimed runs until they begin: each waits until it is due, is recorded as started, and gets a slot.

At most `max_workers` runs are in a slot at once, coroutines and plain functions together (R13). Runs are
recorded as started many at once, shortly before there is a slot for each.
"""

from __future__ import annotations

import asyncio
import functools
import math
from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import Future
from typing import Any

from everytick.model import ticks
from everytick.model.job import Job
from everytick.store import runs
from everytick.store.records import Claim, Identity, Outcome, Room
from everytick.store.writer import Writer
from everytick.system import system
from loguru import logger

from .listeners import Listeners
from .outcomes import Outcomes
from .tasks import RunTask, Tasks

# Sleeping longer would notice a clock that was set forward too late (R10).
LONGEST_SLEEP = 30.0
# Runs are recorded as started ahead of their slot: as many as end within `_MOMENT` seconds, at most
# `_MOST_AHEAD`.
_MOMENT, _MOST_AHEAD = 0.05, 1_000
# A run that has waited here for that many seconds may wait for a slot in any process, unless one will be
# free here within `_NEAR` seconds.
_REQUEUE_SECONDS, _NEAR = 0.2, 0.5
# When a job is asked about again that another process changed, in microseconds.
BUSY = ticks.SECOND // 50
# Of a tick that waited for too long.
MISSED = "skipped (missed): it could not start within its grace time"
# How much the newest run counts in what a run takes.
_WEIGHT = 0.1


class Admission:
    """Of one process. Lives on the event loop.

    `run` is awaited for each claim that got a slot.
    """

    def __init__(
        self,
        jobs: Mapping[str, Job],
        me: Identity,
        writer: Writer,
        outcomes: Outcomes,
        listeners: Listeners,
        max_workers: int,
        run: Callable[[Claim], Coroutine[Any, Any, None]],
    ) -> None:
        self._jobs, self._me, self._writer = jobs, me, writer
        self._outcomes, self._listeners = outcomes, listeners
        self._max_workers, self._run = max_workers, run
        # Claimed, but not due yet (jitter, a delayed start), by their first run; the timers of due instants.
        self._early: dict[int, list[Claim]] = {}
        self._timers: dict[int, tuple[asyncio.TimerHandle, list[int]]] = {}
        # Due, but not recorded as started; being recorded; recorded, and waiting for a free slot.
        self._waiting: deque[list[Claim]] = deque()
        self._starting: dict[int, list[Claim]] = {}
        self._ready: deque[list[Claim]] = deque()
        self._requeue_timer: asyncio.TimerHandle | None = None
        # With each slot, those of its runs that were not entered yet.
        self.slots: dict[RunTask, list[Claim]] = {}
        self._tasks = Tasks()
        # Seconds that a run takes, lately; 0 before the first has ended.
        self._takes = 0.0
        self._ended_at = -math.inf
        # Called when a run has ended, with its job, and whether nothing waits here for its slot.
        self.when_free: Callable[[str, bool], None] | None = None
        # Whether runs were put back into the queue, and may wait for a slot that gets free here.
        self.has_requeued = False
        self.closed = False

    def begin(self) -> None:
        """Let each run begin with the context variables that are set here and now."""
        self._tasks.begin()

    def room(self) -> Room:
        """Return how many more runs could begin, beside those that are about to. From any thread."""
        # A list at once: others may change it meanwhile.
        about_to = sum(claims[0].started for claims in list(self._early.values()))
        return self._room(len(self._ready) + len(self._waiting) + len(self._starting) + about_to)

    def ended(self, seconds: float) -> None:
        """Learn how long a run took: at once that they take long, and little by little that they do not."""
        self._takes = max(seconds, self._takes + _WEIGHT * (seconds - self._takes))
        self._ended_at = system.monotonic()

    def dispatch(self, claims: list[Claim]) -> None:
        """Run these claims of one job one after another, when they are due and a slot is free."""
        self._place(claims)
        self._go_on()

    def settle_late(self) -> None:
        """Record as missed what was reserved and is too late already, since the clock was set forward."""
        for run_id, [claim, *others] in list(self._early.items()):
            job = self._jobs.get(claim.job_id)
            if not others and job is not None and self.is_missed(claim, job):
                del self._early[run_id]

    def is_missed(self, claim: Claim, job: Job) -> bool:
        """Return whether a tick is too late to run; then it is recorded as missed."""
        if claim.kind != "scheduled" or claim.attempt > 1 or not job.too_late(claim.due, now := ticks.now()):
            return False
        logger.bind(job=job.id).warning(MISSED)
        self._outcomes.write(Outcome(claim, "skipped", "missed", finished=now))
        self._listeners.missed(claim.job_id, claim.due if claim.tick is None else claim.tick)
        return True

    def may_enter(self, claim: Claim, job: Job, verdict: str) -> bool:
        """Return whether the ledger lets a run begin; tell why if it does not."""
        if verdict == "started":
            return True
        log = logger.bind(job=claim.job_id)
        if verdict == "lost":
            log.warning("run {} was taken over by another process", claim.run_id)
        elif verdict == "waits":
            self.has_requeued = True
            if job.options.overlap == "replace":
                # The look at what waits asks the run before it to end.
                self._writer.hurry()
        elif verdict == "overlap" and claim.tick is not None and claim.attempt == 1:
            most = job.options.max_instances
            log.warning("skipped: an earlier run was not over yet, and max_instances={}", most)
            self._listeners.overlapped(job.id, (claim.tick,))
        return False

    def take_back(self, run_id: int) -> Claim | None:
        """Return a run that was claimed and has not begun, which will not begin any more; None if it has."""
        for claims in (*self._early.values(), *self._waiting, *self._ready, *self.slots.values()):
            for claim in claims:
                if claim.run_id == run_id:
                    claims.remove(claim)
                    self._forget_empty()
                    return claim
        return None

    def close(self) -> None:
        """Begin no more runs, and give back those that have not begun."""
        self.closed = True
        if self._requeue_timer:
            self._requeue_timer.cancel()
        for timer, _run_ids in self._timers.values():
            timer.cancel()
        # A run that is about to be recorded as started is given back after that is done, not before.
        held = (*self._early.values(), *self._starting.values(), *self._waiting, *self._ready)
        self._outcomes.release([claim for claims in held for claim in claims])
        for place in (self._timers, self._early, self._starting, self._waiting, self._ready):
            place.clear()

    def _forget_empty(self) -> None:
        self._early = {run_id: claims for run_id, claims in self._early.items() if claims}
        self._waiting, self._ready = deque(filter(None, self._waiting)), deque(filter(None, self._ready))

    def _place(self, claims: list[Claim]) -> None:
        if self.closed:
            self._outcomes.release(claims)
            return
        due = claims[0].due
        if due <= ticks.now():
            (self._ready if claims[0].started else self._waiting).append(claims)
            return
        self._wait(claims, due)

    def _wait(self, claims: list[Claim], until: int) -> None:
        """Place claims at an instant, together with all that wait for the same one."""
        self._early[claims[0].run_id] = claims
        if until not in self._timers:
            loop, wait = asyncio.get_running_loop(), (until - ticks.now()) / ticks.SECOND
            timer = loop.call_later(min(max(0.0, wait), LONGEST_SLEEP), self._come_due, until)
            self._timers[until] = (timer, [])
        self._timers[until][1].append(claims[0].run_id)

    def _come_due(self, due: int) -> None:
        _timer, run_ids = self._timers.pop(due)
        for run_id in run_ids:
            if claims := self._early.pop(run_id, None):
                # Looked at once more: the clock may have been set back while the timer ran (R2).
                self._place(claims)
        self._go_on()

    def _room(self, backlog: int) -> Room:
        free = self._max_workers - len(self.slots) - backlog
        soon = min(self._free_within(_MOMENT), _MOST_AHEAD)
        return Room(max(0, free), max(0, soon + min(0, free)))

    def _free_within(self, seconds: float) -> int:
        """Return how many slots are likely to be free within a time, one after another."""
        # Where none has ended lately but some are under way, these are long ones, and the time at which the
        # next slot becomes free is not known.
        flows = self._takes and (not self.slots or system.monotonic() - self._ended_at < 2 * _MOMENT)
        return int(self._max_workers * seconds / max(self._takes, 1e-4)) if flows else 0

    def _go_on(self) -> None:
        """Give free slots to those that are ready, and have the next ones recorded as started."""
        while self._ready and len(self.slots) < self._max_workers and not self.closed:
            claims = self._ready.popleft()
            job_id = claims[0].job_id
            task = self._tasks.start(self._slot(claims), job_id)
            self.slots[task] = claims
            task.add_done_callback(functools.partial(self._slot_is_free, job_id))
        if self._waiting and not self._starting and not self.closed:
            self._start_waiting()
        if (self._waiting or self._ready) and not (self._requeue_timer or self.closed):
            self._requeue_timer = asyncio.get_running_loop().call_later(
                _REQUEUE_SECONDS, self._requeue_waiting
            )

    def _requeue_waiting(self) -> None:
        """Let runs that have waited here for long wait in the queue, for any process (R15)."""
        self._requeue_timer = None
        slots_soon = max(0, self._max_workers - len(self.slots)) + self._free_within(_NEAR)
        requeued: list[tuple[Claim, int]] = []
        for place in (self._ready, self._waiting):
            for claims in list(place):
                job = self._jobs.get(claims[0].job_id)
                if slots_soon > 0 or job is None or not _waits_for_long(claims[0]):
                    slots_soon -= 1
                else:
                    place.remove(claims)
                    requeued += [(claim, job.most_waiting) for claim in claims]
        if requeued:
            self.has_requeued = True
            self._outcomes.requeue(requeued)
        self._go_on()

    def requeue_overdue(self) -> None:
        """Put runs back into the queue that came due while a job blocks the event loop. From any thread."""
        requeued: list[tuple[Claim, int]] = []
        for run_id, claims in list(self._early.items()):
            job = self._jobs.get(claims[0].job_id)
            # The loop may answer again at this moment: of the two the one that gets the run out has it.
            if job is not None and _waits_for_long(claims[0]) and self._early.pop(run_id, None) is claims:
                requeued += [(claim, job.most_waiting) for claim in claims]
        if requeued:
            self.has_requeued = True
            self._outcomes.requeue(requeued)

    def _slot_is_free(self, job_id: str, task: RunTask) -> None:
        # None is left but after a cut.
        self._outcomes.release(self.slots.pop(task))
        if not task.cancelled() and task.exception():
            logger.opt(exception=task.exception()).error("a slot of the runner failed")
        self._go_on()
        if self.when_free is not None:
            self.when_free(job_id, not self._waiting)

    async def _slot(self, claims: list[Claim]) -> None:
        """Call runs one after another; each leaves the list when its turn comes."""
        is_first = True
        while claims and not self.closed:
            if claims[0].due > ticks.now():
                # Not yet due: of several, each has its own jitter; or the clock was set back (R2).
                self.dispatch(claims.copy())
                claims.clear()
                return
            claim = claims.pop(0)
            try:
                # The first run has the context of the slot's own task, each further one another.
                await (self._run(claim) if is_first else self._tasks.start(self._run(claim), claim.job_id))
            except asyncio.CancelledError:
                # Cut while it waited to be recorded as started: it was not entered.
                claims.insert(0, claim)
                return
            is_first = False

    def _start_waiting(self) -> None:
        """Have those that wait recorded as started, as many as will soon have a slot; no two of one job."""
        room, heads = self._room(len(self._ready)), []
        jobs: set[str] = set()
        while self._waiting and room.is_any:
            claim, *others = self._waiting[0]
            job = self._jobs.get(claim.job_id)
            if claim.job_id in jobs or (job is not None and not room.enter(job)):
                break
            self._waiting.popleft()
            if job is None:
                # The job was removed meanwhile: the code that begins runs records this.
                self._ready.append([claim, *others])
            elif self.is_missed(claim, job):
                if others:
                    self._waiting.appendleft(others)
            else:
                jobs.add(claim.job_id)
                heads.append((claim, job))
                self._starting[claim.run_id] = [claim, *others]
        if heads:
            loop, me = asyncio.get_running_loop(), self._me
            answer = functools.partial(self._were_started, system.monotonic())
            starting = self._writer.submit(lambda connection: runs.start(connection, me, heads), keep=True)
            starting.add_done_callback(lambda done: loop.call_soon_threadsafe(answer, done))

    def _were_started(self, asked: float, done: Future[dict[int, str]]) -> None:
        starting, self._starting = self._starting, {}
        if done.exception():
            logger.opt(exception=done.exception()).error("runs could not be recorded as started")
        verdicts = {} if done.exception() else done.result()
        for claim, *others in starting.values():
            job = self._jobs.get(claim.job_id)
            verdict = verdicts.get(claim.run_id)
            if verdict is None:
                self._outcomes.release([claim, *others])
            elif verdict == "busy" and not self.closed:
                self._wait([claim, *others], ticks.now() + BUSY)
            elif job is None or self.may_enter(claim, job, verdict):
                # As fresh as when it was asked for: the process may have been frozen since.
                claim.started, claim.at = True, asked
                self._ready.append([claim, *others])
            elif verdict == "waits":
                # With the first of them all wait in the queue, or a later one could begin before it.
                self._outcomes.release(others)
            elif others:
                self._waiting.appendleft(others)
        self._go_on()


def _waits_for_long(claim: Claim) -> bool:
    """Return whether a run that is due has waited in this process for longer than it should."""
    since_due = (ticks.now() - claim.due) / ticks.SECOND
    return min(since_due, system.monotonic() - claim.at) >= _REQUEUE_SECONDS
