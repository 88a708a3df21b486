"""Tasks in a module of their own, as those of jobs added while running must be."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

calls: list[tuple[Any, ...]] = []
opened = threading.Event()


def note(*args: Any, **kwargs: Any) -> None:
    calls.append((*args, *sorted(kwargs.items())))


async def note_soon(*args: Any) -> None:
    calls.append(args)


def held() -> None:
    calls.append(("held",))
    opened.wait(20)


def fails_once() -> None:
    calls.append(("try",))
    if len(calls) == 1:
        raise RuntimeError("not yet")


class Tasks:
    @classmethod
    def of_a_class(cls) -> None:
        calls.append((cls.__name__,))

    def of_an_object(self) -> None:
        raise AssertionError("never called")


def nested() -> Callable[[], None]:
    def inner() -> None:
        raise AssertionError("never called")

    return inner


shadowed = note


def note_twice(value: int) -> None:
    calls.append((value, value))


by_lambda = lambda: None  # noqa: E731
