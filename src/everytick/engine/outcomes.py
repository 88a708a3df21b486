"""Outcomes on their way to the ledger: those of many runs are written down by one statement.

An outcome that is lost would let its run begin again, so each is kept until the ledger has taken it.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import replace

from everytick.store import runs
from everytick.store.connections import Connection
from everytick.store.records import Claim, Identity, Outcome
from everytick.store.writer import Writer
from loguru import logger


class Outcomes:
    """Of one process. `write` may be called from any thread."""

    def __init__(self, writer: Writer, me: Identity) -> None:
        self._writer, self._me = writer, me
        self._plain: list[Outcome] = []
        self._lock = threading.Lock()
        # Whether those that are there wait for the end of a burst.
        self._is_burst = False

    def write(self, outcome: Outcome, *, more: bool = False) -> None:
        """Write an outcome down soon; `more`: with those of runs that begin as soon as this is over."""
        if not outcome.is_plain:
            self._write_alone(outcome)
            return
        with self._lock:
            self._plain.append(outcome)
            is_first = len(self._plain) == 1
        # The operation that was submitted for the first outcome writes the others too.
        if is_first:
            self._is_burst = more
            self._submit()
        elif self._is_burst and not more:
            self._is_burst = False
            self._writer.end_burst()

    def release(self, claims: Sequence[Claim]) -> None:
        """Give back runs that were not entered."""
        me, writer = self._me, self._writer
        if not claims:
            return

        def release(connection: Connection) -> None:
            runs.release(connection, me, claims)
            writer.wake_others()

        writer.submit(release, keep=True)

    def requeue(self, waiting: Sequence[tuple[Claim, int]]) -> None:
        """Let runs wait for a slot in any process; with each, how many ticks of its job may wait so."""
        me, writer = self._me, self._writer

        def requeue(connection: Connection) -> None:
            runs.requeue(connection, me, waiting)
            writer.wake_others()

        writer.submit(requeue, keep=True)

    def _write_alone(self, outcome: Outcome, *, again: bool = True) -> None:
        """Write an outcome with its run's log lines and error alone: if that fails, no other fails with it.

        If the ledger refuses these texts, they are left out: a run without an outcome would hold up others.
        """

        def check(done: Future[bool]) -> None:
            if problem := done.exception():
                logger.opt(exception=problem).error(
                    "what run {} said could not be written down", outcome.claim.run_id
                )
                if again:
                    instead = "what it said could not be written to the ledger: see the log of its process"
                    error = None if outcome.error is None else instead
                    bare = replace(outcome, error=error, traceback=None, log=None)
                    self._write_alone(bare, again=False)
            elif not done.result():
                _tell_of_lost_lease(outcome.claim)

        me, writer = self._me, self._writer

        def finish(connection: Connection) -> bool:
            if outcome.retry_at is not None or outcome.rerun_until is not None:
                # All that serve it take note of when it is due.
                writer.wake_others()
            return runs.finish(connection, me, outcome)

        writer.submit(finish, keep=True).add_done_callback(check)

    def _submit(self) -> None:
        batch: list[Outcome] = []

        def finish(connection: Connection) -> list[Outcome]:
            # Once more when the ledger did not take it: with the same ones, and those since.
            with self._lock:
                batch.extend(self._plain)
                self._plain.clear()
            return runs.finish_all(connection, self._me, batch)

        writing = self._writer.submit(finish, keep=True, patient=True, burst=self._is_burst)
        writing.add_done_callback(functools.partial(_check_all, batch))


def _check_all(batch: list[Outcome], future: Future[list[Outcome]]) -> None:
    if future.exception():
        numbers = ", ".join(str(outcome.claim.run_id) for outcome in batch)
        logger.opt(exception=future.exception()).error("the outcomes of runs {} were refused", numbers)
        return
    for outcome in future.result():
        _tell_of_lost_lease(outcome.claim)


def _tell_of_lost_lease(claim: Claim) -> None:
    logger.error("run {} had lost its lease: its outcome is not recorded", claim.run_id)
