"""Errors as sentences: what an action or a page cannot do, with the status that says whose fault it is."""

from __future__ import annotations

from everytick.masking import masked
from everytick.text.wording import without_control

# The status that says that the ledger cannot be used.
UNAVAILABLE = 503


class Problem(Exception):
    """A request that cannot be fulfilled. `status` is the HTTP status.

    field: the field of a form whose value is wrong, if one is; the sentence begins with it.
    """

    def __init__(self, status: int, sentence: str, field: str = "") -> None:
        super().__init__(sentence)
        self.status = status
        # It may name what came along, such as half a character, which no answer can have.
        self.sentence = without_control(masked(sentence))
        self.field = field

    @property
    def at_the_field(self) -> str:
        """The sentence as it stands beside its field, which it need not name there."""
        return self.sentence.removeprefix(f"{self.field}: ")
