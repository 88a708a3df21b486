"""Rows that cannot be read: a number that is none, or bytes in the place of text.

SQLite keeps any value in any column, so somebody who writes to the file by hand can leave text where a number
belongs. Such a row is kept as it is. Who reads by `querying` sees each table through a view that leaves it
out, so that it is in nobody's way; `find` returns the value at fault, for who reports it.

What only counts, or looks for a bound, asks `main.scheduler_runs`, the table itself: a view reads every
column of each row to check it, where an index may have all that is asked for. The caller checks the types of
what it is given.

Whole numbers are read whatever they are: an instant beyond the calendar is shown as its end (`ticks.moment`).
A server has types for its columns, and refuses such a value.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from functools import partial
from operator import methodcaller
from typing import Any, NamedTuple

from everytick.errors import NotFoundError
from everytick.masking import masked
from everytick.system import system

from .connections import Connection
from .records import TOO_MANY

# A session that was signed out stays so, whatever else its row holds. The version has a sentence of its own.
_SEEN_AS_THEY_ARE = ("scheduler_ledger_version", "scheduler_sign_outs")
_COLUMNS = """
SELECT tables.name, columns.name, columns.type, columns.pk
FROM main.sqlite_schema AS tables JOIN pragma_table_info(tables.name, 'main') AS columns
WHERE tables.type = 'table' AND tables.name GLOB 'scheduler_*'
ORDER BY tables.name, columns.cid
"""
# All that a table has is in its statement, also where somebody has changed it by hand.
_SCHEMA = "SELECT coalesce(group_concat(sql, ';'), '') FROM main.sqlite_schema WHERE type = 'table'"
_MOST_SCHEMAS = 8
# The statements that make the views, by the ledger's schema: to ask each table for its columns takes long.
_views: dict[str, str] = {}
HOW_TO_MEND = "stop the application, and correct the value or delete the row by hand"


def _within(column: str) -> str:
    return f"{column} BETWEEN 0 AND {TOO_MANY - 1}"


# Numbers to which one is added: a run with another one is nobody's.
_COUNTED = ("attempt", "crashes")
_UNTAKEN = f"""
SELECT run_id, CASE WHEN {_within("attempt")} THEN 'crashes' ELSE 'attempt' END,
       CASE WHEN {_within("attempt")} THEN crashes ELSE attempt END
FROM scheduler_runs
WHERE (state IN ('queued', 'retrying') OR rerun_until_us IS NOT NULL)
  AND NOT ({_within("attempt")} AND {_within("crashes")})
