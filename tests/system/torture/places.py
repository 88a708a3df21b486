"""When the runs of a job hold a place of it: from a claim to its end, as the ledger has it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from operator import itemgetter

from torture.faults import DEADLY, PARTED, Harm
from torture.history import History, Row
from torture.jobs import SECOND
from torture.pauses import AHEAD, ENTERING

_ENDLESS = 2**62
# A run that was given back, and waits, has no place any more.
_WAITING = ("queued", "retrying")
# For how long a process looks at one that is dead until it says so: at each heartbeat of its own. At the
# fourth a lease has passed since the first; from one to the next it takes up to six seconds.
_FOUND = 24 * SECOND


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
    return _together(found + _given_back(history, harm, others.values()), most)


def held_by_the_dead(history: History, harm: Harm, row: Row) -> list[tuple[int, int]]:
    """Return from when to when, as instants, processes that were harmed held another run of a run's job.

    Of runs that they had not entered: these are given back, and no claim of theirs is on record then.
    """
    others = [it for it in history.rows_of(row["job_id"]) if it["run_id"] != row["run_id"]]
    return _together(_given_back(history, harm, others), 1)


def _given_back(history: History, harm: Harm, rows: Iterable[Row]) -> list[tuple[int, int]]:
    """Return when runs counted as under way whose process was harmed before it entered them.

    That is until others had found it, or the next process claimed them.
    """
    attempts: dict[int, list[Row]] = defaultdict(list)
    for attempt in history.attempts:
        attempts[attempt["run_id"]].append(attempt)
    found: list[tuple[int, int]] = []
    for row in rows:
        if row["kind"] != "backfill":
            ended = sorted(attempts[row["run_id"]], key=itemgetter("attempt"))
            found += _first_given_back(history, harm, row, ended)
            found += _more_given_back(history, harm, row, ended)
    return found


def _first_given_back(
    history: History, harm: Harm, row: Row, ended: Sequence[Row]
) -> Iterator[tuple[int, int]]:
    """Yield when that was so of a tick that had not begun yet: from when it was due."""
    spec, tick = history.specs.get(row["job_id"]), row["tick_us"]
    if spec is None or tick is None or (row["claimed_us"] is None and not ended):
        return
    # One that was given back, and waits, keeps the claim of who had it.
    on_record = ended[0]["started_us"] if ended else None if row["state"] in _WAITING else row["claimed_us"]
    again = _ENDLESS if on_record is None else min(harm.instants(on_record), default=_ENDLESS)
    # A retry is due later than its first attempt was.
    for due in harm.instants(min(row["due_us"], tick + spec.jitter)):
        reserved = min([due, *(at for at in harm.instants(tick) if at <= due)]) - AHEAD
        harmed = harm.begun(reserved, min(again, due + int(ENTERING)), (*DEADLY, *PARTED))
        if harmed and due < again:
            yield due, min(again, harm.well_since(harmed[-1], _FOUND, again))


def _more_given_back(
    history: History, harm: Harm, row: Row, ended: Sequence[Row]
) -> Iterator[tuple[int, int]]:
    """Yield when that was so of a run between two of its attempts.

    When the next one was claimed then is not on record, nor by whom: at most a moment before the harm, and
    not before a person asked for it.
    """
    claimed = None if row["state"] in _WAITING else row["claimed_us"]
    following = [it["started_us"] or it["finished_us"] for it in ended[1:]]
    for attempt, on_record in zip(ended, [*following, claimed], strict=False):
        by_hand = history.asked_of("retry", row["run_id"])
        asked = [it.begin for it in by_hand if it.attempt in (0, attempt["attempt"] + 1)]
        cut = max([min(asked, default=0), *harm.instants(attempt["finished_us"])])
        again = _ENDLESS if on_record is None else min(harm.instants(on_record), default=_ENDLESS)
        spans = [
            (max(cut, at - int(ENTERING)), min(again, harm.well_since(at, _FOUND, again)))
            for at in harm.begun(cut, again, (*DEADLY, *PARTED))
        ]
        # One after the other may have had it, but it has one place.
        yield from _together(spans, 1)


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
