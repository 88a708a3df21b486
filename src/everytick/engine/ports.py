"""The interfaces by which the engine reports its runs, so that it knows neither alerts nor spans.

`AsyncIOScheduler` puts a process together: with `notify.notifier.Notifier` and `telemetry.spans`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Protocol

from everytick.model.job import Job
from everytick.store.database import Ledger
from everytick.store.records import Identity, Outcome
from everytick.store.writer import Writer

from .context import Run

# Opens the span of a run that was due at an instant (microseconds since 1970-01-01 UTC); the run is in it.
SpanOpener = Callable[[Run, int], AbstractContextManager[None]]


class RunNotifier(Protocol):
    """Hears of the runs of one process. Nothing here may block the event loop, but `stop`, which blocks."""

    def start(
        self, ledger: Ledger, writer: Writer, me: Identity, jobs: Mapping[str, Job], opened: int
    ) -> None:
        """Begin. `opened`: an instant (microseconds) before this process did anything in the ledger."""

    def began(self, job: Job) -> None:
        """An attempt of a run begins. Called on the event loop."""

    def ended(self, job: Job, outcome: Outcome) -> None:
        """An attempt of a run has ended. Called on the event loop, or on the thread of a plain function."""

    def stop(self) -> None:
        """Let the calls and alerts under way arrive, within some seconds."""
