"""The parts of work that comes again and again, such as each second: one that fails stops none of the others.

It may fail by a row that cannot be read.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

from everytick.log_rate import RateLimitedLog
from everytick.store.connections import UNAVAILABLE

P = ParamSpec("P")
T = TypeVar("T")


class Parts:
    """Does the parts of one thing. Used on one thread.

    Args:
        whole: what they are parts of, for the log.
        unavailable: errors by which no other part could do anything either: they are raised.
    """

    def __init__(
        self, whole: str = "the ledger's pulse", unavailable: tuple[type[Exception], ...] = UNAVAILABLE
    ) -> None:
        self._whole, self._unavailable = whole, unavailable
        self._log = RateLimitedLog()

    def do(self, what: str, part: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | None:
        """Return what a part returns; None if it fails, which is logged once a minute.

        Raises:
            one of `unavailable`: as when the ledger does not answer.
        """
        self._log.tell()
        try:
            return part(*args, **kwargs)
        except self._unavailable:
            raise
        except Exception as problem:
            self._log.error(what, problem, "a part of {} failed: {}; the others go on", self._whole, what)
            return None
