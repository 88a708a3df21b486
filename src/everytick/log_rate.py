"""Log lines about events that may be very many, such as what strangers send: one a minute of each kind."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any

from loguru import logger

from .system import system

_SECONDS = 60.0


@dataclass
class _Kind:
    """What was logged of a kind, when, and how often it happened since."""

    since: float
    more: int = 0
    last: tuple[str, str, tuple[Any, ...]] = field(default=("", "", ()))


class RateLimitedLog:
    """Logs the first event of a kind at once, and then once a minute how many more there were.

    Call `tell` now and then: otherwise the number of the last events is told only with the next one.

    Args:
        seconds: how long the events of a kind are counted before they are logged in one line.
    """

    def __init__(self, seconds: float = _SECONDS) -> None:
        self._seconds = seconds
        self._kinds: dict[str, _Kind] = {}
        self._lock = threading.Lock()

    def warning(self, kind: str, message: str, *values: Any) -> None:
        """Log a warning, or count it. `kind`: one of few, never what a stranger may choose."""
        self._add(kind, "WARNING", message, values, None)

    def error(self, kind: str, problem: BaseException | None, message: str, *values: Any) -> None:
        """Log an error with its traceback, or count it."""
        self._add(kind, "ERROR", message, values, problem)

    def tell(self) -> bool:
        """Log how many events were counted, of each kind whose time is over; return whether any remain."""
        if not self._kinds:
            # As always but after an error: this is called by all that comes again and again.
            return False
        now, over = system.monotonic(), []
        with self._lock:
            for name, kind in list(self._kinds.items()):
                if now - kind.since < self._seconds:
                    continue
                if kind.more:
                    over.append((kind.last, kind.more))
                    self._kinds[name] = _Kind(now)
                else:
                    del self._kinds[name]
            remain = bool(self._kinds)
        for (level, message, values), more in over:
            logger.log(level, message + " ({} times more since this was logged last)", *values, more)
        return remain

    def _add(
        self, name: str, level: str, message: str, values: tuple[Any, ...], problem: BaseException | None
    ) -> None:
        self.tell()
        with self._lock:
            kind = self._kinds.get(name)
            if kind is not None:
                kind.more += 1
                kind.last = (level, message, values)
                return
            self._kinds[name] = _Kind(system.monotonic())
        logger.opt(exception=problem).log(level, message, *values)
