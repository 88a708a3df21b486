"""Pictures as lines and boxes of an SVG. Each outcome has a shape of its own, beside its colour."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import Any

from everytick.model import ticks
from everytick.read.hourly import Hour, LastDay
from everytick.read.run_columns import took
from everytick.text.durations import duration
from everytick.text.instants import time_of_day
from everytick.text.wording import counted

from . import coming, runs

CELL = 7
CHART_WIDTH, CHART_HEIGHT = 540, 120
DAY_WIDTH = 1000
HOUR_WIDTH, HOURS_HEIGHT = 40, 120

# Which look a state has: good, bad, stopped (by a person), left (not run), busy.
LOOKS = {
    "succeeded": "good",
    "failed": "bad",
    "timed_out": "bad",
    "lost": "bad",
    "cancelled": "stopped",
    "interrupted": "stopped",
    "skipped": "left",
}


def look(state: str) -> str:
    """Return the look of a state."""
    return LOOKS.get(state, "busy")


@dataclass(frozen=True)
class Picture:
    """Paths by look, and what they say in words."""

    paths: dict[str, str]
    words: str
    width: int


def strip(newest_first: Sequence[Any]) -> Picture:
    """Return the outcomes of a job's newest runs, the oldest on the left."""
    paths: dict[str, str] = {}
    rows = list(reversed(newest_first))
    for number, row in enumerate(rows):
        kind = look(row.state)
        paths[kind] = paths.get(kind, "") + _cell(kind, number * CELL)
    counts = Counter(row.state.replace("_", " ") for row in rows)
    words = ", ".join(f"{number} {state}" for state, number in counts.most_common())
    return Picture(paths, f"last {len(rows)}: {words}" if rows else "no runs yet", max(1, len(rows)) * CELL)


def _cell(kind: str, x: int) -> str:
    """Return one outcome: a low bar is good, a full one with a notch bad, a half one stopped, a dot left."""
    shapes = {
        "good": f"M{x} 4h5v12h-5z",
        "bad": f"M{x} 0h5v7h-5zM{x} 9h5v7h-5z",
        "stopped": f"M{x} 9h5v7h-5z",
        "left": f"M{x} 13h5v3h-5z",
        "busy": f"M{x} 4l5 6l-5 6z",
    }
    return shapes[kind]


@dataclass(frozen=True)
class Bar:
    """One run in a chart."""

    run_id: int
    x: float
    y: float
    height: float
    width: float
    look: str
    words: str


@dataclass(frozen=True)
class Chart:
    """A length of time of each run, the oldest on the left; `top` is the longest one, in microseconds."""

    bars: list[Bar]
    top: int
    words: str


def durations(newest_first: Sequence[Any]) -> Chart:
    """Return how long a job's newest runs took, and how they ended."""
    return _chart(newest_first, took, "the longest took {}", "took {}")


def lateness(newest_first: Sequence[Any]) -> Chart:
    """Return how long after they were due a job's newest runs began."""
    # Less than a second is nothing to look at.
    return _chart(
        newest_first, runs.lateness, "the latest began {} after it was due", "began {} late", ticks.SECOND
    )


def _chart(
    newest_first: Sequence[Any],
    length: Callable[[Any], int | None],
    longest: str,
    of_one: str,
    least: int = 0,
) -> Chart:
    rows = list(reversed(newest_first))
    lengths = [length(row) for row in rows]
    top = max((it for it in lengths if it is not None), default=0)
    full = max(top, least)
    step = CHART_WIDTH / max(len(rows), 30)
    bars = []
    for number, (row, its) in enumerate(zip(rows, lengths, strict=True)):
        height = max(3.0, (CHART_HEIGHT - 8) * (its or 0) / full) if full else 3.0
        bars.append(
            Bar(
                row.run_id,
                round(number * step, 1),
                round(CHART_HEIGHT - height, 1),
                round(height, 1),
                round(step - min(2.0, step / 4), 1),
                look(row.state),
                f"run {row.run_id}: {row.state.replace('_', ' ')}"
                + ("" if its is None else f", {of_one.format(duration(its))}"),
            )
        )
    if all(its is None for its in lengths):
        return Chart(bars, top, "no run yet")
    runs_of_it = "the only run" if len(rows) == 1 else f"{len(rows)} newest runs"
    return Chart(bars, top, runs_of_it + (f", {longest.format(duration(top))}" if top else ""))


@dataclass(frozen=True)
class Column:
    """One hour in the chart of the day: the paths of runs that did not fail, of those that did, and of ticks
    that were skipped, which stand on both.
    """

    hour: Hour
    words: str
    good: str
    bad: str
    left: str


@dataclass(frozen=True)
class DayChart:
    """Runs and skipped ticks by hour, the oldest on the left; `top` is the most of them in one hour."""

    columns: list[Column]
    top: int
    width: int
    words: str


def day_chart(day: LastDay, zone: tzinfo) -> DayChart:
    """Return how many runs ended in each hour of the last day, how many failed, and the skipped ticks."""
    top = max(((hour.runs or 0) + (hour.skipped or 0) for hour in day.hours), default=0)
    columns = []
    for number, hour in enumerate(day.hours):
        x = number * HOUR_WIDTH + 2
        # What failed stands on what did not, and is to be seen however little it is.
        bad = _share(hour.failed or 0, top)
        left = min(_share(hour.skipped or 0, top), HOURS_HEIGHT - bad)
        good = min(_share((hour.runs or 0) - (hour.failed or 0), top), HOURS_HEIGHT - bad - left)
        clock = time_of_day(hour.begin - hour.begin % (60 * ticks.SECOND), zone)
        told = "not counted yet"
        if hour.runs is not None:
            told = f"{counted(hour.runs, 'run')}, {hour.failed:,} failed"
            told += f", {counted(hour.skipped, 'tick')} skipped" if hour.skipped else ""
        columns.append(
            Column(
                hour,
                f"from {clock}: {told}",
                _box(x, HOURS_HEIGHT - good, good),
                _box(x, HOURS_HEIGHT - good - bad, bad),
                _box(x, HOURS_HEIGHT - good - bad - left, left),
            )
        )
    words = f"{counted(day.runs, 'run')} in the last day, {day.failed:,} failed"
    words += f", {counted(day.skipped, 'tick')} skipped" if day.skipped else ""
    return DayChart(columns, top, len(columns) * HOUR_WIDTH, words)


def _share(number: int, top: int) -> float:
    return max(3.0, round((HOURS_HEIGHT - 4) * number / top, 1)) if number > 0 else 0.0


def _box(x: int, y: float, height: float) -> str:
    width = HOUR_WIDTH - 4
    return f"M{x} {y:g}h{width}v{height:g}h-{width}z" if height else ""


def marks(lane: coming.Lane, begin: int, end: int) -> tuple[str, str]:
    """Return the paths of a lane's ticks that run, and of those that do not: lines, or a bar for many."""
    split = end if lane.cannot_run else lane.paused_until
    if lane.dense:
        at = place(split, begin, end)
        return _bar(at, DAY_WIDTH), _bar(0, at)
    lines = [(tick, f"M{place(tick, begin, end):g} 2v16") for tick in lane.ticks]
    running = "".join(line for tick, line in lines if tick >= split)
    return running, "".join(line for tick, line in lines if tick < split)


def _bar(begin: float, end: float) -> str:
    return f"M{begin:g} 6H{end:g}v8H{begin:g}z" if end > begin else ""


def place(instant: int, begin: int, end: int) -> float:
    """Return where an instant stands in the time line."""
    return round((instant - begin) / (end - begin) * DAY_WIDTH, 1)
