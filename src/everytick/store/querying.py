"""Reads the ledger for commands and pages: plain SQL, and rows whose columns are attributes.

A statement is a text with `:name` for each value; nothing from outside is ever a part of the text. Conditions
that are optional, and lists, are a `Condition`: its text, and the values that it names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from operator import itemgetter
from typing import Any

from everytick.app import typed
from everytick.errors import LedgerError
from everytick.masking import masked
from everytick.model import ticks

from . import migration_fence, owner, unreadable
from .connections import Connection, Cursor, is_on_server
from .database import Ledger
from .records import AddedRow

# SQLite limits the number of parameters in a statement.
_MOST_IDS = 500
# What jobs and people said: it may have been written before the settings named the secrets in it.
_SAID = ("error", "traceback", "text", "note", "pause_note", "who", "result")
# The value of a LIMIT that is none: each database writes that in a way of its own.
NO_LIMIT = 2**63 - 1


@dataclass(frozen=True)
class Condition:
    """A condition of a statement, and the values of the parameters that its text names.

    Without a text it is always met. One that has an OR has brackets around it.
    """

    text: str = "true"
    values: Mapping[str, Any] = field(default_factory=dict)

    def __and__(self, other: Condition) -> Condition:
        for name in self.values.keys() & other.values.keys():
            assert self.values[name] == other.values[name], name
        texts = [text for text in (self.text, other.text) if text != "true"]
        return Condition(" AND ".join(texts) or "true", {**self.values, **other.values})


ALWAYS = Condition()


def among(expression: str, values: Sequence[Any], name: str) -> Condition:
    """Return the condition that an expression has one of the values, which are named `name_0` and so on."""
    if not values:
        return Condition("false")
    named = {f"{name}_{number}": value for number, value in enumerate(values)}
    return Condition(f"{expression} IN ({', '.join(f':{each}' for each in named)})", named)


class Reader:
    """Reads a ledger. Secrets in what jobs and people said are masked in all rows.

    Each method takes a statement and the values of its parameters. The present instant, in microseconds UTC,
    is always given, as `:at_present`.
    """

    def __init__(self, plain: Connection) -> None:
        # For operations of the ledger, which take its own connections.
        self.plain = plain

    @property
    def is_on_server(self) -> bool:
        """Whether the ledger is on PostgreSQL, and no file."""
        return is_on_server(self.plain)

    def walk(self, sql: str, values: Mapping[str, Any] | None = None) -> Iterator[Any]:
        """Return the rows one by one, with their columns as attributes; no further than is asked for."""
        cursor = self._execute(sql, values)
        names = tuple(column[0] for column in cursor.description)
        return map(_row_maker(names), iter(cursor))

    def rows(self, sql: str, values: Mapping[str, Any] | None = None) -> list[Any]:
        """Return all rows, with their columns as attributes."""
        return list(self.walk(sql, values))

    def first(self, sql: str, values: Mapping[str, Any] | None = None) -> Any:
        """Return the first row, None without one."""
        return next(self.walk(sql, values), None)

    def values(self, sql: str, values: Mapping[str, Any] | None = None) -> list[Any]:
        """Return the first column of all rows."""
        return [row[0] for row in self.walk(sql, values)]

    def value(self, sql: str, values: Mapping[str, Any] | None = None) -> Any:
        """Return the first column of the first row, None without one."""
        row = self.first(sql, values)
        return None if row is None else row[0]

    @contextmanager
    def at_one_instant(self) -> Iterator[None]:
        """Let all statements of the block see one state of the ledger. A server's reader always does."""
        if self.is_on_server:
            yield
            return
        self.plain.execute("BEGIN", {})
        try:
            yield
        finally:
            self.plain.execute("ROLLBACK", {})

    def _execute(self, sql: str, values: Mapping[str, Any] | None) -> Cursor:
        return self.plain.execute(sql, {"at_present": ticks.now(), **(values or {})})


@lru_cache(500)
def _row_maker(names: tuple[str, ...]) -> Callable[[Sequence[Any]], Any]:
    """Return what makes rows with these columns: tuples that also have them as attributes.

    As named tuples, and with `_fields` like these, which take ten times as long to be made.
    """
    columns = {name: property(itemgetter(number)) for number, name in enumerate(names)}
    row: type[tuple[Any, ...]] = type("Row", (tuple,), {"__slots__": (), "_fields": names, **columns})
    said = [number for number, name in enumerate(names) if name in _SAID]
    if not said:
        return row

    def without_secrets(found: Sequence[Any]) -> Any:
        shown = list(found)
        for number in said:
            if shown[number] is not None:
                shown[number] = masked(shown[number])
        return row(shown)

    return without_secrets


@contextmanager
def connect(ledger: Ledger) -> Iterator[Reader]:
    """Give a `Reader` of a ledger.

    Raises:
        LedgerUnavailable: the ledger does not answer.
        LedgerError: it is damaged, or may not be read.
    """
    with ledger.reading() as plain:
        yield Reader(plain)


@contextmanager
def connect_checked(ledger: Ledger) -> Iterator[Reader]:
    """Give a `Reader` as `connect` does, of a ledger that this code can read as it is.

    Raises:
        LedgerUnavailable: the ledger does not answer.
        LedgerError: there is none yet, or it is of another version, damaged, or may not be read.
    """
    ledger.check_readable()
    with connect(ledger) as reader:
        yield reader


def why_unused(reader: Reader, application: str | None) -> str | None:
    """Return the sentence that says why this ledger is not in use: it was moved, or is another's."""
    return migration_fence.why_closed(reader.plain) or owner.why_not_ours(reader.plain, application)


def remark(ledger: Ledger) -> str | None:
    """Return the sentence that says why a ledger does not show the application's present, or not all of it.

    Raises nothing: who reads the ledger itself finds out what else is wrong with it.
    """
    try:
        with connect_checked(ledger) as reader:
            return why_unused(reader, ledger.application) or _unreadable_jobs(reader)
    except LedgerError:
        return None


def _unreadable_jobs(reader: Reader) -> str | None:
    found = unreadable.find(reader.plain, 1, "scheduler_jobs")
    return f"{found[0]}; `{typed('doctor')}` lists all such rows, which are left out here" if found else None


def pieces(numbers: Sequence[int]) -> Iterator[Sequence[int]]:
    """Yield the numbers in parts, each small enough for one statement."""
    for begin in range(0, len(numbers), _MOST_IDS):
        yield numbers[begin : begin + _MOST_IDS]


def added_row(row: Any) -> AddedRow:
    """Return a row of `scheduler_jobs`, of a job that was added while running, as the registry takes it."""
    return AddedRow(
        row.job_id,
        row.name,
        row.function,
        row.schedule_data,
        row.call_data,
        row.watermark_us,
        None,
        row.serial,
    )
