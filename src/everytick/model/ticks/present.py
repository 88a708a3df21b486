"""The present instant: the machine's wall clock, or the database's if the ledger is on a server (R10)."""

from __future__ import annotations

from collections import deque

from everytick.system import system

# A reading of the server's clock is late by what its answer took: the best one of these seconds counts.
_KEPT_SECONDS = 10.0

# When each reading was taken (seconds of the monotonic clock), and how far the server's clock was ahead of
# that one (microseconds).
_heard: deque[tuple[float, int]] = deque()
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
    moment = system.monotonic()
    _heard.append((moment, server - system.monotonic_ns() // 1000))
    while _heard[0][0] < moment - _KEPT_SECONDS:
        _heard.popleft()
    _ahead = max(ahead for _moment, ahead in tuple(_heard))


def forget() -> None:
    """Go by the machine's wall clock again."""
    global _ahead
    _heard.clear()
    _ahead = None
