"""The present instant: the machine's wall clock, or the database's if the ledger is on a server (R10)."""

from __future__ import annotations

import threading
from collections import deque

from everytick.system import system

# A reading of the server's clock is late by what its answer took: the best one of these seconds counts.
_KEPT_SECONDS = 10.0

# When a reading was taken (seconds of the monotonic clock), and how far the server's clock was ahead of that
# one (microseconds): the best one, then the best of those since, and so on.
_heard: deque[tuple[float, int]] = deque()
_hearing = threading.Lock()
_ahead: int | None = None


def now() -> int:
    """Return the present instant in microseconds UTC.

    By the machine's wall clock; by that of the database from when one was heard. Between two readings the
    machine's monotonic clock counts on, so that setting the machine's wall clock changes nothing.
    """
    if _ahead is None:
        return system.time_ns() // 1000
    return system.monotonic_ns() // 1000 + _ahead


def hear(server: int) -> None:
    """Take in what the database's clock says at this moment, in microseconds UTC."""
    global _ahead
    moment, ahead = system.monotonic(), server - system.monotonic_ns() // 1000
    with _hearing:
        while _heard and _heard[-1][1] <= ahead:
            _heard.pop()
        _heard.append((moment, ahead))
        while _heard[0][0] < moment - _KEPT_SECONDS:
            _heard.popleft()
        _ahead = _heard[0][1]


def forget() -> None:
    """Go by the machine's wall clock again."""
    global _ahead
    _heard.clear()
    _ahead = None
