"""How a bug is planted in the engine, and how it is looked whether the world of a seed finds it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

from simulation.plan import Plan, plan_of
from simulation.story import tell

Plant = Callable[[], AbstractContextManager[Any]]


@dataclass(frozen=True)
class Mutant:
    """A bug, and a world that is known to find it: that of a seed, by its number, or a plan.

    Of several that do, one that is small: the whole suite runs each of them. One of so many seeds, from 1 on,
    finds it too, which is looked at apart; where `is_rare`, hardly any does.
    """

    plant: Plant
    world: int | Plan
    is_rare: bool

    def is_found_by(self, world: int | Plan) -> bool:
        """Return whether a world breaks the contract with this bug."""
        with self.plant():
            return tell(planned(world)).is_broken


def planned(world: int | Plan) -> Plan:
    """Return the plan of a world: that of a seed, if it is not one itself."""
    return world if isinstance(world, Plan) else plan_of(world)


MUTANTS: dict[str, Mutant] = {}


def mutant(*, seed: int = 1, plan: Plan | None = None, is_rare: bool = False) -> Callable[[Plant], Plant]:
    """Keep a bug by the name of the function that plants it, with a seed or a plan that finds it."""

    def keep(plant: Plant) -> Plant:
        MUTANTS[plant.__name__] = Mutant(plant, seed if plan is None else plan, is_rare)
        return plant

    return keep


@contextmanager
def other_text(statement: object, *changes: tuple[str, str]) -> Iterator[None]:
    """Change the text of a statement that is about many rows."""
    changed: str = statement._sqlite  # type: ignore[attr-defined]
    for old, new in changes:
        assert old in changed, (old, changed)
        changed = changed.replace(old, new)
    with patch.object(statement, "_sqlite", changed):
        yield


def without(module: Any, name: str, condition: str) -> AbstractContextManager[Any]:
    """Take a condition out of a statement."""
    return replaced(module, name, condition, "")


def replaced(module: Any, name: str, old: str, new: str) -> AbstractContextManager[Any]:
    """Put something else in the place of a part of a statement."""
    text: str = getattr(module, name)
    assert old in text, (old, text)
    return patch.object(module, name, text.replace(old, new))
