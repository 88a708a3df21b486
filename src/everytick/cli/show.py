"""Commands that show the declared jobs and their runs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from . import completion
from .arguments import AsJson, Follow, Limit, OfJob, OfJobs, Since, Until, Wide, span
from .colours import ID, TIME
from .outages import print_below_jobs, print_below_runs
from .output import print_json, remark_on_ledger
from .table import Column, print_sentence, print_table

if TYPE_CHECKING:
    from everytick.read.run_filter import RunFilter
    from everytick.read.schemas import RunRow

commands = typer.Typer()


@commands.command()
def jobs(
    patterns: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="JOB",
            help="Only these, by id or pattern: 'sync_*'.",
            autocompletion=completion.job_ids,
        ),
    ] = None,
    sort: Annotated[
        str,
        typer.Option(
            metavar="state|next|id",
            help="By state: what fails, is late, missed or paused comes first. By next run. By id.",
            autocompletion=completion.orders,
        ),
    ] = "state",
    wide: Wide = False,
    as_json: AsJson = False,
) -> None:
    """Show the jobs: when they run next, and how they went."""
    from everytick.api.loading import declared, load_schedule_for_command
    from everytick.errors import ConfigurationError, nearest
    from everytick.read.job_ids import matching
    from everytick.read.jobs import job_rows, late_by_id, sorted_rows
    from everytick.read.not_in_force import not_in_force
    from everytick.read.standings import ORDERS
    from everytick.read.trouble_words import worst_of_a_day

    from . import listed

    if sort not in ORDERS:
        raise ConfigurationError(f"--sort {sort!r} is none of {', '.join(ORDERS)}{nearest(sort, ORDERS)}")
    scheduler = load_schedule_for_command()
    rows = job_rows(scheduler.ledger, declared(scheduler), scheduler.settings.job_filter)
    if patterns:
        meant = matching(patterns, [row["id"] for row in rows])
        rows = [row for row in rows if row["id"] in meant]
    rows = sorted_rows(scheduler.ledger, rows, sort)
    remark_on_ledger()
    if as_json:
        print_json(rows)
        return
    late = late_by_id(scheduler.ledger)
    gravest = worst_of_a_day(scheduler.ledger, {row["id"]: row["last_outcomes"] for row in rows})
    listed.print_jobs(rows, late, gravest, scheduler.timezone, wide=wide)
    print_below_jobs(scheduler.ledger, scheduler.timezone, {row["id"] for row in rows})
    for sentence in not_in_force(scheduler.ledger, declared(scheduler), scheduler.settings.job_filter):
        print_sentence(sentence)


@commands.command()
def runs(
    limit: Limit = None,
    job: OfJobs = None,
    state: Annotated[
        list[str] | None,
        typer.Option(metavar="STATE", help="Only those in this state.", autocompletion=completion.states),
    ] = None,
    reason: Annotated[
        list[str] | None,
        typer.Option(
            metavar="REASON", help="Only those skipped for this reason.", autocompletion=completion.reasons
        ),
    ] = None,
    since: Since = None,
    until: Until = None,
    failed: Annotated[
        bool, typer.Option("--failed", help="Only failed, timed_out, lost and interrupted ones.")
    ] = False,
    missed: Annotated[
        bool, typer.Option("--missed", help="Only ticks for which no scheduler was up, or free in time.")
    ] = False,
    error: Annotated[
        str, typer.Option(metavar="TEXT", help="Only those with this text in their error.")
    ] = "",
    follow: Follow = False,
    wide: Wide = False,
    as_json: AsJson = False,
) -> None:
    """Show what ran and what was skipped, newest first.

    Below it stands when no scheduler was running within that time.

    --state and --reason can be given several times. Times without an offset are in the scheduler's zone.
    """
    from dataclasses import replace

    from everytick.errors import ConfigurationError
    from everytick.ledger import open_ledger
    from everytick.read.chosen import of_jobs
    from everytick.read.run_filter import FAILED, MISSED
    from everytick.read.runs import run_rows
    from everytick.settings import settings

    from . import listed
    from .progress import Progress

    zone = settings().zone
    states = (*(state or ()), *(FAILED if failed else ()))
    begin, end = span(since, until, zone)
    reasons = (*(reason or ()), *(MISSED if missed else ()))
    # Not by way of the schedule: what happened can be read while that is broken.
    ledger = open_ledger()
    wanted = replace(
        of_jobs(ledger, job or ()), states=states, reasons=reasons, since=begin, until=end, error=error
    )
    if follow:
        if end is not None:
            raise ConfigurationError("--follow shows what is to come: leave --until out")
        _follow(wanted, limit, as_json)
        return
    number = limit or 20
    with Progress("looking through the ledger"):
        # One more than is shown: it tells whether there are more.
        rows = run_rows(ledger, number + 1, wanted)
    remark_on_ledger()
    if as_json:
        print_json(rows[:number])
        return
    listed.print_runs(rows, number, zone, wide=wide)
    if begin is not None or end is not None:
        listed.print_retried(rows)
    # Who asks for reasons has the ticks themselves in the list.
    shown_since = begin if begin is not None else listed.oldest(rows[:number], end)
    of = wanted.job_ids if wanted.job_id is None else (wanted.job_id,)
    print_below_runs(ledger, zone, shown_since, end, of, outages=not reasons)


def _follow(wanted: RunFilter, limit: int | None, as_json: bool) -> None:
    """Print runs as they end, a line for each, until Ctrl+C or until `limit` were printed."""
    from itertools import islice

    from everytick.ledger import open_ledger
    from everytick.read.following import follow
    from everytick.settings import settings

    from . import listed
    from .following import until_ctrl_c

    zone = settings().zone
    if not as_json:
        listed.print_ended_head(zone)

    def tell(row: RunRow) -> bool:
        if as_json:
            print(json.dumps(row), flush=True)
        else:
            listed.print_ended(row, zone)
        return True

    until_ctrl_c(lambda is_over: islice(follow(open_ledger(), wanted, is_over), limit), tell)


@commands.command()
def audit(
    limit: Limit = None,
    job: OfJob = None,
    as_json: AsJson = False,
) -> None:
    """Show who asked for what, newest first.

    Pauses, runs by hand, retries, cancellations, added and removed jobs.
    """
    from everytick.ledger import open_ledger
    from everytick.read.audit import audit_rows
    from everytick.settings import settings
    from everytick.text.instants import local

    from . import listed

    number = limit or 20
    # One more than is shown: it tells whether there are more.
    rows = audit_rows(open_ledger(), number + 1, job)
    remark_on_ledger()
    if as_json:
        print_json(rows[:number])
        return
    zone = settings().zone
    print_table(
        f"{listed.newest(rows, number, 'request')}, times in {zone}",
        [
            Column("when", is_whole=True, style=TIME),
            "who",
            "what",
            Column("job", is_id=True),
            Column("run", is_whole=True, style=ID),
            "note",
        ],
        [
            [
                local(row["at"], zone),
                row["who"],
                row["action"],
                row["job_id"] or "-",
                "-" if row["run_id"] is None else str(row["run_id"]),
                row["note"] or "",
            ]
            for row in rows[:number]
        ],
    )
