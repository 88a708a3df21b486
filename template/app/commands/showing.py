"""Commands that show what is declared, what happened and what is to come."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from app.commands.output import AsJson, local, parse, print_json, print_table

commands = typer.Typer()


@commands.command()
def jobs(as_json: AsJson = False) -> None:
    """Show the jobs of the schedule and when they run next."""
    from app.components.scheduler.runtime.loading import load_schedule
    from app.components.scheduler.runtime.reading import job_rows

    scheduler = load_schedule()
    rows = job_rows(scheduler)
    if as_json:
        print_json(rows)
        return
    zone = scheduler.timezone
    print_table(
        f"{len(rows)} job(s), times in {zone}",
        ["id", "name", "trigger", "next run", "last outcome"],
        [
            [row["id"], row["name"], row["trigger"], _next(row, zone), row["last_state"] or "-"]
            for row in rows
        ],
    )


@commands.command()
def runs(
    limit: Annotated[int, typer.Option(min=1, max=1_000_000, help="How many to show.")] = 20,
    job: Annotated[str | None, typer.Option(help="Only those of the job with this id.")] = None,
    state: Annotated[str | None, typer.Option(help="Only those in this state.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show what ran and what was skipped, newest first."""
    from app.components.scheduler.runtime.ledger.database import Ledger
    from app.components.scheduler.runtime.reading import run_rows
    from app.components.scheduler.runtime.settings import settings

    # Not by way of the schedule: what happened can be read while that is broken.
    rows = run_rows(Ledger(settings().database_url), limit, job, state)
    if as_json:
        print_json(rows)
        return
    zone = settings().zone
    print_table(
        f"{len(rows)} run(s), newest first, times in {zone}",
        ["run", "job", "tick", "outcome", "seconds", "error"],
        [
            [
                str(row["run_id"]),
                row["job_id"],
                _tick(row, zone),
                row["state"] + (f" ({row['reason']})" if row["reason"] else ""),
                "-" if row["duration"] is None else f"{row['duration']:.3f}",
                row["error"] or "",
            ]
            for row in rows
        ],
    )


@commands.command()
def plan(
    begin: Annotated[str | None, typer.Option("--from", help="First date or time (default now).")] = None,
    end: Annotated[str | None, typer.Option("--to", help="Last, not included (default a day on).")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1_000_000, help="Show at most so many.")] = 1000,
    as_json: AsJson = False,
) -> None:
    """Show what is due between two times. Times without an offset are in the scheduler's zone."""
    from itertools import islice

    from app.components.scheduler.runtime import plan as planning
    from app.components.scheduler.runtime import ticks
    from app.components.scheduler.runtime.errors import ConfigurationError
    from app.components.scheduler.runtime.loading import load_schedule
    from app.components.scheduler.runtime.reading import iso, job_rows, schedules

    scheduler = load_schedule()
    zone = scheduler.timezone
    first = ticks.now() if begin is None else parse("--from", begin, zone)
    last = first + ticks.DAY if end is None else parse("--to", end, zone)
    if last <= first:
        raise ConfigurationError("--to must be later than --from")
    paused = {row["id"] for row in job_rows(scheduler) if row["paused"]}
    found = list(islice(planning.plan(schedules(scheduler), first, last), limit + 1))
    rows = [
        {
            "job_id": planned.job_id,
            "tick": str(iso(planned.tick)),
            "note": "; ".join(filter(None, ["paused" if planned.job_id in paused else "", planned.note])),
        }
        for planned in found[:limit]
    ]
    if len(found) > limit:
        print(f"only the first {limit} are shown; see --limit", file=sys.stderr)
    if as_json:
        print_json(rows)
        return
    print_table(
        f"{len(rows)} tick(s), times in {zone}",
        ["when", "job", "note"],
        [[local(row["tick"], zone), row["job_id"], row["note"]] for row in rows],
    )


def _next(row: dict[str, Any], zone: Any) -> str:
    if row["problem"]:
        return f"cannot run: {row['problem']}"
    if row["paused"]:
        return "paused" + (f" until {local(row['paused_until'], zone)}" if row["paused_until"] else "")
    if row["next_run"]:
        return local(row["next_run"], zone)
    return "at each start" if row["runs_at_each_start"] else "never again"


def _tick(row: dict[str, Any], zone: Any) -> str:
    if row["tick"] is None:
        return str(row["kind"])
    if "last_tick" in row:
        number = "?" if row["count"] is None else row["count"]
        return f"{local(row['tick'], zone)} to {local(row['last_tick'], zone)} ({number})"
    return local(row["tick"], zone)
