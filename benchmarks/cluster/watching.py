"""Looks at the server while a load runs: what the sessions of those that are measured are about."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import psycopg

from servers import Server

_EVERY_SECONDS = 0.02

_LOOK = """
SELECT count(*) FILTER (WHERE waits),
       count(*) FILTER (WHERE state = 'active' AND NOT waits AND query = 'COMMIT'),
       count(*) FILTER (WHERE state = 'active' AND NOT waits AND query <> 'COMMIT'),
       count(*) FILTER (WHERE state LIKE 'idle in transaction%%'),
       count(*)
FROM (
    SELECT state, query, COALESCE(wait_event_type = 'Lock', false) AS waits FROM pg_stat_activity
    WHERE datname = %(name)s AND backend_type = 'client backend'
) AS sessions
"""


@dataclass
class Seen:
    """How many sessions at a time, on average, and the most connections that were seen.

    waiting: for a lock that another one has. committing: writing through to the disk. executing: a statement.
    between: in a transaction whose process has not sent the next statement yet.
    """

    waiting: float = 0.0
    committing: float = 0.0
    executing: float = 0.0
    between: float = 0.0
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
        looks: list[tuple[int, ...]] = []
        with psycopg.connect(self._server.url(), autocommit=True) as connection:
            while not self._stop.wait(_EVERY_SECONDS):
                row = connection.execute(_LOOK, {"name": self._name}).fetchone()
                assert row is not None
                looks.append(row)
        if looks:
            shares = [sum(column) / len(looks) for column in zip(*looks, strict=True)]
            waiting, committing, executing, between, _connections = shares
            self.seen = Seen(waiting, committing, executing, between, max(row[-1] for row in looks))
