"""Unions and intersections of ticks."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from datetime import timedelta

from .protocol import ON_TIME, Ticks

_NOTHING = array("q")


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

    def postponed(self, tick: int) -> set[timedelta]:
        return set().union(*(part.postponed(tick) for part in self._parts if part.next(tick - 1) == tick))


class IntersectionTicks:
    """Due when all parts are at the same instant (`and`)."""

    # Parts that never meet would be searched for ever; daily parts are followed for years.
    SEARCH_LIMIT = 2_000

    def __init__(self, parts: list[Ticks]) -> None:
        self._parts = parts
        self.canonical = f"and({'; '.join(sorted(part.canonical for part in parts))})"
        # Instants in order, one for each step of a search that found nothing: behind the first one and up to
        # the last the parts do not meet. Never changed, but replaced: other threads may look at it.
        self._barren = _NOTHING

    def next(self, after: int) -> int | None:
        """Return the first common tick later than `after`; None if it is not found in as many steps.

        Steps that were searched in vain before are counted, and not searched again.
        """
        steps, here, seen = 0, after, array("q", [after])
        barren = self._barren
        while steps < self.SEARCH_LIMIT:
            if barren and barren[0] <= here <= barren[-1]:
                steps += len(barren) - bisect_right(barren, here)
                seen, here, barren = seen[:-1] + barren, barren[-1], _NOTHING
                continue
            found = [part.next(here) for part in self._parts]
            ticks = [tick for tick in found if tick is not None]
            if len(ticks) < len(found):
                return None
            if min(ticks) == max(ticks):
                return ticks[0]
            here = max(ticks) - 1
            seen.append(here)
            steps += 1
        if not self._barren or here >= self._barren[-1]:
            self._barren = seen[-2 * self.SEARCH_LIMIT :]
        return None

    def note(self, tick: int) -> str:
        return next((note for part in self._parts if (note := part.note(tick))), "")

    def postponed(self, tick: int) -> set[timedelta]:
        """Return those of all parts; where only the end of a gap brings them together, it is the time."""
        return set.intersection(*(part.postponed(tick) for part in self._parts)) or {ON_TIME}
