"""How jobs and runs are listed for people: each in one line, as far as the terminal is wide enough."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, tzinfo
from typing import TYPE_CHECKING

from everytick.model import ticks
from everytick.text.durations import plain_seconds
from everytick.text.instants import local
from everytick.text.wording import counted

from . import cells
from .arguments import MOST
from .colours import ID, STATES, TIME
from .output import console, print_text, room_of, visible
from .table import Column, print_table, shortened

if TYPE_CHECKING:
    from everytick.read.schemas import JobRow, RunOutline, RunRow

# How wide the columns are of runs that are printed as they end, but for the error; 0: not there.
_WIDE = (8, 19, 24, 23, 9)
_NARROW = (6, 19, 20, 11, 0)
# The error gets this in a terminal that is wide enough for all of them.
_READABLE = 24


def print_jobs(rows: Sequence[JobRow], late: Mapping[str, int], zone: tzinfo, *, wide: bool) -> None:
    """Print jobs as `job_rows` returns them, those in `late` as late since then.

    A zone that is not named is `zone`.
    """
    now = ticks.now()
    columns = [
        Column("job", is_id=True),
        Column("next run", least=15),
        Column("due", is_whole=True, left_out=1, style=TIME),
        Column("due in UTC", is_whole=True, left_out=4, style=TIME),
        Column("outcomes", is_whole=True),
        Column("p50 (s)", is_whole=True, left_out=2),
        Column("p95 (s)", is_whole=True, left_out=2),
        Column("schedule", least=18),
        Column("expression", is_whole=True, left_out=3),
        Column("name", is_whole=True, left_out=3),
    ]
    print_table(
        f"{counted(len(rows), 'job')}, times in {zone} where no zone is named",
        columns,
        [
            [
                row["id"],
                cells.coloured_coming(row, zone, now, late.get(row["id"])),
                cells.due(row, zone),
                cells.due(row, UTC, own_zone=False),
                cells.outcomes(row["last_outcomes"]),
                plain_seconds(row["p50"]),
                plain_seconds(row["p95"]),
                row["schedule_in_words"],
                "" if row["trigger"] == row["schedule_in_words"] else row["trigger"],
                "" if row["name"] == row["id"] else row["name"],
            ]
            for row in rows
        ],
        wide=wide,
    )
    seen = {state for row in rows for state in row["last_outcomes"]}
    for line in cells.legend(seen, room_of(console())):
        print_text(line)


def print_ended_head(zone: tzinfo) -> None:
    """Print what stands above runs that are printed as they end."""
    print_text(f"runs as they end, times in {zone}")
    _print_ended([*(("run", ""), ("ended", ""), ("job", ""), ("outcome", ""), ("seconds", ""))], "error")


def print_ended(row: RunRow, zone: tzinfo) -> None:
    """Print a run that has ended, in one line; at a terminal no longer than that is wide."""
    _print_ended(
        [
            (str(row["run_id"]), ID),
            (local(row["finished_at"], zone), TIME),
            (row["job_id"], ID),
            (cells.outcome(row), STATES.get(row["state"], "")),
            (plain_seconds(row["duration"]), ""),
        ],
        row["error"] or "",
    )


def _print_ended(values: Sequence[tuple[str, str]], error: str) -> None:
    from rich.text import Text

    room = room_of(console())
    widths = _NARROW if room is not None and room < sum(_WIDE) + _READABLE else _WIDE
    line = Text()
    for (value, style), width in zip(values, widths, strict=True):
        if width:
            line.append(visible(f"{value:<{width}}  "), style)
    text = Text(" ".join(visible(error).splitlines()))
    if room is not None:
        text = shortened(text, max(0, room - line.cell_len))
    line.append(text).rstrip()
    print_text(line)


def newest(rows: Sequence[object], limit: int, unit: str) -> str:
    """Return how many rows are listed, newest first; `rows` has one more than `limit` if there are more."""
    if len(rows) <= limit:
        return f"{counted(len(rows), unit)}, newest first"
    more = f" (more: -n {100 if limit < 100 else min(MOST, limit * 10)})" if limit < MOST else ""
    return f"the newest {counted(limit, unit)}{more}"


def print_runs(rows: Sequence[RunOutline], limit: int, zone: tzinfo, *, wide: bool) -> None:
    """Print runs, and ticks that were skipped, as `run_rows` returns them; see `newest`."""
    columns = [
        Column("run", is_whole=True, style=ID),
        Column("job", is_id=True),
        Column("tick", is_whole=True, style=TIME),
        Column("last tick", is_whole=True, left_out=2, style=TIME),
        Column("stands in for", is_whole=True, left_out=3, style=TIME),
        Column("outcome", is_whole=True),
        Column("seconds", is_whole=True, left_out=1),
        Column("error", least=10),
    ]
    now = ticks.now()
    today = None if wide or room_of(console()) is None else now
    print_table(
        f"{newest(rows, limit, 'run')}, times in {zone}",
        columns,
        [
            [
                str(row["run_id"]),
                row["job_id"],
                cells.tick(row, zone, today),
                local(row["last_tick"], zone) if "last_tick" in row else "",
                cells.stands_in_for(row, zone, today),
                cells.coloured_outcome(row),
                plain_seconds(row["duration"]),
                cells.error(row, zone, now),
            ]
            for row in rows[:limit]
        ],
        wide=wide,
    )


def print_retried(rows: Sequence[RunOutline]) -> None:
    """Say below the list of a time how many of its runs were tried again since."""
    number = sum("before_retry" in row for row in rows)
    if number:
        print_text(
            f"tried again since: {counted(number, 'run')} of these;"
            " without a time it counts how they ended last"
        )
