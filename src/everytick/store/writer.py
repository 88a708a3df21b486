"""The one thread that writes to the ledger.

Operations that arrive while a commit is under way are done together in the next one (group commit), so
that durability costs one disk write for many runs. The thread also writes the heartbeat, which does not
stop when a coroutine of the user's blocks the event loop (R12).
"""

from __future__ import annotations

import math
import queue
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from everytick.errors import LedgerUnavailable
from everytick.system import system
from loguru import logger

from . import notifications
from .connections import UNAVAILABLE, Connection, Scope, Unavailable, in_transaction
from .database import Ledger

Operation = Callable[[Connection], Any]

# For how long outcomes are gathered into one transaction, if nothing else is to be written meanwhile. The
# first one after a pause is written at once.
_GATHER_SECONDS = 0.01
# The same of a burst, where more of them are sure to come: meanwhile the event loop has the interpreter for
# itself.
_BURST_SECONDS = 0.03
# How many operations, and how many claimed jobs, one transaction takes at most.
_BATCH, _CLAIMED = 1_000, 500
_RETRY_SECONDS = 1.0
# How often it is looked whether what was claimed is entered.
_GLANCE_SECONDS = 0.2
# How long others are not told again that there is something to look for.
_TELL_SECONDS = 0.1
# How long the end waits for a checkpoint that is under way.
_CHECKPOINT_PATIENCE = 5.0


@dataclass(eq=False)
class _Task:
    operation: Operation
    keep: bool
    weight: int = 0
    patient: bool = False
    scope: Scope = Scope.ROWS
    future: Future[Any] = field(default_factory=lambda: system.future())

    def begin(self) -> bool:
        """Return whether the result is still wanted; from now on it cannot be refused.

        Asked again each time that its transaction is tried.
        """
        if self.future.cancelled():
            return False
        return self.future.running() or self.future.set_running_or_notify_cancel()

    def end(self, result: Any, problem: Exception | None = None) -> None:
        """Hand over the result or the problem, if anybody waits for it."""
        if self.future.cancelled():
            return
        if problem is None:
            self.future.set_result(result)
        else:
            self.future.set_exception(problem)


# Operations that do nothing: they end the thread's wait for one, and the thread.
_NUDGE = _Task(lambda _connection: None, keep=False)
_CLOSE = _Task(lambda _connection: None, keep=False)
# The result of an operation that nobody waits for any more.
_LEFT_OUT = object()


