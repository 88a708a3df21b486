"""An attempt of a run, from when it is entered until its outcome is handed over."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

from everytick.model.job import Job
from everytick.store.records import Claim

from .capture import Lines
from .context import Run, Signals, describe
from .tasks import RunTask


class Attempt:
    """All that the engine knows of one; read from any thread.

    started: when it was entered, in microseconds UTC. task: the one in which its function is called, while
    that is so. thread: its plain function, once that was handed to a thread. lines: what it logs, once its
    function was called.
    """

    __slots__ = ("_run", "claim", "job", "lines", "signals", "started", "task", "thread")

    def __init__(self, claim: Claim, job: Job, started: int) -> None:
        self.claim, self.job, self.started = claim, job, started
        self.signals = Signals()
        self.task: RunTask | None = None
        self.thread: Future[Any] | None = None
        self.lines: Lines | None = None
        self._run: Run | None = None

    def run(self) -> Run:
        """Return the run as its function finds it: made for the first that asks, as most never do."""
        if self._run is None:
            claim = self.claim
            self._run = describe(
                self.job, claim.run_id, claim.kind, claim.tick, claim.attempt, self.started, self.signals
            )
        return self._run

    def cancel(self) -> bool:
        """Cancel a coroutine; False for a plain function, which goes on. On the event loop."""
        if self.thread is not None:
            return False
        if self.task is not None:
            self.task.cut()
        return True

    def forget(self) -> str | None:
        """Let go of what its function did, when it is over; return what it has logged.

        What the function left behind, such as a task, has the run for as long as it goes on.
        """
        lines, self.thread, self.lines = self.lines, None, None
        return None if lines is None else lines.text()
