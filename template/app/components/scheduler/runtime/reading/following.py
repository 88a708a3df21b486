"""Runs as they end, as another process sees them in the ledger."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

from sqlalchemy import Connection, func, select, text

from .. import ticks
from ..errors import LedgerError
from ..ledger import schema
from ..ledger.database import Ledger
from ..ledger.querying import connect
from .runs import HELD, WAITING, RunFilter, shown

POLL_SECONDS = 0.5
# A run may end, be tried again and end anew between two looks; how far back that is looked for.
_LOOK_BACK = 5 * ticks.SECOND
_PIECE = 500
_MAKING_SECONDS = 10.0

_runs = schema.runs.c


def follow(
    ledger: Ledger, wanted: RunFilter, over: Callable[[], bool] = lambda: False
) -> Iterator[dict[str, Any]]:
    """Yield runs, as `run_rows` shows them, each when it has ended; those since `wanted.since` first.

    Ends when `over()` says so, within a fraction of a second. A run that is tried again after its end comes
    once for each end. Where there is no ledger yet it waits for one. As long as nothing is
    written a look costs little.

    Raises:
        LedgerError: the ledger cannot be read, or is not the same file any more.
    """
    _await(ledger)
    file = ledger.file_identity()
    with closing(ledger.connect(read_only=True)) as mark, connect(ledger) as connection:
        watch = _Watch(connection, wanted)
        yield from watch.before()
        written = None
        while not over():
            if ledger.file_identity() != file:
                raise LedgerError(f"{ledger} was removed or replaced")
            now_written = ledger.change_mark(mark)
            if now_written != written:
                written = now_written
                # What was written since is not in the snapshot that the last look began with.
                connection.rollback()
                yield from watch.look()
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

    def __init__(self, connection: Connection, wanted: RunFilter) -> None:
        self._connection, self._wanted = connection, wanted
        self._begun = ticks.now()
        self._open = self._under_way()
        self._last = connection.scalar(select(func.max(_runs.run_id))) or 0
        # When what ended lately did so, by run and attempt: it was told, or is older than the watch.
        self._told: dict[tuple[int, int], int] = {}
        for row in self._ended_since(self._begun - _LOOK_BACK):
            if row.finished_us < self._begun:
                self._told[row.run_id, row.attempt] = row.finished_us

    def before(self) -> Iterator[dict[str, Any]]:
        """Yield what has ended since the instant that is wanted, in the order of its end."""
        if self._wanted.since is None:
            return
        for row in self._ended_since(self._wanted.since):
            if row.finished_us >= self._begun - _LOOK_BACK:
                self._told[row.run_id, row.attempt] = row.finished_us
            if self._wanted.matches(row):
                yield shown(row)

    def look(self) -> list[dict[str, Any]]:
        """Return what has ended since the last look, in the order of its end."""
        lately = ticks.now() - _LOOK_BACK
        before, self._open = self._open, self._under_way()
        # By the primary key.
        found = {row.run_id: row for row in self._rows(_runs.run_id > self._last)}
        self._last = max([self._last, *found])
        gone = sorted(before - self._open)
        for begin in range(0, len(gone), _PIECE):
            found |= {row.run_id: row for row in self._rows(_runs.run_id.in_(gone[begin : begin + _PIECE]))}
        found |= {row.run_id: row for row in self._ended_since(lately)}
        # What began, or began again, since it was asked what is under way.
        self._open |= {row.run_id for row in found.values() if row.finished_us is None}
        ended = [row for row in found.values() if self._is_news(row)]
        self._told |= {(row.run_id, row.attempt): row.finished_us for row in ended}
        self._told = {key: finished for key, finished in self._told.items() if finished >= lately}
        ended.sort(key=lambda row: (row.finished_us, row.run_id))
        return [shown(row) for row in ended if self._wanted.matches(row)]

    def _is_news(self, row: Any) -> bool:
        told = self._told.get((row.run_id, row.attempt))
        return row.finished_us is not None and row.finished_us != told

    def _under_way(self) -> set[int]:
        """By the partial indexes scheduler_runs_held and scheduler_runs_waiting."""
        found = (self._connection.scalars(select(_runs.run_id).where(text(it))) for it in (HELD, WAITING))
        return {run_id for part in found for run_id in part}

    def _ended_since(self, instant: int) -> list[Any]:
        """By the index scheduler_runs_finished."""
        query = select(schema.runs).where(_runs.finished_us >= instant)
        return list(self._connection.execute(query.order_by(_runs.finished_us, _runs.run_id)))

    def _rows(self, condition: Any) -> list[Any]:
        return list(self._connection.execute(select(schema.runs).where(condition)))