class Writer:
    """Runs operations in transactions on a thread of its own.

    `pulse` is called about once a second between transactions, and returns whether it wrote; `glance` after
    each pulse and a moment after `glance_soon`, and again as long as it returns True.
    """

    def __init__(
        self,
        ledger: Ledger,
        pulse: Callable[[Connection], bool | None] | None = None,
        glance: Callable[[], bool] = lambda: False,
        pulse_seconds: float = 1.0,
    ) -> None:
        self._ledger = ledger
        self._pulse, self._pulse_seconds, self._glance = pulse, pulse_seconds, glance
        self._queue: queue.SimpleQueue[_Task] = system.queue()
        # Operations that begin or end a run go first: under overload claims would delay them more and more,
        # and runs that are delayed too long are skipped.
        self._urgent: deque[_Task] = deque()
        self._claims: deque[_Task] = deque()
        self._kept: list[_Task] = []
        # The one that came last, and those that are under way: not lost where no memory is left.
        self._came: _Task | None = None
        self._batch: list[_Task] = []
        self._retry_at = self._written_at = 0.0
        self._troubled = self._closing = False
        self._has_memory = True
        # Whether others are to be told of a commit, and not before when.
        self._wakes, self._wake_at = False, 0.0
        # Whether the pulse that comes now was asked for.
        self.is_hurried = False
        # When the pulse is to come, at the latest, and when the glance.
        self._hurry_at = self._glance_at = math.inf
        # Until when a burst lasts, at most.
        self._burst_ends = 0.0
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Open the ledger and begin. Raises one of `UNAVAILABLE` if it cannot be opened."""
        self._connection = self._ledger.connect(resolving=True)
        self._file = self._ledger.file_identity()
        self._log: tuple[object, ...] | None = None
        self._checkpoints = self._ledger.checkpoints()
        self._thread = system.start_thread(self._work, name="scheduler-ledger")

    def submit(
        self,
        operation: Operation,
        *,
        keep: bool = False,
        patient: bool = False,
        burst: bool = False,
        weight: int = 0,
        scope: Scope = Scope.ROWS,
    ) -> Future[Any]:
        """Do `operation(connection)` soon; the future has its result, set after the commit.

        When the ledger does not answer the future fails with LedgerUnavailable. With `keep`, the operation is
        kept and tried again until it is taken: for outcomes, which must not be lost. A `patient` one may
        wait for some milliseconds, so that more of it is written at once; in a `burst`, where more is sure to
        come, for some more, or until `end_burst`. `weight` is how many jobs a claim is about: claims come
        after all else, and no transaction has too many of them. Operations of different `scope` do not share
        a transaction.
        """
        task = _Task(operation, keep, weight, patient, scope)
        if burst:
            self._burst_ends = system.monotonic() + _BURST_SECONDS
        self._queue.put(task)
        return task.future

    def end_burst(self) -> None:
        """Let what waited for more in a burst wait no longer for that."""
        self._burst_ends = 0.0
        self._queue.put(_NUDGE)

    def glance_soon(self) -> None:
        """Let the glance come in a moment: there is something to look at. From any thread.

        The ledger's thread is awake then: it has claimed that, or is about to do something for it.
        """
        self._glance_at = min(self._glance_at, system.monotonic() + _GLANCE_SECONDS)

    def hurry(self, seconds: float = 0.0) -> None:
        """Let the pulse come at once, or in some seconds: there may be something to take."""
        self._hurry_at = min(self._hurry_at, system.monotonic() + seconds)
        self._queue.put(_NUDGE)

    def look_again(self, seconds: float) -> None:
        """Let the pulse come after that time at the latest. For the pulse itself, on the ledger's thread."""
        self._hurry_at = min(self._hurry_at, system.monotonic() + seconds)

    def wake_others(self) -> None:
        """Let other processes look, where they can be told, after this commit or the next one.

        Not with the commit: those that tell something wait for each other. At most ten times a second.
        """
        self._wakes = True

    def close(self, last: Operation | None = None, patience: float = 5.0) -> int:
        """Do the queued operations, stop, and return how many kept ones could not be done.

        `last` is done when none is left: after those that were kept for another try.
        """
        self._last = last
        self._patience_ends = system.monotonic() + patience
        self._queue.put(_CLOSE)
        if self._thread is not None:
            self._thread.join(patience + 10)
        return len(self._kept)

    def _work(self) -> None:
        connection = self._connection
        self._next_pulse = system.monotonic() + self._pulse_seconds
        while True:
            try:
                if self._is_at_end(connection):
                    break
            except MemoryError:
                self._tell_no_memory()
                system.sleep(_RETRY_SECONDS)
        if self._last is not None and not self._kept:
            self._commit(connection, [_Task(self._last, keep=False)])
        if self._checkpoints is not None:
            # The last connection to close the file removes its log.
            self._checkpoints.close(_CHECKPOINT_PATIENCE)
        connection.close()

    def _is_at_end(self, connection: Connection) -> bool:
        """Do the next operations, and the pulse when its time has come; return whether all is done."""
        wake_at = self._wake_at if self._wakes else math.inf
        until = min(self._next_pulse, self._hurry_at, self._glance_at, wake_at)
        if batch := self._take(self._retry_at if self._closing else until):
            self._commit(connection, batch)
            self._batch = []
        self._tell_others(connection)
        if system.monotonic() >= self._glance_at:
            self._look_around()
        if self._closing and not (self._queue.qsize() or self._urgent or self._claims):
            return not self._kept or system.monotonic() > self._patience_ends
        if system.monotonic() >= min(self._next_pulse, self._hurry_at):
            self.is_hurried, self._hurry_at = self._hurry_at < math.inf, math.inf
            # Jitter the pulse: in lockstep with a job, it would find `max_instances` used up every time.
            self._next_pulse = system.monotonic() + self._pulse_seconds * system.uniform(0.7, 1.0)
            self._beat(connection)
        return False

    def _tell_no_memory(self) -> None:
        if self._has_memory:
            with suppress(MemoryError):
                logger.error("no memory is left for the ledger's thread; trying again every second")
                self._has_memory = False

    def _take(self, until: float) -> list[_Task]:
        """Return the next operations (those kept for another try first), in `_batch` until they are done."""
        # What a lack of memory has left there is done again where nobody was told of its result.
        batch = [task for task in self._batch if not task.future.done() and task not in self._kept]
        self._batch = batch
        wait_until = min(until, self._retry_at) if self._kept else until
        left = batch or self._urgent or self._claims
        self._sort_in(0.0 if left else max(0.0, wait_until - system.monotonic()))
        while not self._closing and (patience := self._patience()) > 0:
            self._sort_in(patience)
        if not batch and self._kept and system.monotonic() >= self._retry_at:
            batch.extend(self._kept)
            self._kept = []
        scope = batch[0].scope if batch else self._urgent[0].scope if self._urgent else Scope.ROWS
        # Each is in its new place before it leaves the old one: there may be no memory for it.
        while self._urgent and len(batch) < _BATCH and self._urgent[0].scope is scope:
            batch.append(self._urgent[0])
            self._urgent.popleft()
        weight = 0
        while self._claims and weight < _CLAIMED and scope is Scope.ROWS:
            batch.append(self._claims[0])
            self._claims.popleft()
            weight += batch[-1].weight
        return batch

    def _patience(self) -> float:
        """Return for how many seconds all that is to be done may wait."""
        now = system.monotonic()
        if self._claims or not self._urgent or now >= self._hurry_at:
            return 0.0
        if not all(task.patient for task in self._urgent):
            return 0.0
        return max(self._written_at + _GATHER_SECONDS, self._burst_ends) - now

    def _sort_in(self, seconds: float) -> None:
        """Wait for something to do, and put all that is there in its place."""
        if self._came is None:
            with suppress(queue.Empty):
                self._came = self._queue.get(timeout=seconds)
        while self._came is not None:
            if self._came is _CLOSE:
                self._closing = True
            elif self._came is not _NUDGE:
                (self._claims if self._came.weight else self._urgent).append(self._came)
            self._came = None
            # No other thread takes tasks out of the queue.
            self._came = self._queue.get_nowait() if self._queue.qsize() else None

    def _commit(self, connection: Connection, batch: list[_Task]) -> None:
        try:
            results = self._transaction(connection, batch)
        except UNAVAILABLE as problem:
            self._postpone(batch, problem)
        except Exception as problem:
            if len(batch) > 1:
                # One operation is at fault: tried alone, it does not undo the others.
                for task in batch:
                    self._commit(connection, [task])
            elif batch[0].keep and self._ledger.is_damage(problem):
                # The ledger is damaged: kept operations wait for its repair.
                self._postpone(batch, problem)
            else:
                batch[0].end(None, problem)
        else:
            self._written_at, self._has_memory = system.monotonic(), True
            self._count(connection)
            # A ledger that can only be read has not come back yet, and a transaction without a statement does
            # not reach a server.
            was_taken = batch[0].scope is not Scope.READING and any(it is not _LEFT_OUT for it in results)
            if was_taken:
                self._tell_it_answers()
            for task, result in zip(batch, results, strict=True):
                task.end(result)

    def _tell_it_answers(self) -> None:
        if self._troubled:
            self._troubled = False
            logger.info("the ledger answers again")

    def _transaction(self, connection: Connection, batch: list[_Task]) -> list[Any]:
        def work(inside: Connection) -> list[Any]:
            # An operation is left out if its caller has given up waiting meanwhile.
            return [task.operation(inside) if task.begin() else _LEFT_OUT for task in batch]

        self._check_file()
        return in_transaction(connection, work, scope=batch[0].scope)

    def _check_file(self) -> None:
        """Refuse to go on writing into a file that is no longer the ledger (R12)."""
        if self._ledger.file_identity() != self._file:
            raise Unavailable(
                f"{self._ledger} was removed or replaced: put the very file back; for another one stop the"
                " application, move the files ending in -wal and -shm away, and start it"
            )
        log = self._ledger.log_identity()
        self._log = self._log or log
        if log != self._log:
            raise Unavailable(
                f"a file beside {self._ledger}, ending in -wal or -shm, was removed or replaced: put it back,"
                " or stop and start the application"
            )

    def _postpone(self, batch: list[_Task], problem: Exception) -> None:
        if not self._troubled:
            self._troubled = True
            logger.error("the ledger does not answer ({}); trying again every second", problem)
        self._retry_at = system.monotonic() + _RETRY_SECONDS
        for task in batch:
            if task.keep:
                self._kept.append(task)
            else:
                task.end(None, LedgerUnavailable(str(problem)))

    def _tell_others(self, connection: Connection) -> None:
        if self._wakes and system.monotonic() >= self._wake_at:
            self._wakes, self._wake_at = False, system.monotonic() + _TELL_SECONDS
            try:
                notifications.tell(connection)
            except UNAVAILABLE as problem:
                self._postpone([], problem)

    def _beat(self, connection: Connection) -> None:
        if self._pulse is None:
            return
        try:
            self._check_file()
            wrote = self._pulse(connection)
        except UNAVAILABLE as problem:
            self._postpone([], problem)
        except Exception:
            logger.exception("the ledger's pulse failed")
        else:
            self._count(connection)
            if wrote:
                # A process may have nothing else to write: others were faster to claim.
                self._tell_it_answers()
            # It may have taken runs.
            self._glance_at = system.monotonic()

    def _look_around(self) -> None:
        self._glance_at = math.inf
        try:
            if self._glance():
                self._glance_at = system.monotonic() + _GLANCE_SECONDS
        except Exception:
            logger.exception("what was claimed could not be looked at")

    def _count(self, connection: Connection) -> None:
        if self._checkpoints is not None:
            self._checkpoints.count(connection)
