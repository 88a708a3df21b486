"""Claimed runs until they are entered: of two threads that want one, one gets it.

The event loop enters them. While a job blocks the loop, the ledger's thread gives back those that are due, so
that another process may run them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from everytick.store.records import Claim


class Held:
    """Lists of claims; the claims of one list run one after another.

    Each list is in one place at most until its first run is entered. `remove` decides whose it is: to take an
    entry out of a dictionary is one step, which no other thread can come between.
    """

    def __init__(self) -> None:
        # By the list itself: a run that was given back may be claimed here once more, in another list.
        self._lists: dict[int, list[Claim]] = {}

    def add(self, claims: list[Claim]) -> None:
        """Hold claims whose first run was not entered yet."""
        self._lists[id(claims)] = claims

    def add_all(self, many: Iterable[list[Claim]]) -> None:
        """Hold several such lists."""
        self._lists.update({id(claims): claims for claims in many})

    def remove(self, claims: list[Claim]) -> bool:
        """Hold claims no longer; False if they are not held, since another thread was first."""
        return self._lists.pop(id(claims), None) is not None

    def __contains__(self, claims: list[Claim]) -> bool:
        return id(claims) in self._lists

    def __iter__(self) -> Iterator[list[Claim]]:
        # A list at once: the other thread may change it meanwhile.
        return iter(list(self._lists.values()))
