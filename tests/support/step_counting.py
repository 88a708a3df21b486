"""What the work of SQLite is measured by: the steps of its machine, which no busy computer changes."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def steps(connection: Any, size: int) -> Iterator[list[int]]:
    """Give a list that has an item for each `size` steps in the block, by a reader of the ledger."""
    taken: list[int] = []
    drivers = (connection.plain, connection.connection.driver_connection)
    for driver in drivers:
        assert isinstance(driver, sqlite3.Connection)
        driver.set_progress_handler(lambda: taken.append(1), size)
    yield taken
    for driver in drivers:
        driver.set_progress_handler(None, 0)
