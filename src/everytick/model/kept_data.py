"""The data of a job as a row of the ledger holds them, checked before anything is made of them.

A row may be damaged, or a newer version may have written it. That is that row's trouble (R8): the job is kept
and told about, and the others run. Every function here raises ValueError with a sentence.
"""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from . import ticks

# In characters: a field that lists thousands of numbers takes seconds of each who looks at the job.
LONGEST_CRON_FIELD = 500
_VERSION = "this version of everytick"
_CENTURY = 100 * 366 * ticks.DAY

# Instants are microseconds UTC. Beyond these years no calendar of Python goes.
_Instant = Annotated[int, Field(ge=ticks.FIRST, le=ticks.LAST)]
_Jitter = Annotated[int, Field(ge=0, le=_CENTURY)]
_Amount = Annotated[int, Field(ge=0, le=36_500)]


class _Kept(BaseModel):
    # A command looks at few kinds of schedules, and a model takes a millisecond to be built.
    model_config = ConfigDict(strict=True, extra="forbid", defer_build=True)


class _Single(_Kept):
    zone: str
    zone_is_iana_name: bool = True
    text: str
    jitter: _Jitter


class _Cron(_Single):
    trigger: Literal["cron"]
    fields: dict[str, Annotated[str, Field(max_length=LONGEST_CRON_FIELD)]]
    start: _Instant | None
    end: _Instant | None


class _Interval(_Single):
    trigger: Literal["interval"]
    step: Annotated[int, Field(ge=1, le=_CENTURY)]
    anchor: _Instant
    start: _Instant | None
    end: _Instant | None


class _Date(_Single):
    trigger: Literal["date"]
    at: _Instant | None


class _Calendar(_Single):
    trigger: Literal["calendarinterval"]
    years: _Amount
    months: _Amount
    days: _Amount
    time: str
    start: str
    end: str | None


class _Combined(_Kept):
    trigger: Literal["or", "and"]
    parts: Annotated[list[dict[str, Any]], Field(min_length=1)]
    jitter: _Jitter


class _Holidays(_Kept):
    name: str
    days: dict[str, list[str]]


class _Days(_Kept):
    weekdays: list[Annotated[int, Field(ge=0, le=6)]]
    ranges: list[Annotated[list[str], Field(min_length=2, max_length=2)]]
    calendars: list[_Holidays]


class _Excluding(_Kept):
    trigger: Literal["excluding"]
    source: dict[str, Any]
    days: _Days
    shift: Literal["skip", "next-workday", "previous-workday"]
    workday: Literal["first", "last"] | None


class KeptCall(_Kept):
    """How a job that was added while running is called.

    options: those that it named.
    defaults: the others, as the process that runs it has filled them in.
    annotated: whether the function gets what its annotations name, such as a date, made from the text here.
    """

    args: list[Any]
    kwargs: dict[str, Any]
    options: dict[str, Any]
    defaults: dict[str, Any] | None = None
    annotated: bool = False


_Model = TypeVar("_Model", bound=_Kept)

_TRIGGERS: dict[str, type[_Kept]] = {
    "cron": _Cron,
    "interval": _Interval,
    "date": _Date,
    "calendarinterval": _Calendar,
    "or": _Combined,
    "and": _Combined,
    "excluding": _Excluding,
}


def read_json(text: str | None, what: str) -> Any:
    """Return the value of a JSON text. `what` names it in the sentence of an error."""
    try:
        return json.loads(text or "")
    except (ValueError, RecursionError):
        raise ValueError(f"{what} cannot be read: it is not JSON") from None


def check_schedule(data: Any) -> None:
    """Refuse data from which no schedule can be made. Of one that is made of others, these are not."""
    kind = data.get("trigger") if isinstance(data, dict) else None
    if not isinstance(kind, str):
        raise ValueError(f"its schedule cannot be read by {_VERSION}: it names no trigger")
    if kind not in _TRIGGERS:
        raise ValueError(f"its trigger {kind[:80]!r} is not known to {_VERSION}")
    _check(_TRIGGERS[kind], data, "its schedule")
    if kind == "calendarinterval" and not (data["years"] or data["months"] or data["days"]):
        raise ValueError(f"its schedule cannot be read by {_VERSION}: its calendarinterval has no length")


def read_call(text: str | None) -> KeptCall:
    """Return how a job that was added while running is called, from the JSON of its row."""
    return _check(KeptCall, read_json(text, "its arguments"), "its arguments")


def fingerprint(text: str) -> str:
    """Return 32 characters that are the same only for the very same text."""
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def unreadable(what: str, problem: object) -> ValueError:
    """Return the error for something of a row of which nothing can be made here."""
    said = " ".join(f"{type(problem).__name__}: {problem}".split())
    return ValueError(f"{what} cannot be read by {_VERSION}: {said[:200]}")


def _check(shape: type[_Model], data: Any, what: str) -> _Model:
    try:
        return shape.model_validate(data)
    except ValidationError as problem:
        first = problem.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        said = first["msg"][:1].lower() + first["msg"][1:]
        raise ValueError(
            f"{what} cannot be read by {_VERSION}: {f'{where}: ' if where else ''}{said}"
        ) from None
