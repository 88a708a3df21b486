"""What leaves the process so that people hear of it: alerts (`alerts`) and calls of addresses (`pings`).

Without SCHEDULER_ALERT_URLS and without `ping=` nothing of either is loaded, and there is no thread.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from everytick import app
from everytick.model.job import Job
from everytick.settings import SchedulerSettings

if TYPE_CHECKING:
    from everytick.store.database import Ledger
    from everytick.store.records import Identity, Outcome
    from everytick.store.writer import Writer

    from .heartbeat_urls import HeartbeatUrls
    from .watch import Watch


class Notifier:
    """Alerts and pings of one process.

    Raises:
        ConfigurationError: SCHEDULER_ALERT_URLS is set and cannot be used.
    """

    def __init__(self, settings: SchedulerSettings, jobs: Mapping[str, Job]) -> None:
        self._application = app.current().name
        self._heartbeat_urls: HeartbeatUrls | None = None
        self._watch: Watch | None = None
        if settings.scheduler_alert_urls.get_secret_value().strip():
            from . import channels, watch

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
        if self._heartbeat_urls is not None:
            self._heartbeat_urls.stop()
        if self._watch is not None:
            self._watch.stop()

    def _calls(self) -> HeartbeatUrls:
        if self._heartbeat_urls is None:
            from .heartbeat_urls import HeartbeatUrls

            self._heartbeat_urls = HeartbeatUrls(self._application)
        return self._heartbeat_urls
