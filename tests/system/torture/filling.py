"""Backfills: each tick that was asked for has one run, as few at once, and in a minute, as was asked for."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import combinations

from torture.completeness import FINAL
from torture.faults import Harm
from torture.history import Fill, History, Row, Start, Violation
from torture.jobs import SECOND

# By then a backfill of a few ticks has made all its runs, whatever was done meanwhile.
_MADE = 60 * SECOND
_MINUTE = 60 * SECOND
# A run may begin so long after its rate allows it, since somebody has to look, and the next one not.
_MADE_UP_FOR = SECOND
# The most that anybody asks for: so many may be under way of one whose request had no answer.
_MOST_AT_ONCE = 3
# How a tick has ended for good, and did not succeed. One that was cut off may begin again.
_MISSED = FINAL - {"succeeded", "lost", "interrupted"}


def filled(history: History, harm: Harm) -> Iterator[Violation]:
    """Each tick of a backfill has one run of it, and no other tick has any."""
    made: dict[int, Counter[int]] = defaultdict(Counter)
    for row in _runs(history):
        made[row["backfill_id"]][row["for_tick_us"]] += 1
    for fill in history.fills:
        found = made.pop(fill.number, Counter())
        wanted, may_be_left_out = _wanted(history, harm, fill)
        for tick in sorted(found.keys() | wanted):
            is_due = history.clock.shows(fill.at) < history.until - _MADE and tick not in may_be_left_out
            if found[tick] > 1 or (tick not in wanted) or (is_due and not found[tick]):
                sentence = f"tick {tick} has {found[tick]} runs of backfill {fill.number}"
                yield Violation(f"{fill.job}: {sentence}", fill.job, tick)
    # One whose request was answered by an error may be there or not.
    for number, found in made.items():
        for tick, runs in found.items():
            if runs > 1:
                yield Violation(f"tick {tick} has {runs} runs of backfill {number}", tick=tick)


def _runs(history: History) -> list[Row]:
    return [row for row in history.runs if row["kind"] == "backfill"]


def _wanted(history: History, harm: Harm, fill: Fill) -> tuple[set[int], set[int]]:
    """Return the ticks that may have a run of a backfill, and those of them that need not have one."""
    spec, ticks = history.specs[fill.job], set()
    tick = spec.next_tick(fill.first - 1)
    while tick is not None and tick <= fill.last:
        ticks.add(tick)
        tick = spec.next_tick(tick)
    if not fill.only_missed:
        return ticks, set()
    rows = {tick: row for row in history.rows_of(fill.job) for tick in ticks if _is_of(row, tick)}
    stand_ins = defaultdict(list)
    for row in history.rows_of(fill.job):
        if row.get("for_tick_us") is not None and row.get("backfill_id") != fill.number:
            stand_ins[row["for_tick_us"]].append(row)
    # What has no record may have succeeded, and is not made up for.
    wanted = {
        tick
        for tick, row in rows.items()
        if not any(_had_succeeded(harm, it, fill) for it in [row, *stand_ins[tick]])
    }
    certain = {
        tick for tick in wanted if not stand_ins[tick] and _was_missed(history, harm, rows[tick], fill)
    }
    return wanted, wanted - certain


def _is_of(row: Row, tick: int) -> bool:
    first, last = row["tick_us"], row["last_tick_us"]
    return first is not None and first <= tick <= (first if last is None else last)


def _had_succeeded(harm: Harm, row: Row, fill: Fill) -> bool:
    """Return whether a run had certainly succeeded before a backfill was asked for."""
    return row["state"] == "succeeded" and max(harm.instants(row["finished_us"]), default=fill.at) < fill.at


def _was_missed(history: History, harm: Harm, row: Row, fill: Fill) -> bool:
    """Return whether a tick had certainly not succeeded by then, and did not later either."""
    is_over = row["state"] in _MISSED and not history.asked_of("retry", row["run_id"])
    return is_over and max(harm.instants(row["finished_us"]), default=fill.at) < fill.at


def paced(history: History, harm: Harm) -> Iterator[Violation]:
    """No more runs of a backfill begin in a minute than its rate allows."""
    for fill in history.fills:
        if not fill.rate:
            continue
        runs = [row for row in _runs(history) if row["backfill_id"] == fill.number]
        runs.sort(key=lambda row: int(row["for_tick_us"]))
        # A further attempt is due later than its run was at first.
        first = [(index, row) for index, row in enumerate(runs) if row["attempt"] <= 1]
        for (before, row), (after, later) in combinations(first, 2):
            least = (after - before) * _MINUTE // fill.rate - _MADE_UP_FOR
            apart = later["due_us"] - row["due_us"]
            if apart < least:
                sentence = f"tick {later['for_tick_us']} of backfill {fill.number} was due {apart} us after"
                yield Violation(
                    f"{fill.job}: {sentence} that of {row['for_tick_us']}, and not {least}",
                    fill.job,
                    later["for_tick_us"],
                )


def few_at_a_time(history: History, harm: Harm) -> Iterator[Violation]:
    """Of each backfill only so many runs are under way as was asked for, unless a frozen one was replaced."""
    numbers = {row["run_id"]: row["backfill_id"] for row in _runs(history)}
    at_once = {fill.number: fill.at_once for fill in history.fills}
    under_way: dict[int, list[Start]] = defaultdict(list)
    for start in sorted(history.starts, key=lambda start: start.at):
        number = numbers.get(start.run)
        if number is None:
            continue
        others = [it for it in under_way[number] if it.end is not None and it.end > start.at]
        counted = [it for it in others if not harm.harmed(it, it.end or start.at)]
        if len(counted) >= at_once.get(number, _MOST_AT_ONCE) and not harm.entered_late(start):
            sentence = f"tick {start.tick} of backfill {number} began while {counted[-1].tick} was under way"
            yield Violation(f"{start.job}: {sentence}", start.job, start.tick, start.pid)
        under_way[number] = [*others, start]
