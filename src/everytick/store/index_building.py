"""Builds the indexes of a migration before it runs, on PostgreSQL, while other processes go on writing.

A migration is one transaction that has the ledger for itself. Over ten million runs an index takes half a
minute, for which no process could claim or finish anything. So it is built ahead, outside of any transaction,
and the migration only removes the one that it replaces.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any, NamedTuple

from everytick.system import system
from everytick.text.durations import duration_of_seconds
from loguru import logger

from .locking import TRY_UPGRADE

# Processes that wait for another one to upgrade ask again and again, and do not queue for the lock: a session
# that waits in the server has a snapshot, and the building of an index waits for all older snapshots.
_AGAIN_SECONDS = 0.2

_REVISION = "SELECT version_num FROM scheduler_ledger_version"
_IS_BROKEN = """
SELECT 1 FROM pg_index WHERE indexrelid = to_regclass(%s) AND NOT indisvalid
"""


class NewIndex(NamedTuple):
    """An index: `kind` is INDEX or UNIQUE INDEX, `columns` names its table, its columns and its condition."""

    name: str
    kind: str
    columns: str

    def statement(self, how: str = "") -> str:
        """Return what makes it where it is not there. `how`: CONCURRENTLY, or nothing."""
        return f"CREATE {self.kind} {how} IF NOT EXISTS {self.name} ON {self.columns}"


AHEAD_OF_0007 = (
    NewIndex(
        "scheduler_runs_startup",
        "UNIQUE INDEX",
        "scheduler_runs (job_id, start_number) WHERE start_number IS NOT NULL",
    ),
    NewIndex("scheduler_runs_ended", "INDEX", "scheduler_runs (finished_us) WHERE finished_us IS NOT NULL"),
)
AHEAD_OF_0011 = (
    NewIndex(
        "scheduler_runs_for_tick",
        "INDEX",
        "scheduler_runs (job_id, for_tick_us) WHERE for_tick_us IS NOT NULL",
    ),
)
_AHEAD = {"0007": AHEAD_OF_0007, "0011": AHEAD_OF_0011}


@contextmanager
def built_ahead(connect: Callable[[], Any], place: str) -> Iterator[None]:
    """Build what the migrations need that this ledger lacks; in the block no other process upgrades it.

    Args:
        connect: opens a connection of the driver's in its autocommit mode.
        place: which ledger it is, for the log.
    """
    with closing(connect()) as guard:
        _wait_for_turn(guard, place)
        # Another process may have upgraded the ledger meanwhile.
        revision = guard.execute(_REVISION).fetchone()[0]
        for index in [index for needed, some in _AHEAD.items() if revision < needed for index in some]:
            with closing(connect()) as builder:
                _build(builder, index, place)
        yield


def _wait_for_turn(guard: Any, place: str) -> None:
    told = False
    while True:
        guard.execute("BEGIN")
        if guard.execute(TRY_UPGRADE).fetchone()[0]:
            return
        guard.execute("ROLLBACK")
        if not told:
            told = True
            logger.info("{}: another process upgrades it; waiting for that", place)
        system.sleep(_AGAIN_SECONDS)


def _build(connection: Any, index: NewIndex, place: str) -> None:
    # An index takes as long as the history is.
    connection.patience = None
    if connection.execute(_IS_BROKEN, (index.name,)).fetchone():
        # The process that began it was killed.
        connection.execute(f"DROP INDEX CONCURRENTLY {index.name}")
    begun = system.monotonic()
    connection.execute(index.statement("CONCURRENTLY"))
    took = duration_of_seconds(system.monotonic() - begun)
    logger.info("{}: built the index {} in {}; others may write", place, index.name, took)
