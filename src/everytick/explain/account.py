"""The explanation as it grows: its sentences, and the rows of the ledger that prove them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from everytick.text.instants import at
from everytick.text.wording import quoted

from .facts import Facts


@dataclass
class Account:
    """Sentences, and the runs and entries of the audit trail that they rest on.

    verdict: one stable word; see `VERDICTS` of this package. nearest: of an instant that is no tick the
    nearest one, in microseconds UTC.
    """

    facts: Facts
    verdict: str = ""
    sentences: list[str] = field(default_factory=list)
    run_ids: list[int] = field(default_factory=list)
    entries: list[Any] = field(default_factory=list)
    nearest: int | None = None

    def say(self, sentence: str) -> None:
        """Add a sentence; it ends with a full stop."""
        self.sentences.append(sentence[0].upper() + sentence[1:] + ("" if sentence.endswith(".") else "."))

    def rest_on(self, row: Any) -> None:
        """Name a run as what the explanation rests on."""
        if row.run_id not in self.run_ids:
            self.run_ids.append(row.run_id)

    def who(self, action: str, run_id: int | None = None, until: int | None = None) -> str | None:
        """Return ` by WHO at TIME (note: ...)` of the newest entry about this; None if there is none."""
        entry = self.facts.asked(action, run_id, until)
        if entry is None:
            return None
        if entry not in self.entries:
            self.entries.append(entry)
        return f" by {entry.who} at {at(entry.at_us, self.facts.zone)} {quoted(entry.note)}"
