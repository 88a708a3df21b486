"""What went wrong with a job, and how it stands, in as few words as people need: for commands and pages."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import tzinfo

from everytick.store.database import Ledger
from everytick.store.querying import connect_checked
from everytick.text.durations import duration
from everytick.text.instants import brief, from_now
from everytick.text.wording import one_line

from .trouble_counts import Count, gravest_of_a_day
from .troubles import InTheWay, Trouble

_KINDS = {
    "timed_out": "timed out",
    "outage": "missed (outage)",
    "overlap": "skipped",
}


def label(trouble: Trouble) -> str:
    """Return in a word whether a trouble goes on: as `Trouble.still` has it, or `over`.

    Where no run succeeded since: why, as `Trouble.no_success` has it, or `no run yet`.
    """
    if trouble.still:
        return trouble.still
    return "over" if trouble.succeeded else trouble.no_success or "no run yet"


def since(trouble: Trouble, zone: tzinfo, now: int) -> str:
    """Return since when it goes on, or is over; empty if that is not known. Times in a known zone."""
    instant = trouble.still_since if trouble.still else trouble.well_since
    return "" if instant is None else f"since {brief(instant, zone, now)}"


def happened(trouble: Trouble, zone: tzinfo, now: int) -> str:
    """Return what went wrong: `1 timed out 02:00, 17 skipped 00:35 to 01:55`; times in a known zone."""
    return ", ".join(_count(one, zone, now) for one in trouble.counts)


def details(trouble: Trouble, now: int) -> list[str]:
    """Return which run was in its way, and how it goes on."""
    return list(_details(trouble, now))


def error(trouble: Trouble) -> str:
    """Return the error of its last run that failed, in one line; without one the state of that."""
    if trouble.failure is None:
        return ""
    return one_line(trouble.failure.error or "") or trouble.failure.state.replace("_", " ")


def in_short(count: Count) -> str:
    """Return how many of which kind: `17 skipped`."""
    return f"{count.number:,} {_KINDS.get(count.kind, count.kind)}"


def worst_of_a_day(ledger: Ledger, seen: Mapping[str, Collection[str]]) -> dict[str, str]:
    """Return by job what was worst within a day, as `in_short` has it, of jobs of which it is not seen.

    `seen`: the states of their last runs, which are shown anyway.

    Raises:
        LedgerError: the ledger cannot be read.
    """
    if not ledger.exists():
        return {}
    with connect_checked(ledger) as connection:
        found = gravest_of_a_day(connection)
    return {
        job_id: in_short(one)
        for job_id, one in found.items()
        if job_id in seen and one.state not in seen[job_id]
    }


def _count(count: Count, zone: tzinfo, now: int) -> str:
    first, last = brief(count.first, zone, now), brief(count.last, zone, now)
    span = first if first == last else f"{first} to {last}"
    return f"{'at least ' if count.at_least else ''}{in_short(count)} {span}"


def _details(trouble: Trouble, now: int) -> Iterator[str]:
    if trouble.still:
        yield from _still(trouble, now)
    if trouble.in_the_way is not None:
        yield _in_the_way(trouble.in_the_way)
    if trouble.well_since is not None:
        yield f"{trouble.succeeded:,} succeeded since"
    if trouble.still and trouble.next_tick is not None:
        yield f"next {from_now(trouble.next_tick, now)}"


def _still(trouble: Trouble, now: int) -> Iterator[str]:
    if trouble.still == "late":
        yield trouble.why or "due and not begun"
    elif trouble.long is not None:
        usual = f", usually at most {duration(trouble.long.usual)}" if trouble.long.usual else ""
        yield f"run {trouble.long.run_id} goes on for {duration(now - trouble.long.started)}{usual}"
    elif trouble.why:
        yield one_line(trouble.why)


def _in_the_way(way: InTheWay) -> str:
    usual = "" if way.usual is None else f", usually {duration(way.usual)}"
    so_far = " so far" if way.goes_on else ""
    last = "last " if way.is_of_last else ""
    return f"{last}behind run {way.run_id}: {duration(way.took)}{so_far}{usual}"
