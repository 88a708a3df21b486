"""Finds new and ended incidents in the ledger, and sends alerts about them to the channels.

On threads of its own, and in the ledger's writer only for a small transaction where there is something to
write: neither a slow channel nor any error here delays the schedule.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import CancelledError
from typing import Any

from everytick.engine.parts import Parts
from everytick.errors import LedgerUnavailable
from everytick.log_rate import RateLimitedLog
from everytick.model import ticks
from everytick.model.job import Job
from everytick.settings import SchedulerSettings
from everytick.store import incidents, notices
from everytick.store.connections import UNAVAILABLE, Connection, Scope
from everytick.store.database import Ledger
from everytick.store.writer import Writer
from everytick.system import system
from loguru import logger

from . import sender
from .channels import Channel
from .lateness import Lateness
from .messages import Page, message

_LOOK_SECONDS = 1.0
_SEEN_SECONDS = 60.0
# How often late ticks are looked for: as often as that shows them in time, but not more rarely.
_LATE_SECONDS = 15.0
# How long the ledger's writer is waited for.
_PATIENCE = 30.0
# The ledger does not answer: its writer logs the problem, and here it is tried again.
_NO_LEDGER = (*UNAVAILABLE, LedgerUnavailable, TimeoutError, CancelledError)


class Watch:
    """The alerts of one process."""

    def __init__(
        self,
        settings: SchedulerSettings,
        channels: list[Channel],
        application: str,
        jobs: Mapping[str, Job],
    ) -> None:
        self._channels, self._application, self._zone = channels, application, settings.zone
        self._jobs = jobs
        self._page = Page(settings.scheduler_dashboard_url)
        self._window = int(settings.scheduler_alert_window * ticks.SECOND)
        self._kinds = settings.alert_kinds
        self._history = int(settings.scheduler_history_days * ticks.DAY)
        late_after = settings.scheduler_alert_late_after
        self._lateness = Lateness(jobs, late_after) if "late" in self._kinds else None
        self._late_seconds = min(_LATE_SECONDS, late_after / 4)
        self._next_late = self._next_seen = 0.0
        self._since = 0
        self._parts = Parts("the alerts", _NO_LEDGER)
        # For the threads that send.
        self._log = RateLimitedLog()
        self._under_way: dict[str, threading.Thread] = {}
        self._connection: Connection | None = None
        self._stopping = system.event()
        self._thread: threading.Thread | None = None

    def start(self, ledger: Ledger, writer: Writer, process_id: str, opened: int) -> None:
        """Begin. `opened`: an instant (microseconds) before this process did anything in the ledger.

        `process_id`: how the ledger knows this process.
        """
        self._ledger, self._writer = ledger, writer
        self._process_id, self._opened = process_id, opened
        self._thread = system.start_thread(self._work, name="scheduler-alerts")

    def stop(self, patience: float) -> None:
        """Look once more, let messages that are under way arrive for a moment, and stop.

        Alerts that were not sent are sent by another process, or after the next start.
        """
        self._stopping.set()
        if self._thread is not None:
            ends = system.monotonic() + patience
            self._thread.join(patience)
            for thread in list(self._under_way.values()):
                thread.join(max(0.0, ends - system.monotonic()))

    def _work(self) -> None:
        troubled = False
        while True:
            last = self._stopping.is_set()
            try:
                self._look()
                troubled = False
            except _NO_LEDGER:
                self._disconnect()
            except Exception:
                self._disconnect()
                if not troubled:
                    logger.exception("the alerts failed; trying again")
                troubled = True
            if last:
                break
            self._stopping.wait(_LOOK_SECONDS)
        self._disconnect()

    def _look(self) -> None:
        connection = self._connection = self._connection or self._ledger.connect(read_only=True)
        if not self._since:
            self._since = self._do(self._begin)
        do = self._parts.do
        do("the removal of old incidents", self._forget)
        do("new incidents", self._note, connection)
        do("late ticks", self._look_for_late, connection)
        do("ended incidents", self._close, connection)
        for channel in self._channels:
            do(f"what {channel.name} is told", self._tell, connection, channel)

    def _begin(self, connection: Connection) -> int:
        since = incidents.begin(connection, self._opened)
        notices.enter(connection, (channel.key for channel in self._channels), self._opened)
        return since

    def _forget(self) -> None:
        if system.monotonic() >= self._next_seen:
            self._next_seen = system.monotonic() + _SEEN_SECONDS
            self._do(lambda inside: incidents.seen(inside, ticks.now() - self._history))

    def _note(self, connection: Connection) -> None:
        while incidents.untold(connection, self._since):
            self._do(
                lambda inside: incidents.note(inside, self._since, self._window, self._is_wanted, self._zone)
            )

    def _close(self, connection: Connection) -> None:
        ended = incidents.over(connection)
        if ended:
            self._do(lambda inside: incidents.close(inside, ended))

    def _look_for_late(self, connection: Connection) -> None:
        lateness = self._lateness
        if lateness is None or system.monotonic() < self._next_late:
            return
        self._next_late = system.monotonic() + self._late_seconds
        known = incidents.late(connection)
        told = {(job_id, due) for _id, job_id, due in known}
        waiting, late = lateness.look(connection, told)
        news = [found for found in late if found not in told and self._is_wanted(found[0], "late")]
        ended = [
            (incident_id, due)
            for incident_id, job_id, due in known
            if job_id not in waiting or waiting[job_id] > due
        ]
        if news or ended:
            self._do(lambda inside: incidents.close(inside, ended))
            self._do(lambda inside: incidents.note_late(inside, news, self._window, self._zone))

    def _is_wanted(self, job_id: str, kind: str) -> bool:
        job = self._jobs.get(job_id)
        return kind in self._kinds and (job is None or job.options.alert)

    def _tell(self, connection: Connection, channel: Channel) -> None:
        """Send what a channel is to be told, on a thread of its own: it may take its time."""
        before = self._under_way.get(channel.key)
        if before is not None and before.is_alive():
            return
        if not notices.due(connection, self._process_id, channel.key, self._window, sender.ALERTS):
            return
        items = self._do(
            lambda inside: notices.take(inside, self._process_id, channel.key, self._window, sender.ALERTS)
        )
        if items:
            name, logs = "scheduler-alert", notices.logs_of(connection, items)
            self._under_way[channel.key] = system.start_thread(
                self._send, name=name, args=(channel, items, logs)
            )

    def _send(self, channel: Channel, items: list[notices.Item], logs: dict[int, str]) -> None:
        report = sender.Report(
            f"an alert by {channel.name} was not taken", f"alerts by {channel.name} are taken again"
        )
        try:
            reason = self._sent(channel, items, logs)
            if reason is None:
                tries = self._do(lambda inside: notices.told(inside, self._process_id, channel.key, items))
                report.taken(tries)
                return
            tries, wait = self._do(
                lambda inside: notices.refused(inside, self._process_id, channel.key, sender.ALERTS)
            )
            report.not_taken(tries, wait / ticks.SECOND, reason)
        except (LedgerUnavailable, TimeoutError, CancelledError):
            # Whether it arrived could not be written down: it may be told once more.
            return

    def _sent(self, channel: Channel, items: list[notices.Item], logs: dict[int, str]) -> str | None:
        """Send a message, and return why it was not taken; None if it was."""
        try:
            return channel.send(message(items, self._application, self._zone, self._page, logs))
        except Exception as problem:
            self._log.error(channel.key, problem, "an alert by {} could not be made", channel.name)
            return "it could not be made"

    def _do(self, operation: Callable[[Connection], Any]) -> Any:
        """Return what an operation of the ledger returns, after its commit."""
        doing = self._writer.submit(operation, scope=Scope.RARE)
        try:
            return doing.result(_PATIENCE)
        except TimeoutError:
            doing.cancel()
            raise

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
