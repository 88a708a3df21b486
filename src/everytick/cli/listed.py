"""How jobs and runs are listed for people: each in one line, as far as the terminal is wide enough."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from typing import TYPE_CHECKING

from everytick.model import ticks
from everytick.text.durations import plain_seconds
from everytick.text.instants import dated, local
from everytick.text.wording import counted

from . import cells
from .arguments import MOST
from .colours import ID, STATES, TIME
from .output import console, print_text, room_of, visible
from .table import Column, print_table, shortened

if TYPE_CHECKING:
    from everytick.read.late import Late
    from everytick.read.schemas import JobRow, RunOutline, RunRow

# How wide the columns are of runs that are printed as they end, but for the error; 0: not there.
_WIDE = (8, 19, 24, 23, 9)
_NARROW = (6, 19, 20, 11, 0)
# The error gets this in a terminal that is wide enough for all of them.
_READABLE = 24
# A terminal of this many columns has room for an outcome that all rows have.
_ROOMY = 100


def print_jobs(
    rows: Sequence[JobRow],
    late: Mapping[str, Late],
    gravest: Mapping[str, str],
    zone: tzinfo,
    *,
    wide: bool,
) -> None:
    """Print jobs as `job_rows` returns them.

    Args:
        rows: the jobs.
        late: those that are late, by their ids.
        gravest: what went wrong with some within a day, in words; without any the column is left out.
        zone: that of all times where none is named.
        wide: all columns, and nothing shortened.
    """
    now = ticks.now()
    columns = [
        Column("job", is_id=True),
        Column("next run", least=15),
        Column("due", is_whole=True, left_out=1, style=TIME),
        Column("due in UTC", is_whole=True, left_out=4, style=TIME),
        Column("outcomes", is_whole=True),
        *([Column("last day", is_whole=True, style="yellow")] if gravest else []),
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
                *([gravest.get(row["id"], "")] if gravest else []),
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


def _title(rows: Sequence[RunOutline], limit: int) -> str:
    """Return how many runs are listed or, of skipped ticks alone, how many ticks: a row may be of many."""
    counts = [row.get("count", 1) for row in rows if row["state"] == "skipped"]
    ticks_in = sum(number for number in counts if number is not None)
    if len(rows) > limit or len(counts) < len(rows) or ticks_in == len(rows):
        return newest(rows, limit, "run")
    least = "at least " if None in counts else ""
    return f"{least}{counted(ticks_in, 'tick')} in {counted(len(rows), 'row')}, newest first"


def _same_outcome(rows: Sequence[RunOutline]) -> str:
    """Return the outcome of all rows if it is one, and their errors need its room; otherwise nothing."""
    outcomes, room = {cells.outcome(row) for row in rows}, room_of(console())
    if len(rows) < 2 or len(outcomes) > 1 or room is None or room >= _ROOMY:
        return ""
    longest = max(len(" ".join((row["error"] or "").split())) for row in rows)
    return outcomes.pop() if longest > _READABLE else ""


def _other_day(rows: Sequence[RunOutline], zone: tzinfo, now: int) -> int | None:
    """Return an instant of the day of all ticks in a list, in microseconds UTC; None if that is today."""
    texts = [row["tick"] for row in rows] + [row.get("last_tick") for row in rows if "last_tick" in row]
    found = [ticks.instant(datetime.fromisoformat(text)) for text in texts if text is not None]
    days = {dated(tick, zone)[:10] for tick in found}
    if len(found) < len(texts) or len(rows) < 2 or len(days) != 1 or days == {dated(now, zone)[:10]}:
        return None
    return found[0]


def print_runs(rows: Sequence[RunOutline], limit: int, zone: tzinfo, *, wide: bool) -> None:
    """Print runs, and ticks that were skipped, as `run_rows` returns them; see `newest`."""
    same = "" if wide else _same_outcome(rows[:limit])
    columns = [
        Column("run", is_whole=True, style=ID),
        Column("job", is_id=True),
        Column("tick", is_whole=True, style=TIME),
        Column("last tick", is_whole=True, left_out=2, style=TIME),
        Column("stands in for", is_whole=True, left_out=3, style=TIME),
        *([] if same else [Column("outcome", is_whole=True)]),
        Column("seconds", is_whole=True, left_out=1),
        Column("error", least=10),
    ]
    if not rows:
        print_text("none")
        return
    now = ticks.now()
    shown, day = None if wide or room_of(console()) is None else now, ""
    if shown is not None and (other := _other_day(rows[:limit], zone, now)) is not None:
        # A date that is the same in all rows stands above them: so the error has more room.
        shown, day = other, f", of {dated(other, zone)[:10]}"
    print_table(
        f"{_title(rows, limit)}{same and f', all {same}'}{day}, times in {zone}",
        columns,
        [
            [
                str(row["run_id"]),
                row["job_id"],
                cells.tick(row, zone, shown),
                local(row["last_tick"], zone) if "last_tick" in row else "",
                cells.stands_in_for(row, zone, shown),
                *([] if same else [cells.coloured_outcome(row)]),
                plain_seconds(row["duration"]),
                cells.error(row, zone, now),
            ]
            for row in rows[:limit]
        ],
        wide=wide,
    )


def oldest(rows: Sequence[RunOutline], until: int | None) -> int | None:
    """Return when a list begins, in microseconds UTC, but no more than a day before its end; None if empty.

    `until`: that end; None for now. Ticks that were skipped count from when they were due.
    """
    instants = [
        row["tick"] if row["state"] == "skipped" else row["finished_at"] or row["started_at"] for row in rows
    ]
    known = [ticks.instant(datetime.fromisoformat(it)) for it in instants if it is not None]
    end = ticks.now() if until is None else until
    return max(min(known), end - ticks.DAY) if known else None


def print_retried(rows: Sequence[RunOutline]) -> None:
    """Say below the list of a time how many of its runs were tried again since."""
    number = sum("before_retry" in row for row in rows)
    if number:
        print_text(
            f"tried again since: {counted(number, 'run')} of these;"
            " without a time it counts how they ended last"
        )