LIMIT :limit
"""
# What the row of a run has: where the first column has one of these values (or any), there is the last one.
_NEEDED: tuple[tuple[str, tuple[str, ...], str], ...] = (
    ("kind", ("scheduled",), "tick_us"),
    ("kind", ("backfill",), "for_tick_us"),
    ("state", ("skipped",), "finished_us"),
    ("reason", ("outage", "paused", "disabled"), "tick_us"),
    ("last_tick_us", (), "tick_us"),
)
_FEW = 10
# How many rows are looked at between two looks at the clock.
PIECE = 20_000
# So much is told of a value.
_SHOWN = 60


class UnreadableRow(NamedTuple):
    """A row that cannot be read: its table, its key, and the column with the value that is wrong."""

    table: str
    key: str
    column: str
    value: str

    def __str__(self) -> str:
        return f"the row {self.key} of {self.table} cannot be read: its {self.column} is {self.value}"


class _Column(NamedTuple):
    name: str
    kind: str
    is_key: bool

    @property
    def quoted(self) -> str:
        return _quoted(self.name)

    @property
    def is_right(self) -> str:
        """The condition, true or false and never null.

        `typeof` also keeps SQLite from using an index for it: that would read the rows in a slower order.
        """
        if self.kind not in ("INTEGER", "BIGINT"):
            return f"typeof({self.quoted}) <> 'blob'"
        if self.name in _COUNTED:
            return f"(typeof({self.quoted}) = 'integer' AND {_within(self.quoted)})"
        return f"typeof({self.quoted}) IN ('integer', 'null')"


# Text that is no UTF-8 is shown with a sign in the place of each byte that is none. Each text that a
# statement returns goes through this: `str` with its arguments by their names takes twice as long.
as_text = methodcaller("decode", "utf-8", "replace")


def what_a_run_lacks(row: Any) -> UnreadableRow | None:
    """Return what a row of runs lacks without which nothing can be said of it, on a server as well."""
    for column, values, needed in _NEEDED:
        value = getattr(row, column)
        if getattr(row, needed) is None and (value in values if values else value is not None):
            return UnreadableRow("scheduler_runs", f"run_id={row.run_id}", needed, "NULL")
    return None


def _lacks(column: _Column) -> str | None:
    """Return the condition, never null, by which a row of runs lacks a column; None if it may."""
    found = []
    for other, values, needed in _NEEDED:
        if needed == column.name:
            listed = ", ".join(f"'{value}'" for value in values)
            found.append(f"{other} IN ({listed})" if values else f"{other} IS NOT NULL")
    return f"({column.quoted} IS NULL AND ifnull({' OR '.join(found)}, 0))" if found else None


def hide(connection: sqlite3.Connection) -> None:
    """Let a connection see the tables without the rows that cannot be read."""
    schema: str = connection.execute(_SCHEMA).fetchone()[0]
    views = _views.get(schema)
    if views is None:
        views = _views_of(connection)
        # A process reads one ledger, which an upgrade changes: there are never many.
        if len(_views) < _MOST_SCHEMAS:
            _views[schema] = views
    connection.executescript(views)


def _views_of(connection: sqlite3.Connection) -> str:
    views = []
    for table, columns in _tables(connection).items():
        if table not in _SEEN_AS_THEY_ARE:
            name, right = _quoted(table), " AND ".join(column.is_right for column in columns)
            # A name without a schema means the temporary one first.
            views.append(f"CREATE TEMP VIEW {name} AS SELECT * FROM main.{name} WHERE {right};")
    return "".join(views)


def find(connection: Connection, limit: int, *tables: str, **where: object) -> list[UnreadableRow]:
    """Return rows that cannot be read, at most `limit` of each table.

    tables: those to look at; all by default. where: the values of columns, to look at some rows alone.
    """
    if not isinstance(connection, sqlite3.Connection):
        return []
    found = []
    for table, columns in _tables(connection).items():
        if not tables or table in tables:
            some = " AND ".join(f"{_quoted(column)} = :{column}" for column in where) or "1"
            found += [
                UnreadableRow(table, *row) for row in _rows(connection, table, columns, some, where, limit)
            ]
    return found


class Search(NamedTuple):
    """What a search of all tables has found.

    unfinished: of each table that was not looked through, how many of its newest rows were.
    """

    rows: list[UnreadableRow]
    unfinished: dict[str, int]


def search(connection: Connection, limit: int, seconds: float) -> Search:
    """Look through all tables for some seconds, small ones first, and the newest rows of each first.

    `limit`: how many rows of each table are returned at most. On a server, only runs that nobody can take.
    """
    found = Search([], {})
    if not isinstance(connection, sqlite3.Connection):
        for run_id, name, value in connection.execute(_UNTAKEN, {"limit": limit}).fetchall():
            found.rows.append(UnreadableRow("scheduler_runs", f"run_id={run_id}", name, str(value)))
    if isinstance(connection, sqlite3.Connection):
        give_up = system.monotonic() + seconds
        tables = _tables(connection)
        for table in sorted(tables, key=partial(_newest, connection)):
            _search_table(connection, table, tables[table], limit, give_up, found)
    return found


def _newest(connection: sqlite3.Connection, table: str) -> int:
    newest: int | None = connection.execute(f"SELECT max(rowid) FROM main.{_quoted(table)}").fetchone()[0]
    return newest or 0


def _search_table(
    connection: sqlite3.Connection,
    table: str,
    columns: list[_Column],
    limit: int,
    give_up: float,
    found: Search,
) -> None:
    upper, looked, wrong = _newest(connection, table), 0, 0
    while wrong < limit:
        if system.monotonic() >= give_up:
            found.unfinished[table] = looked
            return
        number, lower = connection.execute(
            f"SELECT count(*), min(rowid) FROM (SELECT rowid FROM main.{_quoted(table)}"
            " WHERE rowid <= :upper ORDER BY rowid DESC LIMIT :piece)",
            {"upper": upper, "piece": PIECE},
        ).fetchone()
        piece = {"lower": lower, "upper": upper}
        rows = _rows(connection, table, columns, "rowid BETWEEN :lower AND :upper", piece, limit - wrong)
        found.rows.extend(UnreadableRow(table, *row) for row in rows)
        if number < PIECE:
            return
        upper, looked, wrong = lower - 1, looked + number, wrong + len(rows)


def of_run(connection: Connection, run_id: int) -> list[UnreadableRow]:
    """Return the rows of a run's earlier attempts, and of what they logged, that cannot be read."""
    return find(connection, _FEW, "scheduler_attempts", "scheduler_logs", run_id=run_id)


def refuse(connection: Connection, table: str, **where: object) -> None:
    """Raise NotFoundError, which names the value, if there is such a row and it cannot be read."""
    for row in find(connection, 1, table, **where):
        raise NotFoundError(f"{row}; {HOW_TO_MEND}")


def _rows(
    connection: sqlite3.Connection,
    table: str,
    columns: list[_Column],
    where: str,
    values: Mapping[str, object],
    limit: int,
) -> list[Any]:
    keys = " || ', ' || ".join(f"'{it.name}=' || quote({it.quoted})" for it in columns if it.is_key)
    keys = keys or "'rowid=' || rowid"
    wrong = [(it, f"NOT ({it.is_right})") for it in columns]
    if table == "scheduler_runs":
        # Lists show such a row.
        wrong += [(it, lacks) for it in columns if (lacks := _lacks(it)) is not None]
    name = " ".join(f"WHEN {is_wrong} THEN '{it.name}'" for it, is_wrong in wrong)
    value = " ".join(f"WHEN {is_wrong} THEN quote({it.quoted})" for it, is_wrong in wrong)
    any_wrong = " OR ".join(is_wrong for _it, is_wrong in wrong)
    found = connection.execute(
        f"SELECT {keys}, CASE {name} END, CASE {value} END FROM main.{_quoted(table)}"
        f" WHERE ({where}) AND ({any_wrong}) LIMIT {limit}",
        dict(values),
    )
    return [(masked(key), column, _short(masked(text))) for key, column, text in found]


def _tables(connection: sqlite3.Connection) -> dict[str, list[_Column]]:
    found: dict[str, list[_Column]] = {}
    for table, name, kind, place in connection.execute(_COLUMNS):
        found.setdefault(table, []).append(_Column(name, kind.upper(), place > 0))
    return found


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"
