"""How a plan is shown to people."""

from __future__ import annotations

from datetime import tzinfo
from typing import Any

from everytick.read.coming import Coming
from everytick.text.durations import duration_of_seconds
from everytick.text.instants import local

from .cells import in_zone
from .output import print_table, print_text

# More lines of the same kind are not read by anybody; --summary --json has them all.
_MOST_SHOWN = 10


def print_plan(found: Coming, zone: tzinfo, *, summary: bool) -> None:
    """Print the coming ticks and the load that they add up to; in a summary one line for each job."""
    if summary:
        _print_loads(found, zone)
    else:
        print_table(
            f"{found.number} tick(s), times in {zone}",
            ["when", "job", "note"],
            [[local(row["tick"], zone), row["job_id"], row["note"]] for row in found.ticks],
        )
    _print_findings(found, zone, with_notes=summary)


def _print_loads(found: Coming, zone: tzinfo) -> None:
    print_table(
        f"{found.number} tick(s), times in {zone}",
        ["job", "ticks", "first", "last"],
        [
            [row["job_id"], str(row["ticks"]), local(row["first"], zone), local(row["last"], zone)]
            for row in found.summary()["jobs"]
        ],
    )


def _print_findings(found: Coming, zone: tzinfo, *, with_notes: bool) -> None:
    summary = found.summary()
    kinds: list[tuple[str, str, list[str]]] = [
        ("no tick in this time", "job(s)", [_gap(row, zone) for row in summary["gaps"]]),
        ("due while the run before goes on", "job(s)", [_overlap(row, zone) for row in summary["overlaps"]]),
        ("due together", "group(s)", [_collision(row, found, zone) for row in summary["collisions"]]),
    ]
    if with_notes:
        # In the list each of them stands with its tick.
        kinds.append(("odd times of day", "tick(s)", [_note(row, zone) for row in summary["notes"]]))
    for title, unit, lines in kinds:
        if lines:
            print_text(f"{title}: {len(lines)} {unit}")
            print_text("\n".join(f"  {line}" for line in lines[:_MOST_SHOWN]))
        if len(lines) > _MOST_SHOWN:
            print_text(f"  and {len(lines) - _MOST_SHOWN} more; --summary --json has all")


def _gap(row: dict[str, Any], zone: tzinfo) -> str:
    following = f"next at {in_zone(row['next_tick'], zone)}" if row["next_tick"] else "never again"
    return f"{row['job_id']}: {following}"


def _overlap(row: dict[str, Any], zone: tzinfo) -> str:
    return (
        f"{row['job_id']}: {row['ticks']} tick(s) would be skipped, the first at"
        f" {in_zone(row['first'], zone)}: 95 of 100 runs take up to {duration_of_seconds(row['p95'])}"
    )


def _collision(row: dict[str, Any], found: Coming, zone: tzinfo) -> str:
    times = "" if row["times"] == 1 else f", and {row['times'] - 1} time(s) more"
    mark = f"more than SCHEDULER_MAX_WORKERS={found.max_workers}: " if row["exceeds_max_workers"] else ""
    return f"{mark}{row['number']} jobs at {in_zone(row['first'], zone)}{times}: {', '.join(row['job_ids'])}"


def _note(row: dict[str, Any], zone: tzinfo) -> str:
    return f"{in_zone(row['tick'], zone)} {row['job_id']}: {row['note']}"
