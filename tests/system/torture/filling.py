"""Backfills: each past tick has one run of the backfill that was asked for, and few of these run at once."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

from torture.faults import Harm
from torture.history import History, Start, Violation
from torture.world import HOUR, SECOND

# By then a backfill of a few ticks has made all its runs, whatever was done meanwhile.
_MADE = 60 * SECOND


def filled(history: History, harm: Harm) -> Iterator[Violation]:
    """Each tick of a backfill has one run of it, and no other tick has any."""
    made: dict[int, Counter[int]] = defaultdict(Counter)
    for row in history.runs:
        if row["kind"] == "backfill":
            made[row["backfill_id"]][row["for_tick_us"]] += 1
    for number, first, last, at in history.fills:
        wanted = set(range(first, last + 1, HOUR))
        found = made.pop(number, Counter())
        for tick in sorted(found.keys() | wanted):
            is_due = history.clock.shows(at) < history.until - _MADE
            if found[tick] > 1 or (tick not in wanted) or (is_due and not found[tick]):
                sentence = f"tick {tick} has {found[tick]} runs of backfill {number}"
                yield Violation(f"past: {sentence}", "past", tick)
    # One whose request was answered by an error may be there or not.
    for number, found in made.items():
        for tick, runs in found.items():
            if runs > 1:
                yield Violation(f"past: tick {tick} has {runs} runs of backfill {number}", "past", tick)


def one_at_a_time(history: History, harm: Harm) -> Iterator[Violation]:
    """Of each backfill one run is under way at once, unless a frozen one was replaced."""
    numbers = {row["run_id"]: row["backfill_id"] for row in history.runs if row["kind"] == "backfill"}
    before: dict[int, Start] = {}
    for start in sorted(history.starts, key=lambda start: start.at):
        number = numbers.get(start.run)
        if number is None:
            continue
        other = before.get(number)
        goes_on = other is not None and other.end is not None and other.end > start.at
        if other is not None and goes_on and not harm.harmed(other, other.end or start.at):
            sentence = f"tick {start.tick} of backfill {number} began while {other.tick} was under way"
            yield Violation(f"past: {sentence}", "past", start.tick, start.pid)
        before[number] = start
