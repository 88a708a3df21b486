"""The columns of a run as people and programs are told them.

A run may be recorded as started a moment before it is due, so that its beginning needs no other write. Until
then it waits, and is shown as waiting: its state is `claimed`, and it has no start.
"""

from __future__ import annotations

from typing import Any

from everytick.masking import masked
from everytick.model import ticks
from everytick.store import schema
from everytick.store.records import CANCELLED_WITH_ITS_PROCESS
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Label,
    Table,
    Text,
    TypeDecorator,
    and_,
    bindparam,
    case,
    null,
    type_coerce,
)

_runs = schema.runs.c

# The time of the query, not that of its construction.
_now: ColumnElement[int] = bindparam("at_present", callable_=ticks.now, type_=BigInteger)
_is_ahead = and_(_runs.state == "running", _runs.started_us > _now)

STATE: Label[str] = case((_is_ahead, "claimed"), else_=_runs.state).label("state")
STARTED: Label[Any] = case((_is_ahead, null()), else_=_runs.started_us).label("started_us")


class Masked(TypeDecorator[str]):
    """Text that is read without secrets: it may have been written before the settings named them."""

    impl = Text
    cache_ok = True

    def process_result_value(self, value: str | None, dialect: Any) -> str | None:
        """Return the text with stars in the place of secrets."""
        return None if value is None else masked(value)


def without_secrets(table: Table) -> list[Any]:
    """Return the columns of a table, with secrets masked in what jobs and people said."""
    said = ("error", "traceback", "text", "note", "who")
    return [type_coerce(it, Masked).label(it.name) if it.name in said else it for it in table.columns]


# All columns of a run.
RUN = [
    {"state": STATE, "started_us": STARTED}.get(column.name, column)
    for column in without_secrets(schema.runs)
]


def took(row: Any) -> int | None:
    """Return how long an attempt took, in microseconds; None if it did not begin, goes on, or is not known.

    Of one that ended with its process only the time at which that was found out is known.
    """
    if row.started_us is None or row.finished_us is None:
        return None
    if row.state == "lost" or row.error == CANCELLED_WITH_ITS_PROCESS:
        return None
    return int(row.finished_us - row.started_us)


def took_seconds(row: Any) -> float | None:
    """Return the same in seconds."""
    length = took(row)
    return None if length is None else length / ticks.SECOND
