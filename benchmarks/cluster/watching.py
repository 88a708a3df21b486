"""Looks at the server while a load runs: who holds the ledger's lock, and what its holder waits for."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field

import psycopg

from servers import Server

_EVERY_SECONDS = 0.02

_LOOK = """
SELECT (
    SELECT CASE WHEN activity.state LIKE 'idle in transaction%%' THEN 'client'
                WHEN activity.wait_event_type = 'IO' OR activity.wait_event IN ('WALWrite', 'WALSync')
                    OR activity.query = 'COMMIT' THEN 'disk'
                WHEN activity.state = 'active' THEN 'server' ELSE 'client' END
    FROM pg_locks AS locks JOIN pg_stat_activity AS activity USING (pid)
    WHERE locks.locktype = 'advisory' AND locks.granted AND activity.datname = %(name)s LIMIT 1
), (
    SELECT count(*) FROM pg_locks AS locks JOIN pg_stat_activity AS activity USING (pid)
    WHERE locks.locktype = 'advisory' AND NOT locks.granted AND activity.datname = %(name)s
), (SELECT count(*) FROM pg_stat_activity WHERE datname = %(name)s)
"""


@dataclass
class Seen:
    """Shares of the looks, from 0 to 1, and the most connections that were seen.

    holders: `client` (the server waits for the process that holds the lock), `server` (it executes), `disk`
    (it commits), `nobody`. waiting: how many processes waited for the lock, on average.
    """

    holders: dict[str, float] = field(default_factory=dict)
    waiting: float = 0.0
    connections: int = 0


class Watch:
    """Looks as long as the block lasts; `seen` is filled at its end."""

    def __init__(self, server: Server, name: str) -> None:
        self._server, self._name = server, name
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self.seen = Seen()

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_problem: object) -> None:
        self._stop.set()
        self._thread.join(10)

    def _look(self) -> None:
        holders: Counter[str] = Counter()
        waiting = most = 0
        with psycopg.connect(self._server.url(), autocommit=True) as connection:
            while not self._stop.wait(_EVERY_SECONDS):
                row = connection.execute(_LOOK, {"name": self._name}).fetchone()
                assert row is not None
                holders[row[0] or "nobody"] += 1
                waiting += row[1]
                most = max(most, row[2])
        looks = max(1, sum(holders.values()))
        shares = {who: number / looks for who, number in holders.items()}
        self.seen = Seen(shares, waiting / looks, most)
