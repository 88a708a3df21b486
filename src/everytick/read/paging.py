"""Parts of long lists, of two kinds.

A list that grows at its top (runs, the audit trail) is read from a row's number on, so that nothing is shown
twice or left out meanwhile: `first_of`. A list of known length has pages that are counted: `Page`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

_Row = TypeVar("_Row")
_Made = TypeVar("_Made")


def first_of(
    found: Sequence[_Row], limit: int, number: Callable[[Any], int]
) -> tuple[list[_Row], int | None]:
    """Return the first `limit` rows of a list, and from which number to go on (None: there are no more).

    `found` is what a query gave that was asked for one row more than is shown.
    """
    shown = list(found[:limit])
    return shown, number(shown[-1]) if len(found) > limit else None


@dataclass(frozen=True)
class Page(Generic[_Row]):
    """A part of a list whose length is known: at most `size` rows, behind the first `offset` ones.

    `total`: how many rows the whole list has.
    """

    rows: list[_Row]
    total: int
    size: int
    offset: int

    @property
    def number(self) -> int:
        """Which page this is, from 1 on."""
        return self.offset // self.size + 1

    @property
    def last_number(self) -> int:
        """How many pages there are; one also of an empty list."""
        return max(1, -(-self.total // self.size))

    def of(self, make: Callable[[_Row], _Made]) -> Page[_Made]:
        """Return the same part with something made of each row."""
        return Page([make(row) for row in self.rows], self.total, self.size, self.offset)


def beginning_of(found: Sequence[_Row], most: int) -> Page[_Row]:
    """Return the beginning of a list."""
    return Page(list(found[:most]), len(found), most, 0)


def offset_of(number: int, size: int) -> int:
    """Return how many rows come before a page, from its number (from 1 on) and the size of pages."""
    return (number - 1) * size
