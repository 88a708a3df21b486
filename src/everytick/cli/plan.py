"""The command that shows what is to come."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .output import AsJson, OfJob, local, parse, print_json, print_table, print_text

if TYPE_CHECKING:
    from everytick.read import Coming

commands = typer.Typer()

_MOST = 1_000_000
# More lines of the same kind are not read by anybody; --summary --json has them all.
_MOST_SHOWN = 10


@commands.command()
def plan(
    begin: Annotated[str | None, typer.Option("--from", help="First date or time (default now).")] = None,
    end: Annotated[str | None, typer.Option("--to", help="End, not included (default a day on).")] = None,
    days: Annotated[
        int | None, typer.Option(min=1, max=36_600, help="Instead of --to: so many days on.")
    ] = None,
    job: OfJob = None,
    limit: Annotated[
        int | None,
        typer.Option(
            min=1, max=_MOST, help="Go through at most so many (default 1000; --summary: a million)."
        ),
    ] = None,
    summary: Annotated[
        bool, typer.Option("--summary", help="Do not list the ticks, only what they mean together.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show what is due between two times. Times without an offset are in the scheduler's zone."""
    from everytick.api.loading import load_schedule
    from everytick.read import coming

    from .progress import Patience

    scheduler = load_schedule()
    zone = scheduler.timezone
    first, last = _span(begin, end, days, zone)
    most = limit or (_MOST if summary else 1000)
    with Patience("reckoning the plan") as patience:
        found = coming(scheduler, first, last, most, job, keep=not summary, progress=patience.at)
    if found.is_cut:
        print(f"only the first {found.number} are shown; see --limit", file=sys.stderr)
    if as_json:
        print_json(found.summary() if summary else found.ticks)
        return
    if summary:
        _print_loads(found, zone)
    else:
        print_table(
            f"{found.number} tick(s), times in {zone}",
            ["when", "job", "note"],
            [[local(row["tick"], zone), row["job_id"], row["note"]] for row in found.ticks],
        )
    _print_findings(found, zone, with_notes=summary)


def _span(begin: str | None, end: str | None, days: int | None, zone: Any) -> tuple[int, int]:
    """Return the first instant and the one that ends the plan; days are those of the zone's calendar."""
    from datetime import timedelta

    from everytick.errors import ConfigurationError
    from everytick.model import ticks

    if end is not None and days is not None:
        raise ConfigurationError("give either --to or --days")
    first = ticks.now() if begin is None else parse("--from", begin, zone)
    if days is not None:
        wall = ticks.moment(first, zone).replace(tzinfo=None) + timedelta(days=days)
        return first, ticks.instant_in(wall, zone)
    last = first + ticks.DAY if end is None else parse("--to", end, zone)
    if last <= first:
        raise ConfigurationError("--to must be later than --from")
    return first, last


def _print_loads(found: Coming, zone: Any) -> None:
    print_table(
        f"{found.number} tick(s), times in {zone}",
        ["job", "ticks", "first", "last"],
        [
            [row["job_id"], str(row["ticks"]), local(row["first"], zone), local(row["last"], zone)]
            for row in found.summary()["jobs"]
        ],
    )


def _print_findings(found: Coming, zone: Any, *, with_notes: bool) -> None:
    said = found.summary()
    kinds: list[tuple[str, str, list[str]]] = [
        ("no tick in this time", "job(s)", [_gap(row, zone) for row in said["gaps"]]),
        ("due while the run before goes on", "job(s)", [_overlap(row, zone) for row in said["overlaps"]]),
        ("due together", "group(s)", [_collision(row, found, zone) for row in said["collisions"]]),
    ]
    if with_notes:
        # In the list each of them stands with its tick.
        kinds.append(("odd times of day", "tick(s)", [_note(row, zone) for row in said["notes"]]))
    for title, unit, lines in kinds:
        if lines:
            print_text(f"{title}: {len(lines)} {unit}")
            print_text("\n".join(f"  {line}" for line in lines[:_MOST_SHOWN]))
        if len(lines) > _MOST_SHOWN:
            print_text(f"  and {len(lines) - _MOST_SHOWN} more; --summary --json has all")


def _gap(row: dict[str, Any], zone: Any) -> str:
    following = f"next at {local(row['next_tick'], zone)}" if row["next_tick"] else "never again"
    return f"{row['job_id']}: {following}"


def _overlap(row: dict[str, Any], zone: Any) -> str:
    return (
        f"{row['job_id']}: {row['ticks']} tick(s) would be skipped, the first at {local(row['first'], zone)}:"
        f" 95 of 100 runs take up to {row['p95']:.3f} s"
    )


def _collision(row: dict[str, Any], found: Coming, zone: Any) -> str:
    times = "" if row["times"] == 1 else f", and {row['times'] - 1} time(s) more"
    mark = f"more than SCHEDULER_MAX_WORKERS={found.max_workers}: " if row["exceeds_max_workers"] else ""
    return f"{mark}{row['number']} jobs at {local(row['first'], zone)}{times}: {', '.join(row['job_ids'])}"


def _note(row: dict[str, Any], zone: Any) -> str:
    return f"{local(row['tick'], zone)} {row['job_id']}: {row['note']}"
