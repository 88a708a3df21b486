"""Statements that take many rows at once.

On a server each statement is a trip there and back, so that a statement for each run would make the trips the
limit of what can be done. The rows are handed over as one JSON text, which both databases read as a table.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any, cast

from .connections import Connection, Loading, Statement, is_on_server, without_nul

_TYPES = ("bigint", "text")
# A number that JSON has not is an error of these rows alone: SQLite would call all of it malformed. With
# these options `json.dumps` would make an encoder for each call.
_as_json = json.JSONEncoder(allow_nan=False, check_circular=False).encode
_ELEMENTS = "jsonb_array_elements(:given ::jsonb) AS each (value)"


class Bulk:
    """A statement in which GIVEN stands for a table of the given rows, with these columns and types.

    It returns rows: SQLite and PostgreSQL both know RETURNING. An UPDATE has BY_KEY among its conditions, and
    `key` names its column with which the first given one is compared.
    """

    def __init__(self, text: str, *, key: str = "", **columns: str) -> None:
        assert set(columns.values()) <= set(_TYPES), columns
        on_sqlite = (f"json_extract(value, '$[{n}]') AS {name}" for n, name in enumerate(columns))
        # The cast is the type's own: values in JSON come as text.
        on_postgres = [f"(value ->> {n})::{kind} AS {name}" for n, (name, kind) in enumerate(columns.items())]
        self._sqlite = _with(text, f"(SELECT {', '.join(on_sqlite)} FROM json_each(:given))", "true")
        # The offset keeps the rows from being worked out anew for each one that they are compared with.
        # By its key a row is found even where the statistics, of a table that grew a lot, are wrong.
        first = on_postgres[0].partition(" AS ")[0]
        self._postgres = _with(
            text,
            f"(SELECT {', '.join(on_postgres)} FROM {_ELEMENTS} OFFSET 0)",
            f"{key} = ANY (ARRAY (SELECT {first} FROM {_ELEMENTS}))",
        )

    def execute(self, connection: Connection, rows: Sequence[Sequence[Any]], **parameters: Any) -> list[Any]:
        """Run it for these rows, in the order of the columns; return what it returns."""
        statement = self.given(connection, rows, **parameters)
        return [] if statement is None else connection.execute(*statement).fetchall()

    def given(
        self, connection: Connection, rows: Sequence[Sequence[Any]], **parameters: Any
    ) -> Statement | None:
        """Return it as it is run for these rows, for `connections.together`; None if there are none."""
        if not rows:
            return None
        given = _as_json(rows)
        if "\\u0000" in given:
            given = _as_json([[without_nul(value) for value in row] for row in rows])
        text = self._postgres if is_on_server(connection) else self._sqlite
        return text, {"given": given, **parameters}


class Load:
    """New rows of a table, of which there may be very many: by COPY on a server."""

    def __init__(self, table: str, *columns: str) -> None:
        self._table, self._columns = table, ", ".join(columns)
        self._sqlite = f"INSERT INTO {table} ({self._columns}) VALUES ({', '.join('?' * len(columns))})"

    def execute(self, connection: Connection, rows: Iterable[Sequence[Any]]) -> None:
        """Write the rows down, each in the order of the columns."""
        if is_on_server(connection):
            cast(Loading, connection).load(f"COPY {self._table} ({self._columns}) FROM STDIN", rows)
        else:
            cast(sqlite3.Connection, connection).executemany(self._sqlite, rows)


def _with(text: str, given: str, by_key: str) -> str:
    return text.replace("GIVEN", given).replace("BY_KEY", by_key)
