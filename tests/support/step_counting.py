"""What the work of SQLite is measured by: the steps of its machine, which no busy computer changes."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from everytick.store.querying import Reader


@contextmanager
def steps(connection: Reader, size: int) -> Iterator[list[int]]:
    """Give a list that has an item for each `size` steps in the block, by a reader of the ledger."""
    taken: list[int] = []
    driver = connection.plain
    assert isinstance(driver, sqlite3.Connection)
    driver.set_progress_handler(lambda: taken.append(1), size)
    yield taken
    driver.set_progress_handler(None, 0)
