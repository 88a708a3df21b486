"""The commands of `python -m app`.

What a command needs is imported when it is called, so that `--help` is quick.
"""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from datetime import datetime

    from rich.console import Console

app = typer.Typer(
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
)
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]


def main(program: str | None = None) -> None:
    """Run a command. Exit code 2: wrong usage, settings or schedule; 1: it failed."""
    from app.components.scheduler.runtime.errors import ConfigurationError, LedgerError

    try:
        app(prog_name=program)
    except ConfigurationError as problem:
        _stop(problem, 2)
    except LedgerError as problem:
        _stop(problem, 1)
    except BrokenPipeError:
        # The reader (`| head`) has seen enough. Python would complain once more when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)


def _show_version(wanted: bool) -> None:
    if wanted:
        from app.components.scheduler.runtime.loading import versions

        print(versions())
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the versions."),
    ] = False,
) -> None:
    """Run the schedule and look at what became of it."""


@app.command()
def run() -> None:
    """Run the scheduler until it is stopped (Ctrl-C or SIGTERM)."""
    from app.components.scheduler.runtime.loading import load_schedule
    from app.components.scheduler.runtime.settings import settings
    from app.core.log import configure_logging

    chosen = settings()
    configure_logging(chosen.log_level, chosen.log_format)
    scheduler = load_schedule()

    from app.components.scheduler.runtime.service import run_until_stopped

    raise typer.Exit(run_until_stopped(scheduler))


@app.command()
def jobs(as_json: AsJson = False) -> None:
    """Show the jobs of the schedule and when they run next."""
    from app.components.scheduler.runtime.loading import load_schedule
    from app.components.scheduler.runtime.reading import job_rows

    scheduler = load_schedule()
    rows = job_rows(scheduler)
    if as_json:
        _print_json(rows)
        return
    zone = scheduler.timezone
    _print_table(
        f"{len(rows)} job(s), times in {zone}",
        ["id", "name", "trigger", "next run", "last outcome"],
        [
            [row["id"], row["name"], row["trigger"], _next(row, zone), row["last_state"] or "-"]
            for row in rows
        ],
    )


@app.command()
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
        _print_json(rows)
        return
    zone = settings().zone
    _print_table(
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


@app.command()
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
    first = ticks.now() if begin is None else _parse("--from", begin, zone)
    last = first + ticks.DAY if end is None else _parse("--to", end, zone)
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
        _print_json(rows)
        return
    _print_table(
        f"{len(rows)} tick(s), times in {zone}",
        ["when", "job", "note"],
        [[_local(row["tick"], zone), row["job_id"], row["note"]] for row in rows],
    )


@app.command()
def pause(
    job_id: str,
    note: Annotated[str | None, typer.Option(help="Why, for others.")] = None,
    until: Annotated[str | None, typer.Option(help="When it ends by itself (default never).")] = None,
) -> None:
    """Pause a job until it is resumed, over restarts too. A running scheduler obeys at its next tick."""
    from app.components.scheduler.runtime.client import SchedulerClient

    client = SchedulerClient()
    end = None if until is None else _moment("--until", until)
    changed = client.pause_job(job_id, note=note, until=end)
    print(f"{job_id} is paused" if changed else f"{job_id} was paused already")


@app.command()
def resume(job_id: str) -> None:
    """Resume a paused job. What fell into the pause is recorded, and not caught up."""
    from app.components.scheduler.runtime.client import SchedulerClient

    changed = SchedulerClient().resume_job(job_id)
    print(f"{job_id} is resumed" if changed else f"{job_id} was not paused")


@app.command()
def remove(job_id: str) -> None:
    """Remove a job that was added while running. What is in the schedule's code is removed there."""
    from app.components.scheduler.runtime.client import SchedulerClient

    SchedulerClient().remove_job(job_id)
    print(f"{job_id} is removed")


@app.command()
def migrate() -> None:
    """Upgrade the ledger to this version. A start does it too; this is for deploys and updates."""
    from app.components.scheduler.runtime.ledger.database import Ledger
    from app.components.scheduler.runtime.ledger.upgrading import migrate as upgrade
    from app.components.scheduler.runtime.settings import settings

    print(upgrade(Ledger(settings().database_url)))


def _parse(option: str, text: str, zone: Any) -> int:
    from app.components.scheduler.runtime import ticks

    return ticks.instant_in(_moment(option, text), zone)


def _moment(option: str, text: str) -> datetime:
    from datetime import datetime

    from app.components.scheduler.runtime.errors import ConfigurationError

    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigurationError(
            f"{option} {text!r} is not a date or time such as 2026-12-24 or 2026-12-24T18:00"
        ) from None
    if not 1970 <= moment.year <= 9000:
        raise ConfigurationError(f"{option} {text!r} must lie between the years 1970 and 9000")
    return moment


def _next(row: dict[str, Any], zone: Any) -> str:
    if row["problem"]:
        return f"cannot run: {row['problem']}"
    if row["paused"]:
        return "paused" + (f" until {_local(row['paused_until'], zone)}" if row["paused_until"] else "")
    if row["next_run"]:
        return _local(row["next_run"], zone)
    return "at each start" if row["runs_at_each_start"] else "never again"


def _tick(row: dict[str, Any], zone: Any) -> str:
    if row["tick"] is None:
        return str(row["kind"])
    if "last_tick" in row:
        number = "?" if row["count"] is None else row["count"]
        return f"{_local(row['tick'], zone)} to {_local(row['last_tick'], zone)} ({number})"
    return _local(row["tick"], zone)


def _local(text: str | None, zone: Any) -> str:
    from datetime import datetime

    if text is None:
        return "-"
    return f"{datetime.fromisoformat(text).astimezone(zone):%Y-%m-%d %H:%M:%S}"


def _print_json(rows: list[dict[str, Any]]) -> None:
    print(json.dumps(rows, indent=2))


def _print_table(title: str, columns: list[str], rows: list[list[str]]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        # As text, never as markup: a name or an error may hold square brackets.
        table.add_row(*(Text(_visible(cell)) for cell in row))
    _console().print(table)


def _visible(text: str) -> str:
    """Return text without what would steer the terminal."""
    return "".join(c if c.isprintable() or c == "\n" else f"\\x{ord(c):02x}" for c in text)


def _console() -> Console:
    from rich.console import Console

    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")
    return Console()


def _stop(problem: Exception, code: int) -> None:
    print(f"error: {problem}", file=sys.stderr)
    sys.exit(code)
