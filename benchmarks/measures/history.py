"""A ledger with millions of past runs: rows as the scheduler writes them, put in by the database itself."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path

_DAYS = 28
_JOBS = 1000
_DAY = 86_400_000_000
_FILL = """
WITH RECURSIVE numbers(n) AS (SELECT :begin UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < :end)
INSERT INTO scheduler_runs (job_id, kind, tick_us, state, attempt, crashes, due_us, process_id, claimed_us,
                            started_us, finished_us)
SELECT 'job-' || (n % :jobs), 'scheduled', tick, 'succeeded', 1, 0, tick, :process, tick - 150000,
       tick + 800, tick + 900
FROM (SELECT n, :oldest + (n / :jobs) * :step AS tick FROM numbers)
"""


def fill(ledger: Path, rows: int) -> None:
    """Write that many past runs into a ledger, of a thousand jobs, all of the last four weeks."""
    with closing(sqlite3.connect(ledger, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA cache_size = -1500000")
        (there,) = connection.execute(
            "SELECT count(*) FROM scheduler_runs WHERE process_id = 'history'"
        ).fetchone()
        step = _DAYS * _DAY // (10_000_000 // _JOBS + 1)
        connection.execute("BEGIN IMMEDIATE")
        values = {
            "begin": there, "end": rows, "jobs": _JOBS, "process": "history", "step": step,
            "oldest": int(time.time() * 1e6) - (_DAYS + 1) * _DAY,
        }  # fmt: skip
        if rows > there:
            connection.execute(_FILL, values)
        connection.execute("COMMIT")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
