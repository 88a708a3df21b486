"""What a function handed back: whether it can be awaited, and whether it is work that nobody did."""

from __future__ import annotations

import dis
import inspect
import sys
from itertools import islice
from types import AsyncGeneratorType, CoroutineType, GeneratorType
from typing import Any

from . import kinds

# What may have work in it that nobody did, of how many items that is looked at, and what works when iterated.
_CONTAINERS, _MOST_ITEMS = (list, tuple, set, frozenset, dict), 1_000
_LAZY = (map, filter, zip, enumerate)


def is_awaitable(value: Any) -> bool:
    """Return whether a value can be awaited. What it says of its own class is not asked for.

    A value that stands for another one, such as a web framework's `request`, may raise an error there.
    """
    kind = type(value)
    if issubclass(kind, GeneratorType):
        return bool(value.gi_code.co_flags & inspect.CO_ITERABLE_COROUTINE)
    return kinds.has(kind, "__await__")


def check_that_it_ran(value: Any) -> None:
    """Refuse what a function handed back if it is work that nobody did: the run was no success.

    A generator or a coroutine of which something has run is a value as any other, and so is a future (or
    task), which is carried out elsewhere. Of another awaitable, and of what works while it is walked
    through (`map`, `filter`, `zip`, `enumerate`, all of `itertools`), that cannot be seen: it is refused. In
    a list, a tuple, a set and a dict the first items are looked at, for coroutines and generators.
    """
    kind = type(value)
    module, name = kinds.name_of(kind, "__module__"), kinds.name_of(kind, "__name__")
    if kinds.is_one_of(kind, _CONTAINERS):
        items = value.values() if kind is dict else value
        found = [what for item in islice(items, _MOST_ITEMS) if (what := _not_begun(item)) is not None]
        what = f"a {name} with {found[0]}" if found else None
    elif module == "contextlib":
        # A function under `contextlib.contextmanager` returns an object with the generator inside.
        inner = getattr(value, "gen", value)
        what, how = _not_begun(inner), "async with" if isinstance(inner, AsyncGeneratorType) else "with"
        if what is not None:
            raise RuntimeError(f"the function handed back {what} that nobody ran: use it in `{how}`")
    elif (what := _not_begun(value)) is None and (
        kinds.is_one_of(kind, _LAZY)
        or module == "itertools"
        or (
            is_awaitable(value)
            and not kinds.has(kind, "_asyncio_future_blocking")
            and not _is_of_python(kind)
        )
    ):
        what = kinds.with_article(name)
    if what is not None:
        raise RuntimeError(f"the function handed back {what} that nobody ran")


def _is_of_python(kind: type) -> bool:
    return issubclass(kind, GeneratorType | AsyncGeneratorType | CoroutineType)


def _not_begun(value: Any) -> str | None:
    """Return the name of work of which nothing has run; a coroutine is closed. None for other values."""
    kind = type(value)
    if issubclass(kind, GeneratorType):
        return "a generator" if inspect.getgeneratorstate(value) == inspect.GEN_CREATED else None
    if issubclass(kind, AsyncGeneratorType):
        return "an async generator" if _is_untouched(value) else None
    if issubclass(kind, CoroutineType) and inspect.getcoroutinestate(value) == inspect.CORO_CREATED:
        # Or Python would warn of it as well.
        value.close()
        return "a coroutine"
    return None


def _is_untouched(generator: AsyncGeneratorType[Any, Any]) -> bool:
    """Return whether nothing of an async generator has run."""
    if sys.version_info >= (3, 12):
        return inspect.getasyncgenstate(generator) == inspect.AGEN_CREATED
    frame = generator.ag_frame
    # Until its first step it stands where it was made.
    return frame is not None and frame.f_code.co_code[frame.f_lasti] == dis.opmap["RETURN_GENERATOR"]
