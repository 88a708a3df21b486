"""APScheduler's events, delivered on a thread of their own: a slow listener delays nothing (R12)."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable
from datetime import datetime, tzinfo
from itertools import chain
from typing import Any

from apscheduler import events
from everytick.model import ticks
from everytick.store.records import Claim
from everytick.system import system
from loguru import logger

Listener = tuple[Callable[[Any], Any], int]


class Listeners:
    """Hands events to the callbacks given to `add_listener`, in order, one at a time."""

    def __init__(self, current: Callable[[], list[Listener]], zone_of: Callable[[str], tzinfo]) -> None:
        """`zone_of`: the zone of a job, by its id, in which its times are told."""
        self._current, self._zone_of = current, zone_of
        self._queue: queue.SimpleQueue[Any] = system.queue()
        self._thread: threading.Thread | None = None

    def wanted(self, code: int) -> bool:
        """Return whether anybody listens to events of this code."""
        # Asked several times for each run, mostly in vain.
        for _callback, mask in self._current():  # noqa: SIM110
            if mask & code:
                return True
        return False

    def emit(self, event: Any) -> None:
        """Deliver an event soon; costs nothing without a listener."""
        if not self.wanted(event.code):
            return
        if self._thread is None:
            self._thread = system.start_thread(self._work, name="scheduler-listeners")
        self._queue.put(event)

    def added(self, job_ids: Iterable[str]) -> None:
        """Tell that jobs are there."""
        if self.wanted(events.EVENT_JOB_ADDED):
            for job_id in job_ids:
                self.emit(events.JobEvent(events.EVENT_JOB_ADDED, job_id, "default"))

    def submitted(self, held: Iterable[list[Claim]]) -> None:
        """Tell that runs were claimed and go to their executor."""
        if self.wanted(events.EVENT_JOB_SUBMITTED):
            for claim in chain.from_iterable(held):
                code, times = events.EVENT_JOB_SUBMITTED, [self._time_of(claim)]
                self.emit(events.JobSubmissionEvent(code, claim.job_id, "default", times))

    def overlapped(self, job_id: str, skipped: tuple[int, ...]) -> None:
        """Tell that ticks were skipped because `max_instances` runs were under way."""
        if self.wanted(events.EVENT_JOB_MAX_INSTANCES):
            zone = self._zone_of(job_id)
            times = [ticks.moment(tick, zone) for tick in skipped]
            code = events.EVENT_JOB_MAX_INSTANCES
            self.emit(events.JobSubmissionEvent(code, job_id, "default", times))

    def missed(self, job_id: str, tick: int) -> None:
        """Tell that a tick was too late to run; of a long gap, its last one."""
        if self.wanted(events.EVENT_JOB_MISSED):
            code = events.EVENT_JOB_MISSED
            moment = ticks.moment(tick, self._zone_of(job_id))
            self.emit(events.JobExecutionEvent(code, job_id, "default", moment))

    def ended(
        self,
        claim: Claim,
        code: int,
        value: Any = None,
        error: BaseException | None = None,
        traceback: str | None = None,
    ) -> None:
        """Tell how a run ended: EVENT_JOB_EXECUTED or EVENT_JOB_ERROR."""
        if self.wanted(code):
            moment = self._time_of(claim)
            self.emit(
                events.JobExecutionEvent(code, claim.job_id, "default", moment, value, error, traceback)
            )

    def close(self, patience: float = 5.0) -> None:
        """Deliver the queued events and stop."""
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join(patience)
            self._thread = None

    def _work(self) -> None:
        while (event := self._queue.get()) is not None:
            for callback, mask in self._current():
                if event.code & mask:
                    try:
                        callback(event)
                    # Also SystemExit: it would end this thread, and no other listener would hear anything.
                    except BaseException:
                        logger.exception("the listener {} failed", getattr(callback, "__name__", callback))

    def _time_of(self, claim: Claim) -> datetime:
        instant = claim.due if claim.tick is None else claim.tick
        return ticks.moment(instant, self._zone_of(claim.job_id))
