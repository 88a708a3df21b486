"""Runs as they end, as another process sees them in the ledger."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

from everytick.errors import LedgerError, LedgerUnavailable
from everytick.model import ticks
from everytick.store import schema
from everytick.store.connections import UNAVAILABLE
from everytick.store.connections import Connection as LedgerConnection
from everytick.store.database import Ledger
from everytick.store.querying import connect
from sqlalchemy import Connection, func, select, text

from .runs import HELD, WAITING, RunFilter, shown

POLL_SECONDS = 0.5
# A run may end, be tried again and end anew between two looks; how far back that is looked for.
_LOOK_BACK = 5 * ticks.SECOND
_PIECE = 500
_MAKING_SECONDS = 10.0
# For so long a ledger that went away is waited for.
_PATIENCE_SECONDS = 60.0

_runs = schema.runs.c


def follow(
    ledger: Ledger, wanted: RunFilter, over: Callable[[], bool] = lambda: False
) -> Iterator[dict[str, Any]]:
    """Yield runs, as `run_rows` shows them, each when it has ended; those since `wanted.since` first.

    Ends when `over()` says so, within a fraction of a second. A run that is tried again after its end comes
    once for each end. Where there is no ledger yet it waits for one. As long as nothing is
    written a look costs little. A ledger that goes away is waited for, for a minute.

    Raises:
        LedgerError: the ledger cannot be read, or is not the same file any more.
    """
    _await(ledger)
    file, watch = ledger.file_identity(), _Watch(wanted)
    give_up = 0.0
    while not over():
        try:
            with closing(ledger.connect(read_only=True)) as mark, connect(ledger) as connection:
                for found in _looks(ledger, mark, connection, watch, over):
                    give_up = 0.0
                    yield from found
                    if ledger.file_identity() != file:
                        raise LedgerError(f"{ledger} was removed or replaced")
        except (LedgerUnavailable, *UNAVAILABLE) as problem:
            give_up = give_up or time.monotonic() + _PATIENCE_SECONDS
            if time.monotonic() >= give_up:
                raise LedgerError(ledger.unusable(problem)) from None
            time.sleep(POLL_SECONDS)


def _looks(
    ledger: Ledger, mark: LedgerConnection, connection: Connection, watch: _Watch, over: Callable[[], bool]
) -> Iterator[list[dict[str, Any]]]:
    """Yield what has ended since the last look, again and again; nothing if nothing was written."""
    yield watch.begin(connection)
    connection.rollback()
    written = None
    while not over():
        now_written = ledger.change_mark(mark)
        if now_written == written:
            yield []
        else:
            written = now_written
            yield watch.look(connection)
            # What is written from now on would not be in the snapshot of this look.
            connection.rollback()
        time.sleep(POLL_SECONDS)


def _await(ledger: Ledger) -> None:
    """Wait until there is a ledger."""
    patience = 0.0
    while True:
        if ledger.exists():
            try:
                return ledger.check_readable()
            except LedgerError:
                # What has just appeared may still be in the making.
                if time.monotonic() >= patience:
                    raise
        else:
            patience = time.monotonic() + _MAKING_SECONDS
        time.sleep(POLL_SECONDS)


class _Watch:
    """What was under way at the last look, and what has been told already."""

    def __init__(self, wanted: RunFilter) -> None:
        self._wanted = wanted
        self._open: set[int] | None = None
        self._last = 0
        # When what ended lately did so, by run and attempt: it was told, or is older than the watch.
        self._told: dict[tuple[int, int], int] = {}
        self._looked = 0

    def begin(self, connection: Connection) -> list[dict[str, Any]]:
        """Return what has ended since the instant that is wanted, in the order of its end; once."""
        if self._open is not None:
            return []
        begun = ticks.now()
        under_way = _under_way(connection)
        self._last = connection.scalar(select(func.max(_runs.run_id))) or 0
        for row in _ended_since(connection, begun - _LOOK_BACK):
            if row.finished_us < begun:
                self._told[row.run_id, row.attempt] = row.finished_us
        before = [] if self._wanted.since is None else _ended_since(connection, self._wanted.since)
        for row in before:
            if row.finished_us >= begun - _LOOK_BACK:
                self._told[row.run_id, row.attempt] = row.finished_us
        self._open, self._looked = under_way, begun
        return [shown(row) for row in before if self._wanted.matches(row)]

    def look(self, connection: Connection) -> list[dict[str, Any]]:
        """Return what has ended since the last look, in the order of its end."""
        looked = ticks.now()
        # The last look may have been long ago, if the ledger was away.
        lately = min(looked, self._looked) - _LOOK_BACK
        before, under_way = self._open or set(), _under_way(connection)
        # By the primary key.
        found = {row.run_id: row for row in _rows(connection, _runs.run_id > self._last)}
        gone = sorted(before - under_way)
        for begin in range(0, len(gone), _PIECE):
            piece = _rows(connection, _runs.run_id.in_(gone[begin : begin + _PIECE]))
            found |= {row.run_id: row for row in piece}
        found |= {row.run_id: row for row in _ended_since(connection, lately)}
        # Nothing is taken note of before all is read, which may fail.
        self._looked, self._last = looked, max([self._last, *found])
        # What began, or began again, since it was asked what is under way.
        self._open = under_way | {row.run_id for row in found.values() if row.finished_us is None}
        ended = [row for row in found.values() if self._is_news(row)]
        self._told |= {(row.run_id, row.attempt): row.finished_us for row in ended}
        self._told = {key: finished for key, finished in self._told.items() if finished >= lately}
        ended.sort(key=lambda row: (row.finished_us, row.run_id))
        return [shown(row) for row in ended if self._wanted.matches(row)]

    def _is_news(self, row: Any) -> bool:
        told = self._told.get((row.run_id, row.attempt))
        return row.finished_us is not None and row.finished_us != told


def _under_way(connection: Connection) -> set[int]:
    """By the partial indexes scheduler_runs_held and scheduler_runs_waiting."""
    found = (connection.scalars(select(_runs.run_id).where(text(it))) for it in (HELD, WAITING))
    return {run_id for part in found for run_id in part}


def _ended_since(connection: Connection, instant: int) -> list[Any]:
    """By the index scheduler_runs_finished."""
    query = select(schema.runs).where(_runs.finished_us >= instant)
    return list(connection.execute(query.order_by(_runs.finished_us, _runs.run_id)))


def _rows(connection: Connection, condition: Any) -> list[Any]:
    return list(connection.execute(select(schema.runs).where(condition)))
