"""Unions and intersections of ticks."""

from __future__ import annotations

from .protocol import Ticks


class UnionTicks:
    """Due when any part is (`or`)."""

    def __init__(self, parts: list[Ticks]) -> None:
        self._parts = parts
        self.canonical = f"or({'; '.join(sorted(part.canonical for part in parts))})"

    def next(self, after: int) -> int | None:
        found = [tick for part in self._parts if (tick := part.next(after)) is not None]
        return min(found, default=None)

    def note(self, tick: int) -> str:
        return next((n for p in self._parts if p.next(tick - 1) == tick and (n := p.note(tick))), "")


class IntersectionTicks:
    """Due when all parts are at the same instant (`and`)."""

    # Parts that never meet would be searched for ever; daily parts are followed for years.
    SEARCH_LIMIT = 2_000

    def __init__(self, parts: list[Ticks]) -> None:
        self._parts = parts
        self.canonical = f"and({'; '.join(sorted(part.canonical for part in parts))})"

    def next(self, after: int) -> int | None:
        for _ in range(self.SEARCH_LIMIT):
            found = [part.next(after) for part in self._parts]
            ticks = [tick for tick in found if tick is not None]
            if len(ticks) < len(found):
                return None
            if min(ticks) == max(ticks):
                return ticks[0]
            after = max(ticks) - 1
        return None

    def note(self, tick: int) -> str:
        return next((note for part in self._parts if (note := part.note(tick))), "")
