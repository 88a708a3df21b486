"""Statements that take many rows at once.

On a server each statement is a trip there and back, so that a statement for each run would make the trips the
limit of what can be done. The rows are handed over as one JSON text, which both databases read as a table.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from typing import Any

from .connections import Connection

_TYPES = ("bigint", "text")


class Bulk:
    """A statement in which GIVEN stands for a table of the given rows, with these columns and types.

    The statement returns rows: SQLite and PostgreSQL both know RETURNING.
    """

    def __init__(self, text: str, **columns: str) -> None:
        assert set(columns.values()) <= set(_TYPES), columns
        on_sqlite = (f"json_extract(value, '$[{n}]') AS {name}" for n, name in enumerate(columns))
        # The cast is the type's own: what JSON holds comes as text.
        on_postgres = (f"(value ->> {n})::{kind} AS {name}" for n, (name, kind) in enumerate(columns.items()))
        self._sqlite = text.replace("GIVEN", f"(SELECT {', '.join(on_sqlite)} FROM json_each(:given))")
        self._postgres = text.replace(
            "GIVEN",
            f"(SELECT {', '.join(on_postgres)} FROM json_array_elements(:given ::json) AS each (value))",
        )

    def execute(self, connection: Connection, rows: Sequence[Sequence[Any]], **parameters: Any) -> list[Any]:
        """Run it for these rows, in the order of the columns; return what it returns."""
        if not rows:
            return []
        text = self._sqlite if isinstance(connection, sqlite3.Connection) else self._postgres
        return connection.execute(text, {"given": json.dumps(rows), **parameters}).fetchall()
