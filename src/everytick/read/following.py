"""Runs as they end, as another process sees them in the ledger."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing

from everytick.errors import LedgerError, LedgerUnavailable
from everytick.store import schema
from everytick.store.connections import UNAVAILABLE
from everytick.store.connections import Connection as LedgerConnection
from everytick.store.database import Ledger
from everytick.store.querying import connect
from everytick.system import system
from sqlalchemy import Connection

from .completions import CompletionFeed
from .runs import RunFilter, shown
from .schemas import RunRow

POLL_SECONDS = 0.5
_MAKING_SECONDS = 10.0
# How long a ledger that went away is waited for.
_PATIENCE_SECONDS = 60.0


def follow(ledger: Ledger, wanted: RunFilter, over: Callable[[], bool] = lambda: False) -> Iterator[RunRow]:
    """Yield runs, as `run_rows` shows them, each when it has ended; those since `wanted.since` first.

    Ends when `over()` says so, within a fraction of a second. A run that is tried again after its end comes
    once for each end. Where there is no ledger yet it waits for one. As long as nothing is
    written a look costs little. A ledger that goes away is waited for, for a minute.

    Raises:
        LedgerError: the ledger cannot be read, or is not the same file any more.
    """
    _await(ledger, over)
    file, feed = ledger.file_identity(), CompletionFeed(wanted.since, list(schema.runs.columns))
    give_up = 0.0
    while not over():
        try:
            with closing(ledger.connect(read_only=True)) as mark, connect(ledger) as connection:
                for found in _looks(ledger, mark, connection, feed, wanted, over):
                    give_up = 0.0
                    yield from found
                    if ledger.file_identity() != file:
                        raise LedgerError(f"{ledger} was removed or replaced")
        except (LedgerUnavailable, *UNAVAILABLE) as problem:
            give_up = give_up or system.monotonic() + _PATIENCE_SECONDS
            if system.monotonic() >= give_up:
                raise LedgerError(ledger.unusable(problem)) from None
            system.sleep(POLL_SECONDS)


def _looks(
    ledger: Ledger,
    mark: LedgerConnection,
    connection: Connection,
    feed: CompletionFeed,
    wanted: RunFilter,
    over: Callable[[], bool],
) -> Iterator[list[RunRow]]:
    """Yield the runs that ended since the last look, again and again; none if nothing was written."""
    written: object = None
    while not over():
        now_written = ledger.change_mark(mark)
        if now_written != written or written is None:
            written = now_written
            yield _ended(ledger, feed, connection, wanted)
        else:
            yield []
        system.sleep(POLL_SECONDS)


def _await(ledger: Ledger, over: Callable[[], bool]) -> None:
    """Wait until there is a ledger, or `over()`."""
    patience = 0.0
    while not over():
        if ledger.exists():
            try:
                ledger.check_readable()
                return
            except LedgerError:
                # A ledger file that has just appeared may not be complete yet.
                if system.monotonic() >= patience:
                    raise
        else:
            patience = system.monotonic() + _MAKING_SECONDS
        system.sleep(POLL_SECONDS)


def _ended(ledger: Ledger, feed: CompletionFeed, connection: Connection, wanted: RunFilter) -> list[RunRow]:
    """Return the runs that ended since the last look, in the order of their ends."""
    # One look reads one state of the ledger; rows that are written from now on are in the next look.
    connection.exec_driver_sql("BEGIN")
    try:
        told = list(feed.look(connection, ledger.file_identity()))
    finally:
        connection.rollback()
    rows = [completion.row for completion in told if not completion.followed]
    rows.sort(key=lambda row: (row.finished_us, row.run_id))
    return [shown(row) for row in rows if wanted.matches(row)]
