"""Pairs of histories for the tests of the checker: with an excuse, and with what only looks like it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torture.history import History
from torture.made_up import found

Make = Callable[[bool], History]


class Pairs(dict[str, tuple[Any, Make]]):
    """By the name of an excuse: the rule that has it, and what makes a history with it, or without it."""

    def of(self, rule: Any) -> Callable[[Make], Make]:
        """Keep a pair for an excuse of this rule, under the name of the function that makes it."""

        def keep(make: Make) -> Make:
            assert make.__name__ not in self, make.__name__
            self[make.__name__] = rule, make
            return make

        return keep

    def found(self, name: str) -> tuple[list[str], list[str]]:
        """Return what the rule finds in the history that has the excuse, and in the other one."""
        rule, make = self[name]
        return found(rule, make(True)), found(rule, make(False))
