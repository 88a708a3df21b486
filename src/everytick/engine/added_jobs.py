"""Goes on with jobs that are added, changed or removed while running, by this process or by another."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Sequence

from apscheduler import events
from everytick.store import definitions
from everytick.store.connections import Connection, Scope
from everytick.store.records import AddedRow, Identity
from everytick.store.writer import Writer
from everytick.system import system

from .clock import Clock
from .listeners import Listeners
from .registry import Change, Registry

# The most jobs that one operation writes down: runs must not wait until all jobs are written.
_PIECE = 250


class AddedJobs:
    """The changes of a process's jobs on their way from the ledger to its clock.

    loop: returns the event loop on which the process was begun, or None.
    """

    def __init__(
        self,
        me: Identity,
        registry: Registry,
        writer: Writer,
        clock: Clock,
        listeners: Listeners,
        loop: Callable[[], asyncio.AbstractEventLoop | None],
    ) -> None:
        self._me, self._registry, self._writer = me, registry, writer
        self._clock, self._listeners, self._loop = clock, listeners, loop
        self._loading = False

    def look(self, connection: Connection) -> None:
        """Look for changes that are new to this process. On the ledger's thread."""
        if self._loading:
            return
        rows = self._registry.unseen(connection)
        if rows:
            # On a thread of its own: a module may take long to be imported.
            self._loading = True
            try:
                system.start_thread(self._load, args=(rows,), name="scheduler-load")
            except RuntimeError:
                # No thread can be had. The next pulse tries it again.
                self._loading = False

    def take_in(self, changes: Sequence[Change]) -> None:
        """Go on with jobs that were added, changed or removed; from any thread."""
        taken = [change for change in changes if self._registry.take(change)]
        loop = self._loop()
        if taken and loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._take_in_now, taken)

    def keep_options(self, rows: Sequence[AddedRow]) -> None:
        """Let the ledger say with which options jobs run that were added while running, where it does not."""
        unlike = self._registry.with_other_options(rows)
        for begin in range(0, len(unlike), _PIECE):
            some = unlike[begin : begin + _PIECE]
            self._writer.submit(functools.partial(definitions.keep_options, loaded=some), scope=Scope.RARE)

    def _load(self, rows: list[AddedRow]) -> None:
        try:
            self.take_in(self._registry.load(rows))
            self.keep_options(rows)
        finally:
            self._loading = False

    def _take_in_now(self, changes: list[Change]) -> None:
        for job_id, job, watermark, _serial, _problem in changes:
            if job is not None and self._registry.jobs.get(job_id) is job:
                if self._me.role.claims:
                    self._clock.adopt(job, watermark)
                code = events.EVENT_JOB_ADDED
            else:
                self._clock.drop(job_id)
                code = events.EVENT_JOB_REMOVED
            self._listeners.emit(events.JobEvent(code, job_id, "default"))
