"""How a plan is shown to people."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import tzinfo
from typing import TYPE_CHECKING, Any

from everytick.read.backfills import obstacle
from everytick.read.coming import Coming, Often
from everytick.text.durations import duration_of_seconds
from everytick.text.instants import local
from everytick.text.wording import counted

from .cells import in_zone
from .colours import TIME
from .output import print_text
from .table import Column, print_lines, print_table

if TYPE_CHECKING:
    from everytick.read.schemas import Backfill

# More ticks than this are not read one by one.
MOST_LISTED = 40
# More lines of the same kind are not read by anybody; --summary --json has them all.
_MOST_SHOWN = 10
# Of jobs that are due together.
_MOST_NAMED = 4


def print_plan(found: Coming, zone: tzinfo, *, summary: bool, in_full: bool) -> None:
    """Print the coming ticks and the load that they add up to.

    Args:
        found: the coming ticks.
        zone: in which instants are shown.
        summary: print one line for each job instead of its ticks.
        in_full: print each tick that was kept, however many there are.
    """
    if summary:
        _print_loads(found, zone)
    else:
        _print_ticks(found, zone, None if in_full else MOST_LISTED)
    listed = set() if summary else {row["job_id"] for row in found.ticks}
    _print_findings(found, zone, listed)


def _print_ticks(found: Coming, zone: tzinfo, most: int | None) -> None:
    title = f"{counted(found.number, 'tick')}, times in {zone}"
    if found.often:
        print_text(f"{title}; due very often:")
        print_lines((_often(job) for job in found.often[:_MOST_SHOWN]), [job.job_id for job in found.often])
        _print_rest(len(found.often) - _MOST_SHOWN, "--summary has all")
        title = f"\none by one: {counted(len(found.ticks), 'tick')}"
    if found.ticks or not found.often:
        columns: list[str | Column] = [
            Column("when", is_whole=True, style=TIME),
            Column("job", is_id=True),
            "note",
        ]
        rows = [[local(row["tick"], zone), row["job_id"], row["note"]] for row in found.ticks[:most]]
        print_table(title, columns, rows)
        _print_rest(len(found.ticks) - len(rows), "--summary has all")


def _often(job: Often) -> str:
    some = f", {job.paused:,} of them {job.held}"
    held = "" if not job.paused else f", {job.held}" if job.paused == job.count else some
    return f"{job.job_id}: {job.words}, {counted(job.count, 'tick')}{held}"


def _print_loads(found: Coming, zone: tzinfo) -> None:
    print_table(
        f"{counted(found.number, 'tick')}, times in {zone}",
        [
            Column("job", is_id=True),
            Column("ticks", is_whole=True),
            *(Column(it, is_whole=True, style=TIME) for it in ("first", "last")),
        ],
        [
            [row["job_id"], f"{row['ticks']:,}", local(row["first"], zone), local(row["last"], zone)]
            for row in found.summary()["jobs"]
        ],
    )


def _print_findings(found: Coming, zone: tzinfo, listed: set[str]) -> None:
    """Print the remarks; the ticks of the `listed` jobs have their notes in the list already."""
    summary = found.summary()
    told = ("jobs", "gaps", "left_out", "backfills")
    job_ids = [row["job_id"] for kind in told for row in summary[kind]]
    notes = [row for row in summary["notes"] if row["job_id"] not in listed]
    kinds: list[tuple[str, str, list[str]]] = [
        ("no tick in this time", "job", [_gap(row, zone) for row in summary["gaps"]]),
        ("due while the run before goes on", "job", [_overlap(row, zone) for row in summary["overlaps"]]),
        ("due together", "group", [_collision(row, found, zone) for row in summary["collisions"]]),
        ("ticks with a note", "tick", [_note(row, zone) for row in notes]),
        ("left out, by their date", "day", [_left_out(row, zone) for row in summary["left_out"]]),
        ("beside the schedule", "backfill", [_backfill(row) for row in found.backfills]),
    ]
    for title, unit, lines in kinds:
        if lines:
            print_text(f"{title}: {counted(len(lines), unit)}")
            print_lines(lines[:_MOST_SHOWN], job_ids)
            _print_rest(len(lines) - _MOST_SHOWN, "--summary --json has all")


def _print_rest(number: int, where: str) -> None:
    if number > 0:
        print_text(f"  and {number:,} more; {where}")


def _backfill(row: Backfill) -> str:
    left = row["ticks"] - row["made"]
    pace = "one after another" if row["max_instances"] == 1 else f"up to {row['max_instances']} at once"
    pace += "" if row["rate"] is None else f", at most {row['rate']:,} a minute"
    why = obstacle(row)
    how = f"none while the job {why}" if why else pace
    return (
        f"backfill {row['backfill_id']} of {row['job_id']}: {left:,} of {row['ticks']:,} runs to come, {how}"
    )


def _gap(row: dict[str, Any], zone: tzinfo) -> str:
    following = f"next at {in_zone(row['next_tick'], zone)}" if row["next_tick"] else "never again"
    return f"{row['job_id']}: {following}"


_THEN = {
    "skip": "would be skipped",
    "wait": "would wait",
    "wait-one": "would wait, the newest one only",
    "replace": "would replace a run",
}


def _overlap(row: dict[str, Any], zone: tzinfo) -> str:
    return (
        f"{row['job_id']}: {counted(row['ticks'], 'tick')} {_THEN[row['overlap']]}, the first at"
        f" {in_zone(row['first'], zone)}: 95 of 100 runs take up to {duration_of_seconds(row['p95'])}"
    )


def _collision(row: dict[str, Any], found: Coming, zone: tzinfo) -> str:
    times = "" if row["times"] == 1 else f", and {counted(row['times'] - 1, 'time')} more"
    job_ids = row["job_ids"]
    shown = job_ids if len(job_ids) <= _MOST_NAMED else job_ids[: _MOST_NAMED - 1]
    rest = f" and {len(job_ids) - len(shown):,} more" if len(shown) < len(job_ids) else ""
    limits = "".join(f"; {limit}" for limit in _limits_at_once(row, found))
    return f"{row['number']} jobs at {in_zone(row['first'], zone)}{times}: {', '.join(shown)}{rest}{limits}"


def _limits_at_once(row: dict[str, Any], found: Coming) -> Iterator[str]:
    """Yield what keeps some of the jobs waiting that are due together."""
    if row["exceeds_max_workers"]:
        yield f"a process runs {found.max_workers} at once (SCHEDULER_MAX_WORKERS)"
    for name in row["exceeds_groups"]:
        number = sum(found.groups.get(job_id) == name for job_id in row["job_ids"])
        yield (f"of the {number} in group {name} {found.group_limits[name]} at once (SCHEDULER_GROUP_LIMITS)")


def _note(row: dict[str, Any], zone: tzinfo) -> str:
    return f"{in_zone(row['tick'], zone)} {row['job_id']}: {row['note']}"


def _left_out(row: dict[str, Any], zone: tzinfo) -> str:
    return f"{in_zone(row['tick'], zone)} {row['job_id']}: {row['why']}"
