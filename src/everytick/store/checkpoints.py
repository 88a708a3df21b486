"""Runs SQLite's checkpoints (from its log into its file) on a thread beside the writer.

SQLite does so within a commit as soon as the log is long, and syncs the whole file: on a large ledger that
takes up to a second, for which ticks would wait.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import cast

from everytick.system import system
from loguru import logger

from .connections import Connection

# How many transactions there are between two checkpoints: under load that is several a second, idle one every
# few minutes.
_TRANSACTIONS = 30
# Commits during a checkpoint are left over. After this many rounds all of it is in the file, and the
# log begins anew, unless the load never rests.
_ROUNDS = 5
# Pages at which a commit does it after all, so that the log stays below 100 MB.
LAST_RESORT = 20_000


class Checkpoints:
    """A thread of its own, with a connection of its own, which it closes."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._transactions = self._changes = 0
        self._due = system.event()
        self._closed = False
        self._thread = system.start_thread(self._work, name="scheduler-checkpoints")

    def count(self, connection: Connection) -> None:
        """Count a transaction that the writer has committed, unless it changed nothing."""
        changes = cast(sqlite3.Connection, connection).total_changes
        if changes == self._changes:
            return
        self._changes = changes
        self._transactions += 1
        if self._transactions >= _TRANSACTIONS:
            self._transactions = 0
            self._due.set()

    def close(self, patience: float) -> None:
        """End, and let go of the ledger."""
        self._closed = True
        self._due.set()
        self._thread.join(patience)

    def _work(self) -> None:
        with closing(self._connection) as connection:
            while self._due.wait() and not self._closed:
                self._due.clear()
                try:
                    self._put_back(connection)
                except sqlite3.Error as problem:
                    # The writer gets the same error, and reports it.
                    logger.debug("the ledger's log could not be put back: {}", problem)

    def _put_back(self, connection: sqlite3.Connection) -> None:
        for _round in range(_ROUNDS):
            _busy, logged, done = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
            if done >= logged or self._closed:
                return
