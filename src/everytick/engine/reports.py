"""What a run says of itself, made fit for the ledger: how far it is, and what its function returned.

A small value of JSON's own types is kept. Anything else is described by its type and its size: to ask a value
of another class for its text, or for its size, is to run code of that class, which may take its time or
return megabytes. So its text is never asked for, and its size on a thread, for a moment.
"""

from __future__ import annotations

import asyncio
import json
import math
import sys
from functools import partial
from typing import Any, NamedTuple

from everytick.masking import STARS, is_secret_name, masked
from everytick.model.kinds import is_one_of, name_of, with_article
from everytick.store.records import Report
from everytick.system import system
from everytick.text.sizes import in_bytes
from everytick.text.wording import counted, one_line, storable

from .context import Progress

# The largest result that is kept, in bytes of JSON; no more values than fit into that are looked at.
_MOST_BYTES, _MOST_VALUES = 4_096, 2_048
# A whole number of more bits has more digits than that.
_MOST_BITS = 13_000
_DEEPEST = 20
# The longest note that is kept, in characters.
_NOTE_LENGTH = 200
# How long the size of a value may take to be found out, in seconds.
_PATIENCE = 1.0
# How the shares are kept: in ten-thousandths.
_WHOLE = 10_000
_UNITS: dict[type, str] = {list: "item", tuple: "item", set: "item", frozenset: "item", dict: "entry"}


class Result(NamedTuple):
    """What a function returned: as JSON, or described in words."""

    text: str
    is_json: bool


class _TooLarge(Exception):
    """There is more than can be kept."""


class _NoJson(Exception):
    """JSON has no form for a value. The message is its type."""


def report_of(progress: Progress | None, result: Result | None = None) -> Report:
    """Return the report of a run for the ledger."""
    text, is_json = (None, False) if result is None else result
    if progress is None:
        return Report(result=text, is_json=is_json)
    share = None if progress.share is None else round(progress.share * _WHOLE)
    # Masked before it is cut: of a secret that is cut, a part would be left.
    note = None if progress.note is None else storable(one_line(masked(progress.note)))[:_NOTE_LENGTH]
    return Report(share, note or None, progress.at, text, is_json)


async def result_of(value: Any) -> Result:
    """Return how a value is kept. Does not block the event loop, and takes a moment at most."""
    found = _without_asking(value)
    if isinstance(found, Result):
        return found
    try:
        asking = system.in_thread(partial(_size, value), daemon=True)
        size = await asyncio.wait_for(asyncio.shield(asking), _PATIENCE)
    # No thread can be had, or it takes its time.
    except (RuntimeError, TimeoutError):
        size = None
    except asyncio.CancelledError:
        size = None
        if task := asyncio.current_task():
            # The run is at its end anyway.
            task.uncancel()
    return Result(found if size is None else f"{found}, {size}", is_json=False)


def result_now(value: Any) -> Result:
    """Return the same at once: a value that would have to be asked for its size is described without it."""
    found = _without_asking(value)
    return found if isinstance(found, Result) else Result(found, is_json=False)


def _without_asking(value: Any) -> Result | str:
    """Return how a value is kept; only its description if it would have to be asked for its size."""
    kind = type(value)
    try:
        text = masked(json.dumps(_copied(value, [_MOST_VALUES], 0), ensure_ascii=False))
        if len(text.encode()) <= _MOST_BYTES:
            return Result(text, _is_json(text))
        why = "too large to be kept"
    except _TooLarge:
        why = "too large to be kept"
    except _NoJson as problem:
        why = f"with {with_article(str(problem))} in it"
    # It is changed meanwhile by a thread of the job, for example.
    except Exception:
        why = "which cannot be read"
    if is_one_of(kind, (str, bytes, bytearray)):
        return Result(f"{'text' if kind is str else kind.__name__}, {in_bytes(len(value))}", is_json=False)
    if is_one_of(kind, _UNITS):
        unit = _UNITS[kind]
        number = len(value)
        of = counted(number, unit) if unit == "item" or number == 1 else f"{number:,} entries"
        return Result(f"{with_article(kind.__name__)} of {of}, {why}", is_json=False)
    if is_one_of(kind, (int, float, bool)):
        return Result(f"{with_article(kind.__name__)}, {why}", is_json=False)
    module, name = name_of(kind, "__module__"), name_of(kind, "__qualname__")
    described = with_article(name if module in ("builtins", "__main__") else f"{module}.{name}")
    return masked(storable(described))[:_NOTE_LENGTH]


def _copied(value: Any, left: list[int], depth: int) -> Any:
    """Return a copy of a value of JSON's own types, without secrets; `left`: how many values it may have.

    Only of these very types: another class that derives from one may do anything when it is asked.
    """
    left[0] -= 1
    if left[0] < 0 or depth > _DEEPEST:
        raise _TooLarge
    kind = type(value)
    if value is None or kind is bool:
        return value
    if kind is str or kind is list or kind is tuple or kind is dict:
        if len(value) > _MOST_BYTES:
            raise _TooLarge
        if kind is str:
            return storable(value)
        if kind is not dict:
            return [_copied(each, left, depth + 1) for each in value]
        return {_key(name): _of_name(name, each, left, depth + 1) for name, each in value.items()}
    if kind is int:
        if value.bit_length() > _MOST_BITS:
            raise _TooLarge
        return value
    if kind is float and math.isfinite(value):
        return value
    raise _NoJson("number that is none" if kind is float else name_of(kind, "__qualname__"))


def _key(name: Any) -> str:
    if type(name) is not str:
        raise _NoJson("key that is no text")
    if len(name) > _MOST_BYTES:
        raise _TooLarge
    return storable(name)


def _of_name(name: str, value: Any, left: list[int], depth: int) -> Any:
    is_secret = type(value) is str and is_secret_name(name)
    return STARS if is_secret else _copied(value, left, depth)


def _is_json(text: str) -> bool:
    # A secret that is a number leaves stars in its place.
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _size(value: Any) -> str | None:
    """Return the size of a value; None if it has none. Runs code of its class, which may raise anything."""
    try:
        return in_bytes(int(sys.getsizeof(value)))
    except BaseException:
        return None
