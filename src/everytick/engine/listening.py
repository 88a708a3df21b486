"""Whether this process hears what others tell it, so that it need not look each second.

It listens on a connection of its own. Through PgBouncer in its transaction mode nothing is heard, and nothing
says so; a connection may also be lost without a sign. So a process tells itself something now and then, by
another connection: as long as it hears that, it hears all. Else it looks each second, as if there were no
notifications, and so it does on SQLite, where there are none.
"""

from __future__ import annotations

import math
import threading

from everytick.model import ticks
from everytick.model.misfire import AHEAD
from everytick.store import notifications, queue
from everytick.store.connections import Connection
from everytick.store.database import Ledger
from everytick.store.records import Identity
from everytick.store.writer import Writer
from everytick.system import system

# How often a process tells itself something, and for how long it then counts as one that hears.
_PROBE_SECONDS, _HEARS_SECONDS = 30.0, 70.0
# At first, until it has heard itself once.
_FIRST_SECONDS, _FIRST_PROBES = 1.0, 10
# However often others tell something, there is no more than one look in this time.
_SHORTEST_SECONDS = 0.1
# How often a process looks all the same: nobody tells that a process died while it told of something.
_LOOK_SECONDS = 5.0


class Listening:
    """Listens for one process, on a thread of its own, and says whether there may be something for it."""

    def __init__(self, ledger: Ledger, me: Identity, writer: Writer) -> None:
        self._ledger, self._me, self._writer = ledger, me, writer
        self._stop = system.event()
        self._heard = self._told_at = -math.inf
        self._probe_at = self._look_at = 0.0
        self._probes = 0
        self._thread: threading.Thread | None = None

    @property
    def hears(self) -> bool:
        """Whether it heard itself lately, and the server takes what others tell."""
        return system.monotonic() < self._heard + _HEARS_SECONDS and not notifications.are_left_out()

    def start(self) -> None:
        """Begin."""
        self._thread = system.start_thread(self._listen, name="scheduler-listen")

    def stop(self) -> None:
        """End soon."""
        self._stop.set()

    def _probe(self, connection: Connection) -> None:
        """Tell itself something if it is time."""
        now = system.monotonic()
        if self._thread is not None and now >= self._probe_at:
            self._probes += 1
            is_first = not self.hears and self._probes <= _FIRST_PROBES
            self._probe_at = now + (_FIRST_SECONDS if is_first else _PROBE_SECONDS)
            notifications.probe(connection, self._me.process_id)

    def may_be_news(self, connection: Connection, serial: int, runs_wait: bool) -> bool:
        """Return whether to look what others want. Called about once a second on the ledger's thread.

        serial: the last of the added jobs that this process knows. runs_wait: whether runs were found to wait
        that it may take as soon as something ends, or are still to be made.
        """
        self._probe(connection)
        now = system.monotonic()
        if not self.hears or self._writer.is_hurried or runs_wait:
            self._look_at = now
            return True
        if now < self._look_at:
            return False
        self._look_at = now + _LOOK_SECONDS
        news = queue.news(connection, self._me)
        if news.next_due is not None and self._me.role.runs:
            self._writer.look_again((news.next_due - AHEAD - ticks.now()) / ticks.SECOND)
        is_due = news.next_backfill is not None and news.next_backfill <= ticks.now()
        return news.to_cancel or news.serial != serial or is_due or (news.waiting and self._me.role.runs)

    def _listen(self) -> None:
        self._ledger.listen(self._me.process_id, self._hear, self._stop)
        self._heard = -math.inf

    def _hear(self, what: str) -> None:
        """Take in what was heard: `self`, `others`, or `lost` when the connection is."""
        now = system.monotonic()
        if what == "self":
            self._heard = now
        elif what == "lost":
            # Nothing is heard until it listens again.
            self._heard, self._probe_at, self._probes = -math.inf, 0.0, 0
        else:
            # The first at once, further ones together a moment later.
            wait = max(0.0, self._told_at + _SHORTEST_SECONDS - now)
            self._told_at = max(self._told_at, now + wait)
            self._writer.hurry(wait)
