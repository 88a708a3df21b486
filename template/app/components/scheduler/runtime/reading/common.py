"""How instants and lengths are shown, and who is up."""

from __future__ import annotations

from sqlalchemy import select

from .. import ticks
from ..ledger import schema
from ..ledger.database import Ledger
from ..ledger.querying import connect
from ..presence import LEASE_SECONDS


def iso(instant: int | None) -> str | None:
    """Return an instant as ISO 8601 in UTC."""
    if instant is None:
        return None
    return ticks.moment(instant).isoformat(timespec="microseconds" if instant % ticks.SECOND else "seconds")


def seconds(started: int | None, finished: int | None) -> float | None:
    """Return how many seconds lie between two instants; None if one is missing."""
    return None if started is None or finished is None else (finished - started) / ticks.SECOND


def someone_is_up(ledger: Ledger) -> bool:
    """Return whether a scheduler showed a sign of life within the length of a lease."""
    since = ticks.now() - int(LEASE_SECONDS * ticks.SECOND)
    with connect(ledger) as connection:
        beats = connection.scalars(select(schema.processes.c.beat_us))
        return any(beat >= since for beat in beats)
