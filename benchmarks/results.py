"""The results: numbers by measure and subject, and why others are missing. Kept as JSON."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.arithmetic import Spread, spread


@dataclass
class Results:
    """Values of each measure and subject (a peer, a template, a number of rows), one for each round."""

    values: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    about: dict[str, str] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)

    def add(self, measure: str, subject: str, value: float) -> None:
        """Add the value of one round."""
        self.values.setdefault(measure, {}).setdefault(subject, []).append(value)

    def get(self, measure: str, subject: str) -> Spread | None:
        """Return the median and the range of what was measured, or None."""
        found = self.values.get(measure, {}).get(subject)
        return spread(found) if found else None

    def middle(self, measure: str, subject: str) -> float | None:
        """Return the median, or None if it was not measured or is infinite."""
        found = self.get(measure, subject)
        return None if found is None or not math.isfinite(found.middle) else found.middle

    def ratio(self, measure: str, subject: str, other: str) -> float | None:
        """Return one median divided by another, or None."""
        above, below = self.middle(measure, subject), self.middle(measure, other)
        return above / below if above is not None and below else None

    def save(self, file: Path) -> None:
        """Write all of it."""
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(vars(self), indent=1), "utf-8")

    @classmethod
    def load(cls, file: Path) -> Results:
        """Read what `save` wrote."""
        return cls(**json.loads(file.read_text("utf-8")))
