"""Which alerts each channel has sent, and which it has to send now.

A channel that did not answer for a while then gets the present state, not every message that it
missed. Each function is called inside of a transaction, or with a connection that only reads.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from everytick.model import ticks
from everytick.model.backoff import Backoff

from .connections import Connection

# How long a process that sends through a channel has it for itself.
_HOLD = 120 * ticks.SECOND
# The most messages to a channel in one window; alerts beyond that are told in one message at its end.
_MOST = 10
# Between two messages lies this part of the window, at most `_REST`: alerts meanwhile are told together.
_REST_PART = 30
_REST = 10 * ticks.SECOND
# How many tries are counted: the column takes no more.
_MOST_TRIES = 2**31 - 1
# An incident that has not changed for this long is not told any more.
_STALE = 7 * ticks.DAY

# By scheduler_incidents_changed, then by primary key.
_LIST = """
SELECT incidents.incident_id, job_id, kind, first_us, last_us, count, detail, over_us, told_count, told_us,
       told_over_us, run_id
FROM scheduler_incidents AS incidents LEFT JOIN scheduler_notices AS notices
    ON notices.incident_id = incidents.incident_id AND notices.channel = :channel
WHERE changed_us >= :since
  AND (told_count IS NULL OR count > told_count OR over_us <> COALESCE(told_over_us, 0))
ORDER BY incidents.incident_id
"""

# By scheduler_notices_told.
_PACE = """
SELECT count(DISTINCT told_us), max(told_us) FROM scheduler_notices
WHERE channel = :channel AND told_us > :after AND told_us <= :now
"""

# By primary key. The log of the attempt that was told: the next one may have begun.
# A message that tells of more runs than this has no logs.
_MOST_LOGS = 3
_READ_LOG = """
SELECT text FROM scheduler_logs WHERE run_id = :run_id
  AND attempt <= (SELECT told_attempt FROM scheduler_runs WHERE run_id = :run_id)
ORDER BY attempt DESC LIMIT 1
"""

_READ_CHANNEL = """
SELECT since_us, process_id, held_until_us, tries, try_us FROM scheduler_channels WHERE channel = :channel
"""

_ENTER_CHANNEL = """
INSERT INTO scheduler_channels (channel, since_us, tries, try_us) VALUES (:channel, :since, 0, 0)
ON CONFLICT (channel) DO NOTHING
"""

_HOLD_CHANNEL = """
UPDATE scheduler_channels SET process_id = :process_id, held_until_us = :until WHERE channel = :channel
"""

_RELEASE_CHANNEL = """
UPDATE scheduler_channels SET process_id = NULL, held_until_us = NULL, tries = :tries, try_us = :again
WHERE channel = :channel AND process_id = :process_id
"""

_TOLD = """
INSERT INTO scheduler_notices (incident_id, channel, told_count, told_us, told_over_us)
VALUES (:incident_id, :channel, :count, :now, :over)
ON CONFLICT (incident_id, channel) DO UPDATE SET told_count = excluded.told_count, told_us = excluded.told_us,
    told_over_us = COALESCE(excluded.told_over_us, scheduler_notices.told_over_us)
