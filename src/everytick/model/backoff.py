"""How long to wait before a failed operation is tried again."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Backoff:
    """Pauses that double from try to try. `first` and `longest` are seconds."""

    first: float
    longest: float

    def pause(self, tries: int) -> float:
        """Return the seconds to wait after that number of tries in a row that failed."""
        return min(self.first * 2.0 ** min(tries - 1, 60), self.longest)
