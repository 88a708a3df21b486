"""Wakes at the next tick and claims all that is due, for all jobs together, in one transaction.

A run is claimed a moment before it is due, so that the commit is over by then; what cannot be decided ahead
is claimed when it is due. A job is always in exactly one place: waiting for an instant, or in a claim under
way. When a claim fails because the ledger does not answer, the job waits again, and is decided anew with the
time of then; so nothing starts unrecorded and nothing is forgotten.
"""

from __future__ import annotations

import asyncio
import functools
import heapq
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from contextlib import suppress

from everytick.errors import LedgerUnavailable
from everytick.log_rate import RateLimitedLog
from everytick.model import ticks
from everytick.model.job import Job
from everytick.model.misfire import AHEAD, Decision, decide_ahead
from everytick.settings import zone_of_logs
from everytick.store import claims
from everytick.store.connections import Connection, Scope
from everytick.store.database import Ledger
from everytick.store.records import Answer, Identity, Room
from everytick.store.writer import Writer
from everytick.system import system
from everytick.text.instants import when
from everytick.text.wording import skipped
from loguru import logger

from . import set_back
from .admission import BUSY, LONGEST_SLEEP, Admission
from .claimers import Claimers
from .listeners import Listeners

# A wall clock that gains more than this on the monotonic one between two looks was set, not slewed.
_STEP = ticks.SECOND
_RETRY = ticks.SECOND
# Ticks that are due in the same cell of a grid are claimed together. The grid lies a little beside whole
# seconds, so that a tick on a whole second is claimed nearly as early as may be.
_GRID, _BESIDE = AHEAD // 2, ticks.SECOND // 200
# The same for looks at the ticks of others.
_LOOKS = _GRID // 2
# Of a tick of another process that is older it is not asked whether it was claimed, but which one was.
_OLD = ticks.SECOND
# The most jobs that are claimed in one operation.
_PIECE = 500


