"""The order in which the tests run at several workers.

xdist's `worksteal` gives each worker an equal share of the list; a worker that is done takes from the end of
another's share. In the order of the files one worker may begin a test of two minutes when the others have
nothing left.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import groupby
from typing import TypeVar

T = TypeVar("T")


def in_shares(tests: Iterable[T], workers: int, kind: Callable[[T], int]) -> list[T]:
    """Return the tests so that each worker's share begins with the lowest kind and ends with the highest.

    Tests of one kind stay in their order: neighbours share fixtures.
    """
    kinds = [list(group) for _, group in groupby(sorted(tests, key=kind), kind)]
    ordered: list[T] = []
    for left in range(workers, 0, -1) if kinds else ():
        # As xdist counts. The last kind fills the share up: what begins the next share must not end this one.
        size = sum(map(len, kinds)) // left
        share = [it for group in kinds[:-1] for it in _take(group, len(group) // left)]
        ordered += [*share, *_take(kinds[-1], size - len(share))]
    return ordered


def _take(tests: list[T], number: int) -> list[T]:
    taken = tests[: max(0, number)]
    del tests[: len(taken)]
    return taken
