"""A look into the ledger for your own tasks. Reading only; the scheduler is not needed for it."""

from datetime import timedelta
from pathlib import Path

from everytick import LedgerReader

_ledger = LedgerReader()


def folder() -> Path:
    """Return the folder in which the ledger lies (default `data/` at the app's root)."""
    return _ledger.folder


def is_file() -> bool:
    """Return whether the ledger is a file here, and not on a server, where `pg_dump` copies it."""
    return _ledger.is_file


def outcome_counts(since: timedelta) -> dict[str, int]:
    """Return how many runs ended in each state (`succeeded`, `failed`, `skipped`, ...) in that time.

    Raises:
        LedgerError: there is no ledger yet, or it cannot be read.
    """
    return _ledger.outcome_counts(since)


def backup(target: Path) -> None:
    """Copy the ledger to `target` with SQLite's online backup: consistent, while it is written to.

    Raises:
        LedgerError: it cannot be read, or is not a file.
    """
    _ledger.backup(target)
