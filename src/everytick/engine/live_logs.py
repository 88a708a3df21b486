"""Writes down what runs log while they go on, so that pages and commands can show it.

The end of a run writes its whole log, in any case. What was written before stays if its process dies.
"""

from __future__ import annotations

from collections.abc import Iterable

from everytick.store import runs
from everytick.store.connections import Connection, in_transaction
from everytick.store.records import Claim
from everytick.system import system

from .capture import Lines

# For how long a run goes on before its log is written: most are over by then.
_AFTER_SECONDS = 1.0
# How long the log of one run is not written again, and how much is written with one look, in characters.
_GAP_SECONDS, _MOST_CHARACTERS = 2.0, 100_000


class LiveLogs:
    """The logs of the runs of one process. Used on the ledger's thread only."""

    def __init__(self) -> None:
        # By run: how many lines were written, and when, in seconds of the monotonic clock. At first none.
        self._written: dict[int, tuple[int, float]] = {}

    def write(self, connection: Connection, under_way: Iterable[tuple[Claim, Lines]]) -> None:
        """Write the new lines; called about once a second with the runs that are under way."""
        now = system.monotonic()
        before, self._written = self._written, {}
        changed: list[tuple[float, Claim, Lines]] = []
        for claim, lines in under_way:
            seen = self._written[claim.run_id] = before.get(
                claim.run_id, (0, now + _AFTER_SECONDS - _GAP_SECONDS)
            )
            if lines.number != seen[0] and now >= seen[1] + _GAP_SECONDS:
                changed.append((seen[1], claim, lines))
        found = _chosen(changed)
        if not found:
            return
        # After a power cut no run goes on, so its log need not reach the disk.
        logs = [(claim, text) for claim, _number, text in found]
        in_transaction(connection, lambda inside: runs.keep_logs(inside, logs), durable=False)
        self._written |= {claim.run_id: (number, now) for claim, number, _text in found}


def _chosen(changed: Iterable[tuple[float, Claim, Lines]]) -> list[tuple[Claim, int, str]]:
    """Return the logs to write now, each with its number of lines; those first that waited for longest."""
    found: list[tuple[Claim, int, str]] = []
    length = 0
    for _since, claim, lines in sorted(changed, key=lambda one: one[0]):
        number, text = lines.number, lines.text() or ""
        length += len(text)
        if found and length > _MOST_CHARACTERS:
            break
        found.append((claim, number, text))
    return found