class Clock:
    """The loop over ticks of one process. Lives on the event loop; never raises into it.

    Of several processes on a server one claims the ticks of a job ahead, see `claimers`; the others claim the
    ticks that it let pass.
    """

    def __init__(
        self,
        jobs: Mapping[str, Job],
        me: Identity,
        ledger: Ledger,
        writer: Writer,
        admission: Admission,
        listeners: Listeners,
        claimers: Claimers,
    ) -> None:
        self._claimers = claimers
        self._jobs, self._ledger = jobs, ledger
        self._me, self._writer = me, writer
        self._admission, self._listeners = admission, listeners
        # The instants at which there is something to do, and the jobs that wait for each: most share theirs.
        self._heap: list[int] = []
        self._waiting: dict[int, list[str]] = {}
        # The instant for which each job waits, unless a claim of it is under way; it may stand at others too.
        self._wakes: dict[str, int] = {}
        self._seen: dict[str, int] = {}
        # Of jobs that wait for a look, the tick that another process is to have claimed by then.
        self._awaited: dict[str, int] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._log = RateLimitedLog()
        self._looked = (0, 0)
        self._stopped = False
        self._claiming = 0
        self._idle = asyncio.Event()
        self._idle.set()

    def start(self, watermarks: dict[str, int]) -> None:
        """Begin with each job where the ledger stands: what was missed while nothing was up is an outage."""
        self._loop = asyncio.get_running_loop()
        self._claimers.when_changed = self._others_changed
        self._seen = dict(watermarks)
        now = ticks.now()
        self._gained(now)
        set_back.tell(self._jobs, self._seen, now)
        missed: list[Decision] = []
        for job in self._jobs.values():
            missed += self._decide(job, now, "outage")
        self._claim(missed)
        self._arm()

    def adopt(self, job: Job, watermark: int) -> None:
        """Take in a job that was added or changed while running."""
        if not self._stopped:
            self._seen[job.id] = watermark
            self._wait_for_next(job)
            self._arm()

    def declare(self, job: Job, watermark: int) -> None:
        """Take in a job of the code that was not there yet at the start, as `start` would have."""
        if not self._stopped:
            self._seen[job.id] = watermark
            self._claim(self._decide(job, ticks.now(), "outage"))
            self._arm()

    def drop(self, job_id: str) -> None:
        """Let go of a job that was removed, or has no tick left."""
        for known in (self._wakes, self._seen, self._awaited):
            known.pop(job_id, None)

    async def stop(self) -> None:
        """Claim nothing more; return when the claims under way are settled."""
        self._stopped = True
        if self._timer:
            self._timer.cancel()
        await self._idle.wait()

    def _wake(self) -> None:
        if self._stopped:
            return
        now = ticks.now()
        gained = self._gained(now)
        if gained < -set_back.SET_BACK:
            set_back.tell(self._jobs, self._seen, now)
        reason = "outage" if gained > _STEP else "missed"
        due: list[Decision] = []
        others: list[Job] = []
        while self._heap and self._heap[0] <= now:
            wake = heapq.heappop(self._heap)
            for job_id in self._waiting.pop(wake):
                job = self._jobs.get(job_id)
                if job is None or self._wakes.get(job_id) != wake:
                    continue
                del self._wakes[job_id]
                if self._claimers.place(job_id):
                    others.append(job)
                else:
                    due += self._decide(job, now, reason)
        self._claim(due)
        if others:
            self._look(others, reason)
        self._arm()

    def _gained(self, now: int) -> int:
        """Return by how much the wall clock was set forward since the last look, in microseconds (R10).

        So it is when the machine slept, too. It is less than nothing for a clock that was set back.
        """
        wall, monotonic = self._looked
        self._looked = now, system.monotonic_ns() // 1000
        return now - wall - (self._looked[1] - monotonic)

    def _decide(self, job: Job, now: int, reason: str = "missed") -> list[Decision]:
        """Return the decision about a job if any tick is due; otherwise let it wait for its next tick."""
        try:
            decision = decide_ahead(job, self._seen[job.id], now, reason)
        except Exception:
            self._put_off(job)
            return []
        if decision is None:
            self._wait_for_next(job)
            return []
        return [decision]

    def _look(self, jobs: list[Job], reason: str) -> None:
        """Claim the ticks of jobs that are for other processes, unless these have claimed them by now."""
        self._claiming += 1
        self._idle.clear()
        old = ticks.now() - _OLD
        awaited = ((job.id, self._awaited.pop(job.id, 0)) for job in jobs)
        upto = {job_id: tick if tick > old else ticks.FOREVER for job_id, tick in awaited}
        looking = self._writer.submit(lambda connection: claims.behind(connection, upto), scope=Scope.READING)
        found = functools.partial(self._found, jobs, reason, upto)
        looking.add_done_callback(lambda done: self._loop.call_soon_threadsafe(found, done))

    def _found(
        self, jobs: list[Job], reason: str, upto: Mapping[str, int], done: Future[dict[str, int]]
    ) -> None:
        self._is_settled()
        jobs = [job for job in jobs if self._jobs.get(job.id) is job and job.id in self._seen]
        if problem := done.exception():
            self._try_again(jobs, problem)
            return
        left: list[Decision] = []
        now, behind = ticks.now(), done.result()
        for job in jobs:
            watermark = behind.get(job.id, upto[job.id])
            if watermark > self._seen[job.id]:
                self._seen[job.id] = watermark
                self._wait_for_next(job)
            else:
                left += self._decide_for_others(job, now, reason)
        if not self._stopped:
            self._claim(left, for_others=True)
        self._arm()

    def _decide_for_others(self, job: Job, now: int, reason: str) -> list[Decision]:
        decided = self._decide(job, now, reason)
        if decided and decided[0].ahead:
            # It has become another process's, after this one had meant to claim it ahead.
            self._wait_for_next(job)
            return []
        return decided

    def _is_settled(self) -> None:
        self._claiming -= 1
        if not self._claiming:
            self._idle.set()

    def _try_again(self, jobs: Iterable[Job], problem: BaseException) -> None:
        if not isinstance(problem, LedgerUnavailable):
            self._log.error("claim", problem, "a claim failed; trying again")
        again = ticks.now() + _RETRY
        for job in jobs:
            self._push(job, again)
        self._arm()

    def _claim(self, decisions: list[Decision], *, for_others: bool = False) -> None:
        if not decisions:
            return
        # A reserved run that can no longer begin must not make a later tick overlap.
        self._admission.settle_late()
        room = self._admission.room()
        # In pieces: the first runs begin while others are claimed, and other operations wait for one piece.
        for begin in range(0, len(decisions), _PIECE):
            self._claim_piece(decisions[begin : begin + _PIECE], room, for_others=for_others)

    def _claim_piece(self, decisions: list[Decision], room: Room, *, for_others: bool) -> None:
        self._claiming += 1
        self._idle.clear()
        me = self._me

        def claim(connection: Connection) -> list[Answer]:
            answers = claims.claim(connection, me, decisions, room)
            queued = [answer.decision.job for answer in answers if answer.queued]
            if queued:
                self._writer.wake_others()
            if any(me.role.serves(job.options.queue) for job in queued):
                # This process may take them, after those that are before them.
                self._writer.hurry()
            return answers

        def hand_over(done: Future[list[Answer]]) -> None:
            # On the ledger's thread: the loop may be blocked, and then these are given back again.
            answers = [] if done.exception() else done.result()
            if won := [answer.claims for answer in answers if answer.claims]:
                self._admission.hold(won)
            self._loop.call_soon_threadsafe(settle, decisions, done)

        settle = functools.partial(self._settle, for_others=for_others)
        self._writer.submit(claim, weight=len(decisions)).add_done_callback(hand_over)

    def _settle(self, decisions: list[Decision], done: Future[list[Answer]], *, for_others: bool) -> None:
        """Go on after the commit: dispatch what was won, and wait for the next ticks."""
        self._is_settled()
        if problem := done.exception():
            self._try_again([it.job for it in decisions], problem)
            return
        answers, now = done.result(), ticks.now()
        is_first_for_more = False
        for answer in answers:
            try:
                if answer.verdict == "moved":
                    self._claimers.was_claimed(answer.decision.job.id)
                elif answer.verdict == "claimed" and for_others:
                    is_first_for_more |= self._claimers.missed(answer.decision.job.id)
                self._answered(answer, now)
            except Exception:
                self._put_off(answer.decision.job)
        if won := [answer.claims for answer in answers if answer.claims]:
            self._listeners.submitted(won)
            self._admission.dispatch(won)
        self._arm()
        if is_first_for_more:
            self._step_in()

    def _others_changed(self) -> None:
        # On the ledger's thread, which goes on for a moment when the loop is closed.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._step_in)

    def _step_in(self, job_ids: list[str] | None = None) -> None:
        """Claim ahead from now on what was another process's, and is so no more. Piece by piece.

        Each of these jobs would be late else, once, by the time after which this process would have looked.
        """
        if self._stopped:
            return
        left = list(self._awaited) if job_ids is None else job_ids
        for job_id in left[-_PIECE:]:
            job = self._jobs.get(job_id)
            if job is not None and job_id in self._wakes and not self._claimers.place(job_id):
                self._wait_for_next(job)
        del left[-_PIECE:]
        if left:
            self._loop.call_soon(self._step_in, left)
        self._arm()

    def _answered(self, answer: Answer, now: int) -> None:
        job = answer.decision.job
        if answer.overlapped or answer.decision.skip:
            self._report(answer)
        if self._jobs.get(job.id) is not job:
            # The job was changed or removed while this claim was under way.
            return
        if answer.verdict in ("removed", "changed"):
            if not job.added:
                what = "is no longer part of" if answer.verdict == "removed" else "was changed in"
                logger.warning(
                    "job {} {} the schedule of a newer start; this process leaves it", job.id, what
                )
        elif answer.verdict == "early":
            self._push(job, answer.decision.upto)
        elif answer.verdict == "busy":
            self._push(job, now + BUSY)
        elif answer.verdict == "paused":
            # Its ticks are not claimed; a resume moves the watermark, which the next tick notices.
            self._wait_for_next(job, answer.decision.upto, now)
        else:
            self._seen[job.id] = answer.watermark
            self._wait_for_next(job, now=now)

    def _report(self, answer: Answer) -> None:
        """Tell of the ticks that were skipped, if this process claimed them."""
        if answer.verdict != "claimed":
            return
        job = answer.decision.job
        if answer.overlapped:
            most = job.options.max_instances
            earlier = "was not over yet"
            if not self._me.role.serves(queue := job.options.queue):
                # Whether it has begun is known where it runs.
                earlier = f"was not over yet, or waits for a worker that serves its queue, {queue}"
            log = logger.bind(job=job.id)
            log.warning("skipped: an earlier run {}, and max_instances={}", earlier, most)
            self._listeners.overlapped(job.id, answer.overlapped)
        skips = answer.decision.skip
        if skips:
            # One line for all of them: after an outage there may be many.
            number = skipped((skip.reason, skip.count) for skip in skips)
            begin = when(min(skip.first for skip in skips), zone_of_logs())
            logger.bind(job=job.id).warning("skipped {} from {} on", number, begin)
        for skip in skips:
            if skip.reason != "coalesced":
                self._listeners.missed(job.id, skip.last)

    def _wait_for_next(self, job: Job, after: int | None = None, now: int | None = None) -> None:
        """Wake for the job's next tick: a moment before it is due, if that is still to come."""
        try:
            tick = job.next_tick(self._seen[job.id] if after is None else after)
        except Exception:
            self._put_off(job)
            return
        now = ticks.now() if now is None else now
        if tick is None:
            self.drop(job.id)
        elif look := self._claimers.look_at(job.id, tick, now):
            self._awaited[job.id] = tick
            # Those that are due a moment after each other are looked at together.
            self._push(job, look // _LOOKS * _LOOKS)
        else:
            self._awaited.pop(job.id, None)
            early = (tick - _GRID - _BESIDE) // _GRID * _GRID + _BESIDE
            self._push(job, early if early > now else tick)

    def _put_off(self, job: Job) -> None:
        """Try a job again in a minute: its error must not stop the clock for the others (R12)."""
        logger.exception("job {}: its ticks could not be computed; trying again in a minute", job.id)
        self._push(job, ticks.now() + 60 * ticks.SECOND)

    def _push(self, job: Job, wake: int) -> None:
        if self._jobs.get(job.id) is job:
            self._wakes[job.id] = wake
            if wake in self._waiting:
                self._waiting[wake].append(job.id)
            else:
                self._waiting[wake] = [job.id]
                heapq.heappush(self._heap, wake)

    def _arm(self) -> None:
        if self._timer:
            self._timer.cancel()
        if self._heap and not self._stopped:
            wait = (self._heap[0] - ticks.now()) / ticks.SECOND
            self._timer = self._loop.call_later(min(max(0.0, wait), LONGEST_SLEEP), self._wake)
