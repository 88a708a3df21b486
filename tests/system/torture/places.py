"""When the runs of a job hold a place of it: from a claim to its end, as the ledger has it."""

from __future__ import annotations

from torture.faults import Harm
from torture.history import History, Row

_ENDLESS = 2**62
# A run that was given back, and waits, has no place any more.
_WAITING = ("queued", "retrying")


def all_held_by_others(history: History, harm: Harm, row: Row, most: int) -> list[tuple[int, int]]:
    """Return from when to when, as instants, other runs of a run's job held all its places.

    Where the clock was set, an instant that the ledger names may stand for several: then the time is the
    longest one. most: how many places there are.
    """
    others = {
        other["run_id"]: other
        for other in history.rows_of(row["job_id"])
        if other["run_id"] != row["run_id"] and other["kind"] != "backfill"
    }
    spans = [(it["claimed_us"], it["finished_us"]) for it in others.values() if it["state"] not in _WAITING]
    spans += [(it["started_us"], it["finished_us"]) for it in history.attempts if it["run_id"] in others]
    found = []
    for begun, ended in spans:
        if begun is not None:
            first = min(harm.instants(begun), default=0)
            last = _ENDLESS if ended is None else max(harm.instants(ended), default=_ENDLESS)
            found.append((first, last))
    return _together(found, most)


def _together(spans: list[tuple[int, int]], most: int) -> list[tuple[int, int]]:
    """Return the times in which so many of some others go on at once."""
    changes = sorted([(begin, 1) for begin, _end in spans] + [(end, -1) for _begin, end in spans])
    found, number = [], 0
    for at, change in changes:
        number += change
        if change > 0 and number == most:
            found.append((at, _ENDLESS))
        elif change < 0 and number == most - 1 and found:
            found[-1] = (found[-1][0], at)
    return found


def goes_on_at_the_end(history: History, job: str) -> bool:
    """Return whether a body of a job was under way when the world came to its end."""
    end = max(history.clock.instants(history.until), default=_ENDLESS)
    ends = {life.pid: life.end for life in history.lives}
    return any(
        start.job == job and start.at <= end < min(start.end or _ENDLESS, ends[start.pid])
        for start in history.starts
    )
