"""Runs as they end, as another process sees them in the ledger."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Any, TypeVar

from everytick.errors import LedgerError, LedgerUnavailable
from everytick.store.connections import UNAVAILABLE, Connection
from everytick.store.database import Ledger
from everytick.store.querying import Reader, connect
from everytick.system import system

from .completions import CompletionFeed
from .run_columns import RUN
from .run_filter import RunFilter
from .runs import shown

if TYPE_CHECKING:
    from .schemas import RunRow

T = TypeVar("T")

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
    feed = CompletionFeed(wanted.since, RUN)
    for rows in looks(ledger, lambda connection: ended_since(ledger, feed, connection, wanted), over):
        yield from map(shown, rows)


def looks(ledger: Ledger, look: Callable[[Reader], T], over: Callable[[], bool]) -> Iterator[T]:
    """Yield what `look(connection)` returns, now and whenever something was written; see `follow`.

    One look reads one state of the ledger; rows that are written meanwhile are in the next look.

    Raises:
        LedgerError: the ledger cannot be read, or is not the same file any more.
    """
    _await(ledger, over)
    file, give_up = ledger.file_identity(), 0.0
    while not over():
        try:
            with closing(ledger.connect(read_only=True)) as mark:
                for is_written in _polls(ledger, mark, over):
                    if is_written:
                        yield _look(ledger, look)
                    give_up = 0.0
                    if ledger.file_identity() != file:
                        raise LedgerError(f"{ledger} was removed or replaced")
        except (LedgerUnavailable, *UNAVAILABLE) as problem:
            if ledger.file_identity() not in (file, None):
                raise LedgerError(f"{ledger} was removed or replaced") from None
            give_up = give_up or system.monotonic() + _PATIENCE_SECONDS
            if system.monotonic() >= give_up:
                raise LedgerError(ledger.unusable(problem)) from None
            system.sleep(POLL_SECONDS)


def _look(ledger: Ledger, look: Callable[[Reader], T]) -> T:
    with connect(ledger) as connection, connection.at_one_instant():
        return look(connection)


def _polls(ledger: Ledger, mark: Connection, over: Callable[[], bool]) -> Iterator[bool]:
    """Yield twice a second whether something was written since, at first True."""
    written: object = None
    while not over():
        now_written = ledger.change_mark(mark)
        if now_written != written or written is None:
            written = now_written
            yield True
        else:
            yield False
        system.sleep(POLL_SECONDS)


def _await(ledger: Ledger, over: Callable[[], bool]) -> None:
    """Wait until there is a ledger, or `over()`."""
    patience = 0.0
    while not over():
        if ledger.exists():
            try:
                # Its file is there before its tables are.
                if ledger.revision() is not None:
                    ledger.check_readable()
                    return
            except LedgerError:
                # A ledger file that has just appeared may not be complete yet.
                if system.monotonic() >= patience:
                    raise
        else:
            patience = system.monotonic() + _MAKING_SECONDS
        system.sleep(POLL_SECONDS)


def ended_since(ledger: Ledger, feed: CompletionFeed, connection: Reader, wanted: RunFilter) -> list[Any]:
    """Return the rows of the runs that ended since the last look of a feed, in the order of their ends."""
    told = list(feed.look(connection, ledger.file_identity()))
    rows = [completion.row for completion in told if not completion.followed]
    rows.sort(key=lambda row: (row.finished_us, row.run_id))
    return [row for row in rows if wanted.matches(row)]
