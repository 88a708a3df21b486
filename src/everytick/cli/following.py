"""How commands follow what ends, until Ctrl+C."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from everytick.read.runs import RunFilter
    from everytick.read.schemas import RunRow


def follow_runs(wanted: RunFilter, limit: int | None, show: Callable[[RunRow], None]) -> None:
    """Show runs as they end, until Ctrl+C, which is how it is meant to end, or until `limit` were shown.

    Raises:
        LedgerError: the ledger cannot be read, or is not the same any more.
    """
    from itertools import islice

    from everytick.ledger import open_ledger
    from everytick.read.following import follow
    from everytick.system import INTERRUPT_SIGNAL, system

    ended = system.event()

    def end() -> None:
        ended.set()
        # An exception alone is not enough: raised in a finalizer it is swallowed.
        raise KeyboardInterrupt

    system.on_signal(INTERRUPT_SIGNAL, end)
    try:
        for row in islice(follow(open_ledger(), wanted, ended.is_set), limit):
            show(row)
    except KeyboardInterrupt:
        return
