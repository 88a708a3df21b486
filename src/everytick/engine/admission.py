"""Claimed runs until they begin: each waits until it is due, is recorded as started, and gets a slot.

At most `max_workers` runs are in a slot at once, coroutines and plain functions together (R13). Runs are
recorded as started many at once, shortly before there is a slot for each.
"""

from __future__ import annotations

import asyncio
import functools
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from concurrent.futures import Future
from itertools import chain
from typing import Any

from everytick.model import ticks
from everytick.model.job import Job
from everytick.store import runs
from everytick.store.records import Claim, Identity, Outcome, Room
from everytick.store.writer import Writer
from everytick.system import system
from loguru import logger

from .held import Held
from .listeners import Listeners
from .outcomes import Outcomes
from .pace import Pace
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


class Admission:
    """Of one process. Lives on the event loop.

    `run` is awaited for the first of the claims that got a slot, and then for each of the others.
    """

    def __init__(
        self,
        jobs: Mapping[str, Job],
        me: Identity,
        writer: Writer,
        outcomes: Outcomes,
        listeners: Listeners,
        max_workers: int,
        run: Callable[[list[Claim]], Coroutine[Any, Any, None]],
    ) -> None:
        self._jobs, self._me, self._writer = jobs, me, writer
        self._outcomes, self._listeners = outcomes, listeners
        self._max_workers, self._run = max_workers, run
        # All claims whose run was not entered, wherever they are; but those that run after one that was, in
        # its slot.
        self._held, self._behind = Held(), Held()
        # Claimed, but not due yet (jitter, a delayed start), by the instants for which they wait; the timers.
        self._early: dict[int, list[list[Claim]]] = {}
        self._timers: dict[int, asyncio.TimerHandle] = {}
        # Due, but not recorded as started; being recorded; recorded, and waiting for a free slot.
        self._waiting: deque[list[Claim]] = deque()
        self._starting: dict[int, list[Claim]] = {}
        self._ready: deque[list[Claim]] = deque()
        self._requeue_timer: asyncio.TimerHandle | None = None
        # With each slot, those of its runs that were not entered yet.
        self.slots: dict[RunTask, list[Claim]] = {}
        self.tasks = Tasks()
        self.pace = Pace(max_workers, _MOMENT)
        # Called when a run has ended, with its job, and whether nothing waits here for its slot.
        self.when_free: Callable[[str, bool], None] | None = None
        # Whether runs were put back into the queue, and may wait for a slot that gets free here.
        self.has_requeued = False
        self.closed = False

    def begin(self) -> None:
        """Let each run begin with the context variables that are set here and now."""
        self.tasks.begin()

    def room(self) -> Room:
        """Return how many more runs could begin, beside those that are about to. From any thread."""
        # A list at once: others may change it meanwhile.
        about_to = sum(bool(claims) and claims[0].started for claims in self._all_early())
        return self._room(len(self._ready) + len(self._waiting) + len(self._starting) + about_to)

    @property
    def has_ready(self) -> bool:
        """Whether runs wait for a slot, and begin as soon as there is one. From any thread."""
        return bool(self._ready)

    def _all_early(self) -> list[list[Claim]]:
        """Return those that wait for an instant; some may have been given back meanwhile. From any thread."""
        return list(chain.from_iterable(list(self._early.values())))

    def hold(self, many: Iterable[list[Claim]]) -> None:
        """Take in lists of claims, each of one job, which are dispatched next.

        From any thread, at once after the claim.
        """
        self._held.add_all(many)
        self._writer.glance_soon()

    def hold_all(self, claims: Iterable[Claim]) -> list[list[Claim]]:
        """Take in claims of many jobs; return those together that run one after another, in one slot (R5)."""
        # They were claimed at one instant.
        together: dict[tuple[str, int], list[Claim]] = {}
        for claim in claims:
            together.setdefault((claim.job_id, claim.claimed), []).append(claim)
        self.hold(together.values())
        return list(together.values())

    def dispatch(self, many: Sequence[list[Claim]]) -> None:
        """Run claims that are held, when they are due and a slot is free; those of a list one by one.

        Those that were given back meanwhile are left out when they are due.
        """
        now, held = ticks.now(), self._held
        for claims in many:
            if self.closed:
                self._release(claims)
            elif claims and claims[0].due > now:
                self._wait(claims, claims[0].due)
            elif claims in held:
                (self._ready if claims[0].started else self._waiting).append(claims)
        self._go_on()

    def settle_late(self) -> None:
        """Record as missed what was reserved and is too late already, since the clock was set forward."""
        now = ticks.now()
        for claims in self._all_early():
            if len(claims) != 1 or claims[0].due >= now or claims not in self._held:
                continue
            if (job := self._jobs.get(claims[0].job_id)) is not None:
                self.is_missed(claims, job, now)

    def may_begin(self, claims: list[Claim], claim: Claim) -> bool:
        """Return whether runs may begin, and one is still the first of some claims that are held."""
        return not self.closed and claims in self._held and claims[0] is claim

    def take_first(self, claims: list[Claim], claim: Claim) -> bool:
        """Take a run out of some claims, to enter or to end it; False if it was given back meanwhile."""
        if not self._held.remove(claims):
            return False
        if is_first := claims[0] is claim:
            del claims[0]
        if claims:
            (self._behind if is_first else self._held).add(claims)
        return is_first

    def is_missed(self, claims: list[Claim], job: Job, now: int) -> bool:
        """Return whether the first of some ticks is too late to run `now`; then it is recorded as missed."""
        claim = claims[0]
        if claim.kind != "scheduled" or claim.attempt > 1 or not job.too_late(claim.due, now):
            return False
        if not self.take_first(claims, claim):
            return True
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
        elif verdict in runs.INTO_THE_QUEUE:
            self.has_requeued = True
            if verdict == "behind" or job.options.overlap == "replace":
                # The look at what waits takes the oldest, for which there is a place; or it asks the run
                # before this one to end.
                self._writer.hurry()
        elif verdict == "overlap" and claim.tick is not None and claim.attempt == 1:
            most = job.options.max_instances
            log.warning("skipped: an earlier run was not over yet, and max_instances={}", most)
            self._listeners.overlapped(job.id, (claim.tick,))
        return False

    def take_back(self, run_id: int) -> Claim | None:
        """Return a run that was claimed and has not begun, which will not begin any more; None if it has."""
        for place in (self._held, self._behind):
            for claims in place:
                found = [claim for claim in claims if claim.run_id == run_id]
                # One that is being recorded as started is asked about again after that.
                if found and claims[0].run_id not in self._starting and place.remove(claims):
                    claims.remove(found[0])
                    if claims:
                        place.add(claims)
                    return found[0]
        return None

    def close(self) -> None:
        """Begin no more runs, and give back those that have not begun."""
        self.closed = True
        if self._requeue_timer:
            self._requeue_timer.cancel()
        for timer in self._timers.values():
            timer.cancel()
        # A run that is about to be recorded as started is given back after that is done, not before.
        held = (*self._all_early(), *self._starting.values(), *self._waiting, *self._ready)
        self._outcomes.release([claim for claims in held if self._held.remove(claims) for claim in claims])
        for place in (self._timers, self._early, self._starting, self._waiting, self._ready):
            place.clear()

    def _wait(self, claims: list[Claim], until: int) -> None:
        """Place claims at an instant, together with all that wait for the same one."""
        early = self._early.get(until)
        if early is None:
            early = self._early[until] = []
            loop, wait = asyncio.get_running_loop(), (until - ticks.now()) / ticks.SECOND
            wait = min(max(0.0, wait), LONGEST_SLEEP)
            self._timers[until] = loop.call_later(wait, self._come_due, until)
        early.append(claims)

    def _come_due(self, due: int) -> None:
        del self._timers[due]
        # Looked at once more: the clock may have been set back while the timer ran (R2).
        self.dispatch(self._early.pop(due))

    def _room(self, backlog: int) -> Room:
        free = self._max_workers - len(self.slots) - backlog
        soon = min(self.pace.free_within(_MOMENT, len(self.slots)), _MOST_AHEAD)
        return Room(max(0, free), max(0, soon + min(0, free)))

    def _go_on(self) -> None:
        """Give free slots to those that are ready, and have the next ones recorded as started."""
        while self._ready and len(self.slots) < self._max_workers and not self.closed:
            claims = self._ready.popleft()
            if claims not in self._held:
                continue
            task = self.tasks.start(self._slot(claims), claims[0].job_id, self._slot_is_free)
            self.slots[task] = claims
        if self._waiting and not self._starting and not self.closed:
            self._start_waiting()
        if (self._waiting or self._ready) and not (self._requeue_timer or self.closed):
            self._requeue_timer = asyncio.get_running_loop().call_later(
                _REQUEUE_SECONDS, self._requeue_waiting
            )

    def _requeue_waiting(self) -> None:
        """Let runs that have waited here for long wait in the queue, for any process (R15)."""
        self._requeue_timer = None
        soon = self.pace.free_within(_NEAR, len(self.slots))
        slots_soon = max(0, self._max_workers - len(self.slots)) + soon
        requeued: list[tuple[Claim, int]] = []
        for place in (self._ready, self._waiting):
            for claims in [claims for claims in place if claims in self._held]:
                if slots_soon > 0 or not _waits_for_long(claims[0]):
                    slots_soon -= 1
                else:
                    place.remove(claims)
                    requeued += self._out_of_here(claims)
        self._requeue(requeued)
        self._go_on()

    def first_due(self) -> int | None:
        """Return when the first run that was not entered is due, in microseconds UTC. From any thread."""
        return min((claim.due for claims in self._held for claim in claims[:1]), default=None)

    def requeue_overdue(self) -> None:
        """Put runs back into the queue that came due while a job blocks the event loop. From any thread."""
        # By slices: the loop may answer again at this moment, and take out the first.
        overdue = [claims for claims in self._held if any(map(_waits_for_long, claims[:1]))]
        self._requeue([each for claims in overdue for each in self._out_of_here(claims)])

    def _out_of_here(self, claims: list[Claim]) -> list[tuple[Claim, int]]:
        """Hold claims no longer; return each with how many ticks of its job may wait. None if not held."""
        if not self._held.remove(claims):
            return []
        job = self._jobs.get(claims[0].job_id)
        if job is None:
            self._held.add(claims)
            return []
        return [(claim, job.most_waiting) for claim in claims]

    def _requeue(self, requeued: list[tuple[Claim, int]]) -> None:
        if requeued:
            self.has_requeued = True
            self._outcomes.requeue(requeued)

    def _release(self, claims: list[Claim]) -> None:
        """Give back claims that are still held."""
        if self._held.remove(claims):
            self._outcomes.release(claims)

    def _slot_is_free(self, task: RunTask) -> None:
        # None is left but after a cut.
        if left := self.slots.pop(task):
            self._release(left)
        self._go_on()
        if self.when_free is not None:
            self.when_free(task.job_id, not self._waiting)

    async def _slot(self, claims: list[Claim]) -> None:
        """Call runs one after another; each leaves the list when it is entered, or ends without that.

        The slot is free with the last step of its task, so that the next run need not wait for a further one.
        """
        task, is_first = self.tasks.current(), True
        try:
            while claims and claims in self._held and not self.closed:
                if claims[0].due > ticks.now():
                    # Not yet due: of several, each has its own jitter; or the clock was set back (R2).
                    later = claims.copy()
                    if self._held.remove(claims):
                        self._held.add(later)
                        self.dispatch([later])
                    return
                running = self._run(claims)
                try:
                    # The first run has the context of the slot's own task, each further one another.
                    await (running if is_first else self.tasks.start(running, task.job_id))
                finally:
                    if claims:
                        self._hold_others(claims)
                is_first = False
        except (asyncio.CancelledError, GeneratorExit):
            # Cut, or a function raised what closes coroutines: what was not entered is given back.
            pass
        except Exception:
            logger.exception("a slot of the runner failed")
        finally:
            self.tasks.outside(self._slot_is_free, task)

    def _hold_others(self, claims: list[Claim]) -> bool:
        """Hold the claims behind one whose turn is over; return whether there are any."""
        if is_any := self._behind.remove(claims):
            self.hold([claims])
        return is_any

    def _start_waiting(self) -> None:
        """Have those that wait recorded as started, as many as will soon have a slot; no two of one job."""
        room, heads = self._room(len(self._ready)), []
        jobs: set[str] = set()
        while self._waiting and room.is_any:
            claims = self._waiting[0]
            if claims not in self._held:
                self._waiting.popleft()
                continue
            claim = claims[0]
            job = self._jobs.get(claim.job_id)
            if claim.job_id in jobs or (job is not None and not room.enter(job)):
                break
            self._waiting.popleft()
            if job is None:
                # The job was removed meanwhile: the code that begins runs records this.
                self._ready.append(claims)
            elif self.is_missed(claims, job, ticks.now()):
                if self._hold_others(claims):
                    self._waiting.appendleft(claims)
            else:
                jobs.add(claim.job_id)
                heads.append((claim, job))
                self._starting[claim.run_id] = claims
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
        for run_id, claims in starting.items():
            if claims not in self._held:
                continue
            claim, verdict = claims[0], verdicts.get(run_id)
            job = self._jobs.get(claim.job_id)
            if verdict is None:
                self._release(claims)
            elif verdict == "busy" and not self.closed:
                self._wait(claims, ticks.now() + BUSY)
            elif job is None or self.may_enter(claim, job, verdict):
                # As fresh as when it was asked for: the process may have been frozen since.
                claim.started, claim.at = True, asked
                self._ready.append(claims)
            elif self.take_first(claims, claim) and self._hold_others(claims):
                if verdict in runs.INTO_THE_QUEUE:
                    # With the first of them all wait in the queue, or a later one could begin before it.
                    self._release(claims)
                else:
                    self._waiting.appendleft(claims)
        self._go_on()


def _waits_for_long(claim: Claim) -> bool:
    """Return whether a run that is due has waited in this process for longer than it should."""
    since_due = (ticks.now() - claim.due) / ticks.SECOND
    return min(since_due, system.monotonic() - claim.at) >= _REQUEUE_SECONDS
