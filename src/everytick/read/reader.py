"""A look into the ledger for the user's own tasks. Reading only; no scheduler is needed for it."""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta
from pathlib import Path

from everytick.errors import LedgerError
from everytick.ledger import ledger_place, open_ledger
from everytick.model import ticks
from everytick.store.database import Ledger
from everytick.store.sqlite import SqliteLedger

_COUNTS = (
    "SELECT state, count(*) FROM scheduler_runs WHERE finished_us >= :since GROUP BY state ORDER BY state"
)


class LedgerReader:
    """The application's ledger, for tasks that want to report on it or copy it.

    Each method blocks: in a coroutine call it with `asyncio.to_thread`. Settings are read at the first use.

    Example:
        from datetime import timedelta

        from everytick import LedgerReader

        def report() -> None:
            counts = LedgerReader().outcome_counts(timedelta(days=1))
            print(counts.get("failed", 0), "failed since yesterday")
    """

    @property
    def folder(self) -> Path:
        """The folder in which the ledger lies (default `data/` at the application's root)."""
        return ledger_place().folder

    @property
    def is_file(self) -> bool:
        """Whether the ledger is a file here, and not on a server, where `pg_dump` copies it."""
        return not ledger_place().is_on_server

    def outcome_counts(self, since: timedelta) -> dict[str, int]:
        """Return how many runs ended in each state (`succeeded`, `failed`, `skipped`, ...) in that time.

        Raises:
            LedgerError: there is no ledger yet, or it cannot be read.
        """
        from_us = ticks.now() - since // timedelta(microseconds=1)
        ledger = self._ledger()
        ledger.check_readable()
        with closing(ledger.connect(read_only=True)) as connection:
            return dict(connection.execute(_COUNTS, {"since": from_us}).fetchall())

    def backup(self, target: Path) -> None:
        """Copy the ledger to `target` with SQLite's online backup: consistent, while it is written to.

        The copy, and folders that are made for it, are for this user alone, as the ledger is. A file that is
        there keeps its rights.

        Raises:
            LedgerError: it cannot be read, or is not a file.
        """
        ledger = self._ledger()
        if not isinstance(ledger, SqliteLedger):
            raise LedgerError(f"{ledger} is on a server: copy it with pg_dump")
        ledger.check_readable()
        ledger.copy_to(target)

    def _ledger(self) -> Ledger:
        return open_ledger()
