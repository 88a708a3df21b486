"""Sends alerts (`watch`) and calls heartbeat URLs (`heartbeat_urls`) for one process.

Without SCHEDULER_ALERT_URLS and without `ping=` neither module is loaded, and no thread is started.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from everytick import app
from everytick.model.job import Job
from everytick.settings import SchedulerSettings
from everytick.system import system

if TYPE_CHECKING:
    from everytick.store.database import Ledger
    from everytick.store.records import Identity, Outcome
    from everytick.store.writer import Writer

    from .channels import Channel
    from .heartbeat_urls import HeartbeatUrls
    from .watch import Watch


class Notifier:
    """The alerts and heartbeat URLs of one process.

    Raises:
        ConfigurationError: SCHEDULER_ALERT_URLS is set and cannot be used.
    """

    def __init__(self, settings: SchedulerSettings) -> None:
        self._settings, self._application = settings, app.current().name
        self._heartbeat_urls: HeartbeatUrls | None = None
        self._watch: Watch | None = None
        self._channels: list[Channel] = []
        if settings.scheduler_alert_urls.get_secret_value().strip():
            from .channels import load

            self._channels = load(settings, self._application)

    def start(
        self, ledger: Ledger, writer: Writer, me: Identity, jobs: Mapping[str, Job], opened: int
    ) -> None:
        """Begin to look for alerts to send. `opened`: when this process began (microseconds)."""
        if self._channels:
            from .watch import Watch

            self._watch = Watch(self._settings, self._channels, self._application, jobs)
            self._watch.start(ledger, writer, me.process_id, opened)

    def began(self, job: Job) -> None:
        """An attempt of a run begins. Called on the event loop, or on the thread of a plain function."""
        if job.options.ping is not None:
            self._calls().started(job.id, job.options.ping)

    def ended(self, job: Job, outcome: Outcome) -> None:
        """An attempt of a run has ended. Called on the event loop, or on the thread of a plain function."""
        if job.options.ping is not None:
            self._calls().ended(job.options.ping, outcome)

    def stop(self) -> None:
        """Send the alerts and calls under way, for some seconds at most. Blocks."""
        if self._heartbeat_urls is None and self._watch is None:
            return
        from .sender import LAST_SECONDS

        ends = system.monotonic() + LAST_SECONDS
        if self._heartbeat_urls is not None:
            self._heartbeat_urls.stop(LAST_SECONDS)
        if self._watch is not None:
            # It looks once more, however long the calls took.
            self._watch.stop(max(1.0, ends - system.monotonic()))

    def _calls(self) -> HeartbeatUrls:
        if self._heartbeat_urls is None:
            from .heartbeat_urls import HeartbeatUrls

            self._heartbeat_urls = HeartbeatUrls(self._application)
        return self._heartbeat_urls
