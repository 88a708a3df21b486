"""How commands follow what ends, until Ctrl+C."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from .collecting import as_usual

T = TypeVar("T")


def until_ctrl_c(follow: Callable[[Callable[[], bool]], Iterable[T]], show: Callable[[T], bool]) -> None:
    """Show what `follow` yields, until Ctrl+C or until `show` returns False.

    Ctrl+C is how it is meant to end. `follow` is called with a function that says when it is over.

    Raises:
        LedgerError: the ledger cannot be read, or is not the same any more.
    """
    from everytick.system import INTERRUPT_SIGNAL, system

    as_usual()
    ended = system.event()

    def end() -> None:
        ended.set()
        # An exception alone is not enough: raised in a finalizer it is swallowed.
        raise KeyboardInterrupt

    system.on_signal(INTERRUPT_SIGNAL, end)
    try:
        for found in follow(ended.is_set):
            if not show(found):
                return
    except KeyboardInterrupt:
        return
