"""The parts of a pulse: what fails in one, as by a row that cannot be read, stops none of the others."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

from everytick.log_rate import RateLimitedLog
from everytick.store.connections import UNAVAILABLE

P = ParamSpec("P")
T = TypeVar("T")


class PulseParts:
    """Does the parts of one process's pulse. Used on the ledger's thread."""

    def __init__(self) -> None:
        self._log = RateLimitedLog()

    def do(self, what: str, part: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | None:
        """Return what a part returns; None if it fails, which is logged once a minute.

        Raises:
            one of `UNAVAILABLE`: the ledger does not answer, so that no other part could do anything either.
        """
        self._log.tell()
        try:
            return part(*args, **kwargs)
        except UNAVAILABLE:
            raise
        except Exception as problem:
            self._log.error(what, problem, "a part of the ledger's pulse failed: {}; the others go on", what)
            return None
