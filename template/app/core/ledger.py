"""A look into the ledger for your own tasks. Reading only; the scheduler is not needed for it."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from datetime import timedelta
from pathlib import Path

from app.components.scheduler.runtime.errors import LedgerError
from app.components.scheduler.runtime.ledger.database import Ledger
from app.components.scheduler.runtime.ledger.sqlite import SqliteLedger
from app.components.scheduler.runtime.settings import settings


def folder() -> Path:
    """Return the folder in which the ledger lies (default `data/` at the app's root)."""
    return _ledger().folder


def is_file() -> bool:
    """Return whether the ledger is a file here, and not on a server, where `pg_dump` copies it."""
    return not _ledger().is_on_server


def outcome_counts(since: timedelta) -> dict[str, int]:
    """Return how many runs ended in each state (`succeeded`, `failed`, `skipped`, ...) in that time.

    Raises:
        LedgerError: there is no ledger yet, or it cannot be read.
    """
    from_us = (time.time_ns() // 1000) - since // timedelta(microseconds=1)
    ledger = _ledger()
    ledger.check_readable()
    statement = (
        "SELECT state, count(*) FROM scheduler_runs WHERE finished_us >= :since GROUP BY state ORDER BY state"
    )
    with closing(ledger.connect(read_only=True)) as connection:
        return dict(connection.execute(statement, {"since": from_us}).fetchall())


def backup(target: Path) -> None:
    """Copy the ledger to `target` with SQLite's online backup: consistent, while it is written to.

    Raises:
        LedgerError: it cannot be read, or is not a file.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    ledger = _ledger()
    if not isinstance(ledger, SqliteLedger):
        raise LedgerError(f"{ledger} is on a server: copy it with pg_dump")
    ledger.check_readable()
    with (
        closing(ledger.connect(read_only=True)) as source,
        closing(sqlite3.connect(target)) as copy,
    ):
        source.backup(copy)


def _ledger() -> Ledger:
    return Ledger(settings().database_url)
