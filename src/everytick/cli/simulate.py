"""The command that tries the schedule out: a year of it, with outages, in a moment."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from .output import AsJson, local, parse, print_json, print_table

if TYPE_CHECKING:
    from datetime import tzinfo

    from everytick.dryrun.simulation import JobResult, Simulation
    from everytick.store.database import Ledger

commands = typer.Typer()

# Whoever waits for longer than this wants to know for how long.
_PATIENCE = 2.0


@commands.command()
def simulate(
    days: Annotated[int, typer.Option(min=1, max=36_600, help="For how many days.")] = 365,
    begin: Annotated[str | None, typer.Option("--from", help="First date or time (default now).")] = None,
    outage: Annotated[list[str] | None, typer.Option(help="FROM/TO: nothing is up (repeatable).")] = None,
    duration: Annotated[
        list[str] | None, typer.Option(help="JOB=SECONDS: how long a run takes (repeatable).")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Try the schedule out over a span of time, with outages. Nothing is run and nothing is written.

    Times without an offset are in the scheduler's zone.
    """
    from everytick.api.loading import load_schedule
    from everytick.dryrun import simulation
    from everytick.model import ticks
    from everytick.read.run_statistics import added_jobs

    scheduler = load_schedule()
    zone = scheduler.timezone
    first = parse("--from", begin, zone) if begin else ticks.now() // ticks.SECOND * ticks.SECOND
    last = simulation.days_later(first, days, zone)
    outages = [_outage(text, zone) for text in outage or ()]
    jobs = scheduler.get_jobs()
    declared = {job.id for job in jobs}
    jobs += added_jobs(scheduler.ledger, scheduler.defaults, declared, first, last)
    durations = _durations(scheduler.ledger, [job.id for job in jobs], duration or ())
    with _progress() as progress:
        found = simulation.simulate(
            jobs, first, last, zone, outages=outages, durations=durations, progress=progress
        )
    if as_json:
        print_json(found.as_data())
    else:
        _show(found, days)
    if found.problems():
        raise typer.Exit(1)


def _outage(text: str, zone: tzinfo) -> tuple[int, int]:
    from everytick.errors import ConfigurationError

    begin, slash, end = text.partition("/")
    if not slash:
        raise ConfigurationError(f"--outage {text!r} is not FROM/TO such as 2026-12-24T18:00/2026-12-25")
    down, up = parse("--outage", begin, zone), parse("--outage", end, zone)
    if up <= down:
        raise ConfigurationError(f"--outage {text!r} must end later than it begins")
    return down, up


def _durations(ledger: Ledger, known: Sequence[str], given: Sequence[str]) -> Mapping[str, tuple[int, str]]:
    """Return how long a run of each job takes: as given, else as the ledger knows it."""
    from everytick.errors import ConfigurationError, nearest
    from everytick.read.run_statistics import usual_durations

    found: dict[str, tuple[int, str]] = {}
    for text in given:
        # An id may hold an equals sign, a number does not.
        job_id, equals, number = text.rpartition("=")
        if not equals:
            raise ConfigurationError(f"--duration {text!r} is not JOB=SECONDS such as daily_report=90")
        if job_id not in known:
            raise ConfigurationError(
                f"--duration {text!r}: there is no job {job_id!r}{nearest(job_id, known)}"
            )
        found[job_id] = (_microseconds(text, number), "given")
    others = [job_id for job_id in known if job_id not in found]
    usual = usual_durations(ledger, others)
    return found | {job_id: (length, "ledger") for job_id, length in usual.items()}


def _microseconds(text: str, number: str) -> int:
    from everytick.errors import ConfigurationError

    try:
        seconds = float(number)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= 1e9:
        raise ConfigurationError(f"--duration {text!r}: {number!r} is not a number of seconds, 0 or more")
    return int(seconds * 1_000_000)


@contextmanager
def _progress() -> Iterator[Callable[[float], None]]:
    """Give a function that shows a bar on a terminal, as soon as somebody has to wait."""
    if not sys.stderr.isatty():
        yield lambda _done: None
        return
    from rich.console import Console
    from rich.progress import Progress

    begun = time.monotonic()
    with Progress(console=Console(stderr=True), transient=True, auto_refresh=False) as bar:
        task = bar.add_task("simulating", total=1.0, visible=False)

        def show(done: float) -> None:
            if time.monotonic() - begun > _PATIENCE:
                bar.update(task, completed=done, visible=True, refresh=True)

        yield show


def _show(found: Simulation, days: int) -> None:
    from everytick.dryrun.simulation import iso

    zone = found.zone
    print_table(
        f"{days} day(s) from {local(iso(found.begin), zone)}, times in {zone}",
        ["job", "ticks", "ran", "skipped", "lost", "first run", "last run", "longest without a run"],
        [_row(result, zone) for result in found.jobs.values()],
    )
    if found.outages:
        print_table(
            f"{len(found.outages)} outage(s): what fell into them, and what became of it",
            ["from", "to", "job", "ticks", "caught up", "until", "skipped", "cut off", "begun again"],
            [
                [
                    local(iso(cost.begin), zone),
                    local(iso(cost.end), zone),
                    result.job.id,
                    f"{cost.due:,}",
                    f"{cost.caught_up:,}",
                    local(iso(cost.caught_up_at), zone),
                    _reasons(cost.skipped),
                    str(cost.cut),
                    str(cost.begun_again),
                ]
                for number in range(len(found.outages))
                for result in found.jobs.values()
                for cost in [result.outages[number]]
                if cost.due or cost.cut
            ],
        )
    for change in found.clock_changes:
        print(f"{local(iso(change.tick), zone)} {change.job_id}: {change.note}")
    for result in found.jobs.values():
        for note in result.notes:
            print(f"{result.job.id}: {note}")
    problems = found.problems()
    for problem in problems:
        print(f"error: {problem}", file=sys.stderr)
    if not problems:
        total = sum(result.expected for result in found.jobs.values())
        print(f"The account balances: {total:,} tick(s), each with one outcome.")


def _row(result: JobResult, zone: tzinfo) -> list[str]:
    from everytick.dryrun.simulation import iso

    at_starts = f" + {result.at_starts} at starts" if result.at_starts else ""
    return [
        result.job.id,
        f"{result.expected:,}",
        f"{result.ran:,}{at_starts}",
        _reasons(result.skipped),
        f"{result.lost:,}",
        local(iso(result.first), zone),
        local(iso(result.last), zone),
        f"{_length(result.longest)} from {local(iso(result.longest_from), zone)}",
    ]


def _reasons(skipped: Mapping[str, int]) -> str:
    return ", ".join(f"{number:,} {reason}" for reason, number in sorted(skipped.items())) or "-"


def _length(microseconds: int) -> str:
    """Return a length of time in its two largest units."""
    units = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))
    left, parts = round(microseconds / 1_000_000), []
    for name, size in units:
        number, left = divmod(left, size)
        if number:
            parts.append(f"{number} {name}")
    return " ".join(parts[:2]) or f"{microseconds / 1_000_000:g} s"
