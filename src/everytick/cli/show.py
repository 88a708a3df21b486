"""Commands that show the declared jobs and their runs."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from . import plan
from .output import (
    AsJson,
    OfJob,
    RunId,
    Wide,
    declared,
    job_ids,
    parse,
    print_json,
    remark_on_ledger,
    visible,
)
from .table import Column, print_table

if TYPE_CHECKING:
    from everytick.read.runs import RunFilter

commands = typer.Typer()
commands.add_typer(plan.commands)

_MOST = 1_000_000
_LINE = "{:>8}  {:<19}  {:<24}  {:<23}  {:>9}  {}"


def _states(incomplete: str) -> list[str]:
    from everytick.read.runs import STATES

    return _beginning(incomplete, STATES)


def _orders(incomplete: str) -> list[str]:
    from everytick.read.jobs import ORDERS

    return _beginning(incomplete, ORDERS)


def _reasons(incomplete: str) -> list[str]:
    from everytick.read.runs import REASONS

    return _beginning(incomplete, REASONS)


def _beginning(incomplete: str, words: Iterable[str]) -> list[str]:
    return [word for word in words if word.startswith(incomplete)]


@commands.command()
def jobs(
    patterns: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[JOB]...", help="Only these, by id or pattern: 'sync_*'.", autocompletion=job_ids
        ),
    ] = None,
    sort: Annotated[
        str | None,
        typer.Option(
            metavar="state|next|id",
            help="By state: what fails and what is paused comes first. By next run. By id.",
            autocompletion=_orders,
        ),
    ] = None,
    wide: Wide = False,
    as_json: AsJson = False,
) -> None:
    """Show the jobs of the schedule, when they run next, and how their last runs ended."""
    from everytick.api.loading import load_schedule_for_command
    from everytick.errors import ConfigurationError, nearest
    from everytick.read.job_ids import matching
    from everytick.read.jobs import ORDERS, job_rows, sorted_rows

    from . import listed

    if sort is not None and sort not in ORDERS:
        raise ConfigurationError(f"--sort {sort!r} is none of {', '.join(ORDERS)}{nearest(sort, ORDERS)}")
    scheduler = load_schedule_for_command()
    rows = job_rows(scheduler.ledger, declared(scheduler))
    if patterns:
        meant = matching(patterns, [row["id"] for row in rows])
        rows = [row for row in rows if row["id"] in meant]
    if sort is not None:
        rows = sorted_rows(rows, sort)
    remark_on_ledger()
    if as_json:
        print_json(rows)
        return
    listed.print_jobs(rows, scheduler.timezone, wide=wide)


@commands.command()
def runs(
    limit: Annotated[
        int | None, typer.Option(min=1, max=_MOST, help="How many to show (default 20; --follow: no end).")
    ] = None,
    job: OfJob = None,
    state: Annotated[
        list[str] | None, typer.Option(help="Only those in this state.", autocompletion=_states)
    ] = None,
    reason: Annotated[
        list[str] | None, typer.Option(help="Only those skipped for this reason.", autocompletion=_reasons)
    ] = None,
    since: Annotated[str | None, typer.Option(help="Only those that ended then or later.")] = None,
    until: Annotated[str | None, typer.Option(help="Only those that ended before.")] = None,
    failed: Annotated[
        bool, typer.Option("--failed", help="Only failed, timed_out, lost and interrupted ones.")
    ] = False,
    follow: Annotated[bool, typer.Option("--follow", help="Show those to come, as they end.")] = False,
    wide: Wide = False,
    as_json: AsJson = False,
) -> None:
    """Show what ran and what was skipped, newest first. --state and --reason can be given several times.

    Times without an offset are in the scheduler's zone.
    """
    from everytick.errors import ConfigurationError
    from everytick.ledger import open_ledger
    from everytick.read.runs import FAILED, RunFilter, run_rows
    from everytick.settings import settings

    from . import listed
    from .progress import Progress

    zone = settings().zone
    states = (*(state or ()), *(FAILED if failed else ()))
    begin = None if since is None else parse("--since", since, zone)
    end = None if until is None else parse("--until", until, zone)
    if begin is not None and end is not None and end <= begin:
        raise ConfigurationError("--until must be later than --since")
    if follow:
        if end is not None:
            raise ConfigurationError("--follow shows what is to come: leave --until out")
        _follow(RunFilter(job, states, tuple(reason or ()), begin), limit, as_json)
        return
    # Not by way of the schedule: what happened can be read while that is broken.
    ledger = open_ledger()
    with Progress("looking through the ledger"):
        rows = run_rows(ledger, limit or 20, job, states, reasons=reason or (), since=begin, until=end)
    remark_on_ledger()
    if as_json:
        print_json(rows)
        return
    listed.print_runs(rows, zone, wide=wide)


def _follow(wanted: RunFilter, limit: int | None, as_json: bool) -> None:
    """Print runs as they end, a line for each, until Ctrl+C or until `limit` were printed."""
    from itertools import islice

    from everytick.ledger import open_ledger
    from everytick.read.following import follow
    from everytick.settings import settings
    from everytick.system import INTERRUPT_SIGNAL, system
    from everytick.text.durations import plain_seconds
    from everytick.text.instants import local

    from . import cells
    from .output import console

    console()
    zone = settings().zone
    if not as_json:
        print(f"runs as they end, times in {zone}")
        print(_LINE.format("run", "ended", "job", "outcome", "seconds", "error"), flush=True)
    ended = system.event()

    def end() -> None:
        ended.set()
        # An exception alone is not enough: raised in a finalizer it is swallowed.
        raise KeyboardInterrupt

    system.on_signal(INTERRUPT_SIGNAL, end)
    try:
        for row in islice(follow(open_ledger(), wanted, ended.is_set), limit):
            cell = (row["run_id"], local(row["finished_at"], zone), row["job_id"], cells.outcome(row))
            line = _LINE.format(*cell, plain_seconds(row["duration"]), row["error"] or "")
            # A row is one line, whatever its error says.
            print(json.dumps(row) if as_json else visible(" ".join(line.splitlines())).rstrip(), flush=True)
    except KeyboardInterrupt:
        # How it is meant to end.
        return


@commands.command()
def show(run_id: RunId, as_json: AsJson = False) -> None:
    """Show everything about a run: its attempts, who asked for it, what it logged."""
    from everytick.ledger import open_ledger
    from everytick.read.run_details import run_details
    from everytick.settings import settings

    from . import one_run

    found = run_details(open_ledger(), run_id)
    remark_on_ledger()
    if as_json:
        print_json(found)
    else:
        one_run.print_run(found, settings().zone)


@commands.command()
def audit(
    limit: Annotated[int, typer.Option(min=1, max=_MOST, help="How many to show.")] = 20,
    job: OfJob = None,
    as_json: AsJson = False,
) -> None:
    """Show who asked for what, newest first: pauses, runs by hand, cancellations, added and removed jobs."""
    from everytick.ledger import open_ledger
    from everytick.read.audit import audit_rows
    from everytick.settings import settings
    from everytick.text.instants import local

    rows = audit_rows(open_ledger(), limit, job)
    remark_on_ledger()
    if as_json:
        print_json(rows)
        return
    zone = settings().zone
    print_table(
        f"{len(rows)} request(s), newest first, times in {zone}",
        ["when", "who", "what", Column("job", is_id=True), "run", "note"],
        [
            [
                local(row["at"], zone),
                row["who"],
                row["action"],
                row["job_id"] or "-",
                "-" if row["run_id"] is None else str(row["run_id"]),
                row["note"] or "",
            ]
            for row in rows
        ],
    )
