"""What leaves the process so that people hear of it: alerts (`alerts`) and calls of addresses (`pings`).

Without SCHEDULER_ALERT_URLS and without `ping=` nothing of either is loaded, and there is no thread.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from .declaration import Job
from .settings import SchedulerSettings, project

if TYPE_CHECKING:
    from .alerts.watch import Watch
    from .ledger.database import Ledger
    from .ledger.records import Identity, Outcome
    from .ledger.writer import Writer
    from .pings import Pings


class Telling:
    """Alerts and pings of one process.

    Raises:
        ConfigurationError: SCHEDULER_ALERT_URLS is set and cannot be used.
    """

    def __init__(self, settings: SchedulerSettings, jobs: Mapping[str, Job]) -> None:
        self._application = str(project()["name"])
        self._pings: Pings | None = None
        self._watch: Watch | None = None
        if settings.scheduler_alert_urls.get_secret_value().strip():
            from .alerts import channels, watch

            found = channels.load(settings, self._application)
            if found:
                self._watch = watch.Watch(settings, found, self._application, jobs)

    def start(self, ledger: Ledger, writer: Writer, me: Identity, opened: int) -> None:
        """Begin to look for what is to be told. `opened`: when this process began (microseconds)."""
        if self._watch is not None:
            self._watch.start(ledger, writer, me.process_id, opened)

    def began(self, job: Job) -> None:
        """An attempt of a run begins. Called on the event loop."""
        if job.options.ping is not None:
            self._calls().started(job.id, job.options.ping)

    def ended(self, job: Job, outcome: Outcome) -> None:
        """An attempt of a run has ended. Called on the event loop."""
        if job.options.ping is not None:
            self._calls().ended(job.options.ping, outcome)

    def stop(self) -> None:
        """Let go what is under way, within some seconds. Blocks."""
        if self._pings is not None:
            self._pings.stop()
        if self._watch is not None:
            self._watch.stop()

    def _calls(self) -> Pings:
        if self._pings is None:
            from .pings import Pings

            self._pings = Pings(self._application)
        return self._pings
