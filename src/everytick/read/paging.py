"""Parts of long lists: the newest rows, and from which number to go on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

_Row = TypeVar("_Row")


def first_of(
    found: Sequence[_Row], limit: int, number: Callable[[Any], int]
) -> tuple[list[_Row], int | None]:
    """Return the first `limit` rows of a list, and from which number to go on (None: there are no more).

    `found` is what a query gave that was asked for one row more than is shown.
    """
    shown = list(found[:limit])
    return shown, number(shown[-1]) if len(found) > limit else None
