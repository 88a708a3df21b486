"""The command that shows the coming ticks."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from .arguments import MOST, AsJson, From, OfJob, instant, limit_option, number_from
from .output import print_aside, print_json

commands = typer.Typer()

_MOST_IN_JSON = 1_000
# A job of each second and others, for two days: some seconds of work.
_MOST_TO_FOLD = 200_000


@commands.command()
def plan(
    begin: From = None,
    end: Annotated[
        str | None, typer.Option("--to", metavar="TIME", help="End, not included (default a day on).")
    ] = None,
    days: Annotated[
        int | None,
        typer.Option(
            parser=number_from("--days", 1, 36_600),
            metavar="N",
            help="Instead of --to: for this many days.",
        ),
    ] = None,
    job: OfJob = None,
    limit: Annotated[
        int | None,
        limit_option(
            "Go through at most this many, and list each (200000; --json 1000; --summary a million)."
        ),
    ] = None,
    summary: Annotated[
        bool, typer.Option("--summary", help="Do not list the ticks, only what they mean together.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show what is due between two times.

    Times without an offset are in the scheduler's zone.

    Jobs that are due very often have one line, the ticks of the others one each, unless --limit is given.
    """
    from everytick.api.loading import declared, load_schedule_for_command
    from everytick.read.coming import coming

    from . import planned
    from .progress import Progress

    scheduler = load_schedule_for_command()
    zone = scheduler.timezone
    first, last = _span(begin, end, days, zone)
    most = limit or (MOST if summary else _MOST_IN_JSON if as_json else _MOST_TO_FOLD)
    with Progress("computing the plan") as progress:
        found = coming(
            scheduler.ledger,
            declared(scheduler),
            first,
            last,
            most,
            job,
            max_workers=scheduler.settings.scheduler_max_workers,
            group_limits=scheduler.settings.group_limits,
            keep=not summary,
            most_listed=None if as_json or limit else planned.MOST_LISTED,
            progress=progress.at,
        )
    if found.is_cut:
        print_aside(f"only the first {found.number:,} were gone through; see --limit")
    if as_json:
        print_json(found.summary() if summary else found.ticks)
        return
    planned.print_plan(found, zone, summary=summary, in_full=limit is not None)


def _span(begin: str | None, end: str | None, days: int | None, zone: Any) -> tuple[int, int]:
    """Return the first instant and the one that ends the plan; days are those of the zone's calendar."""
    from datetime import timedelta

    from everytick.errors import ConfigurationError
    from everytick.model import ticks

    if end is not None and days is not None:
        raise ConfigurationError("give either --to or --days")
    first = ticks.now() if begin is None else instant("--from", begin, zone, ahead=True)
    if days is not None:
        wall = ticks.moment(first, zone).replace(tzinfo=None) + timedelta(days=days)
        return first, ticks.instant_in(wall, zone)
    last = first + ticks.DAY if end is None else instant("--to", end, zone, ahead=True)
    if last <= first:
        raise ConfigurationError("--to must be later than --from")
    return first, last
