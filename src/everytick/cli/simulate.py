"""The command that tries the schedule out: a year of it, with outages, in a moment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from .arguments import AsJson, From, instant, number_from
from .output import print_json

if TYPE_CHECKING:
    from datetime import tzinfo

    from everytick.store.database import Ledger

commands = typer.Typer()


@commands.command()
def simulate(
    days: Annotated[
        int, typer.Option(parser=number_from("--days", 1, 36_600), metavar="N", help="For how many days.")
    ] = 365,
    begin: From = None,
    outage: Annotated[
        list[str] | None, typer.Option(metavar="FROM/TO", help="Nothing is up (repeatable).")
    ] = None,
    duration: Annotated[
        list[str] | None, typer.Option(metavar="JOB=SECONDS", help="How long a run takes (repeatable).")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Try the schedule out over a span of time, with outages.

    Nothing is run and nothing is written. Times without an offset are in the scheduler's zone.
    """
    from everytick.api.loading import declared, load_schedule_for_command
    from everytick.dryrun import simulation
    from everytick.model import ticks
    from everytick.read.backfills import unfinished_backfills
    from everytick.read.jobs import added_jobs

    from . import simulated
    from .progress import Progress

    scheduler = load_schedule_for_command()
    zone = scheduler.timezone
    first = (
        instant("--from", begin, zone, ahead=True) if begin else ticks.now() // ticks.SECOND * ticks.SECOND
    )
    last = simulation.days_later(first, days, zone)
    outages = [_outage(text, zone) for text in outage or ()]
    in_code = declared(scheduler)
    backfills = unfinished_backfills(scheduler.ledger)
    filled = {one.backfill.wanted.job_id for one in backfills}
    jobs = [*in_code.jobs, *added_jobs(scheduler.ledger, in_code, first, last, also=filled)]
    durations = _durations(scheduler.ledger, [job.id for job in jobs], duration or ())
    with Progress("simulating") as progress:
        found = simulation.simulate(
            *(jobs, first, last, zone),
            outages=outages,
            durations=durations,
            group_limits=scheduler.settings.group_limits,
            backfills=backfills,
            job_filter=scheduler.settings.job_filter,
            progress=progress.at,
        )
    if as_json:
        print_json(found.as_data())
    else:
        simulated.print_simulation(found, days)
    if found.problems():
        raise typer.Exit(1)


def _outage(text: str, zone: tzinfo) -> tuple[int, int]:
    from everytick.errors import ConfigurationError

    begin, slash, end = text.partition("/")
    if not slash:
        raise ConfigurationError(f"--outage {text!r} is not FROM/TO such as 2026-12-24T18:00/2026-12-25")
    down, up = (instant("--outage", time, zone, ahead=True) for time in (begin, end))
    if up <= down:
        raise ConfigurationError(f"--outage {text!r} must end later than it begins")
    return down, up


def _durations(ledger: Ledger, known: Sequence[str], given: Sequence[str]) -> Mapping[str, tuple[int, str]]:
    """Return how long a run of each job takes: as given, else as the ledger knows it."""
    from everytick.errors import ConfigurationError
    from everytick.read.last_runs import usual_durations
    from everytick.text.wording import no_job

    durations_by_job: dict[str, tuple[int, str]] = {}
    for text in given:
        # An id may hold an equals sign, a number does not.
        job_id, equals, number = text.rpartition("=")
        if not equals:
            raise ConfigurationError(f"--duration {text!r} is not JOB=SECONDS such as daily_report=90")
        if job_id not in known:
            raise ConfigurationError(f"--duration {text!r}: {no_job(job_id, known)}")
        durations_by_job[job_id] = (_microseconds(text, number), "given")
    others = [job_id for job_id in known if job_id not in durations_by_job]
    usual = usual_durations(ledger, others)
    return durations_by_job | {job_id: (length, "ledger") for job_id, length in usual.items()}


def _microseconds(text: str, number: str) -> int:
    from everytick.errors import ConfigurationError

    try:
        seconds = float(number)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= 1e9:
        raise ConfigurationError(f"--duration {text!r}: {number!r} is not a number of seconds, 0 or more")
    return int(seconds * 1_000_000)