"""


@dataclass(frozen=True)
class Item:
    """An incident, as one channel is to be told of it. Instants are microseconds UTC.

    `told_count`, `told_us`, `told_over_us`: what it was told last; None for nothing.
    run_id: the last run that it is about; None for a tick that is late.
    """

    incident_id: int
    job_id: str
    kind: str
    first_us: int
    last_us: int
    count: int
    detail: str
    over_us: int | None
    told_count: int | None
    told_us: int | None
    told_over_us: int | None
    run_id: int | None

    @property
    def is_readable(self) -> bool:
        """Whether all has its type: a file takes anything in any column. `doctor` reports other rows."""
        words = (self.job_id, self.kind, self.detail)
        numbers = (self.incident_id, self.first_us, self.last_us, self.count)
        may_lack = (self.over_us, self.told_count, self.told_us, self.told_over_us, self.run_id)
        return (
            all(type(one) is str for one in words)
            and all(type(one) is int for one in numbers)
            and all(type(one) in (int, type(None)) for one in may_lack)
        )


def enter(connection: Connection, channels: Iterable[str], since: int) -> None:
    """Write down channels that are new, and since when they are to be told."""
    for channel in channels:
        connection.execute(_ENTER_CHANNEL, {"channel": channel, "since": since})


def due(connection: Connection, process_id: str, channel: str, window: int, backoff: Backoff) -> list[Item]:
    """Return the notices to send through a channel now, in one message; none if it must wait.

    `window` (microseconds) is how long a channel is not told of a problem again; `backoff` spaces out
    retries.
    """
    row = connection.execute(_READ_CHANNEL, {"channel": channel}).fetchone()
    if row is None:
        return []
    since, held_until, try_at = (_number(row[place]) for place in (0, 2, 4))
    holder, now = row[1], ticks.now()
    held = holder is not None and holder != process_id and now < held_until <= now + _HOLD
    # A clock that was set back must not silence a channel for longer.
    if held or now < try_at <= now + int(backoff.longest * ticks.SECOND):
        return []
    values = {"channel": channel, "since": max(since, now - _STALE)}
    found = [Item(*row) for row in connection.execute(_LIST, values).fetchall()]
    items = [item for item in found if item.is_readable]
    items = [item for item in items if _is_due(item, now, window)]
    return items if items and not _rests(connection, channel, now, window) else []


def take(connection: Connection, process_id: str, channel: str, window: int, backoff: Backoff) -> list[Item]:
    """Return the due notices, and keep other processes from sending through the channel for a while."""
    items = due(connection, process_id, channel, window, backoff)
    if items:
        values = {"process_id": process_id, "channel": channel, "until": ticks.now() + _HOLD}
        connection.execute(_HOLD_CHANNEL, values)
    return items


def logs_of(connection: Connection, items: Sequence[Item]) -> dict[int, str]:
    """Return what the runs of incidents that go on logged, by run; nothing if they are more than a few."""
    runs = {item.run_id for item in items if item.over_us is None and item.run_id is not None}
    found: dict[int, str] = {}
    for run_id in sorted(runs) if len(runs) <= _MOST_LOGS else ():
        row = connection.execute(_READ_LOG, {"run_id": run_id}).fetchone()
        if row is not None:
            found[run_id] = str(row[0])
    return found


def told(connection: Connection, process_id: str, channel: str, items: Sequence[Item]) -> int:
    """Write down that a channel took a message; return how often it did not before."""
    now = ticks.now()
    tries = _tries(connection, channel)
    for item in items:
        values: dict[str, Any] = {"channel": channel, "now": now, "over": item.over_us}
        connection.execute(_TOLD, {**values, "incident_id": item.incident_id, "count": item.count})
    values = {"process_id": process_id, "channel": channel, "tries": 0, "again": 0}
    connection.execute(_RELEASE_CHANNEL, values)
    return tries


def refused(connection: Connection, process_id: str, channel: str, backoff: Backoff) -> tuple[int, int]:
    """Write down that a channel did not take a message.

    Returns how often in a row it did not, and in how many microseconds it is tried again.
    """
    tries = min(_tries(connection, channel) + 1, _MOST_TRIES)
    wait = int(backoff.pause(tries) * ticks.SECOND)
    values = {"process_id": process_id, "channel": channel, "tries": tries, "again": ticks.now() + wait}
    connection.execute(_RELEASE_CHANNEL, values)
    return tries, wait


def _tries(connection: Connection, channel: str) -> int:
    row = connection.execute(_READ_CHANNEL, {"channel": channel}).fetchone()
    return 0 if row is None else _number(row[3])


def _number(kept: object) -> int:
    """Return a number as the ledger keeps it; 0 for none, since a file takes anything in any column."""
    return kept if type(kept) is int else 0


def _is_due(item: Item, now: int, window: int) -> bool:
    """The first news and the first end are told at once; what comes then, when a window has passed."""
    if item.told_us is None or (item.over_us is not None and item.told_over_us is None):
        return True
    return not item.told_us <= now < item.told_us + window


def _rests(connection: Connection, channel: str, now: int, window: int) -> bool:
    values = {"channel": channel, "after": now - window, "now": now}
    number, last = connection.execute(_PACE, values).fetchone()
    return number >= _MOST or (last is not None and now < last + min(_REST, window // _REST_PART))
