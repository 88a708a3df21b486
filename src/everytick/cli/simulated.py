"""How a simulation is shown to people."""

from __future__ import annotations

from collections.abc import Mapping

from everytick.dryrun.simulation import Simulation
from everytick.text.durations import duration
from everytick.text.instants import dated
from everytick.text.wording import counted

from .colours import TIME
from .output import print_aside
from .table import Column, print_sentence, print_table


def print_simulation(found: Simulation, days: int) -> None:
    """Print how each job's ticks ended, and those of them that fell into outages."""
    zone = found.zone
    _print_jobs(found, days)
    for number, outage in enumerate(found.outages):
        _print_outage(found, number, outage)
    _print_backfills(found)
    job_ids = [result.job.id for result in found.jobs.values()]
    for change in found.clock_changes:
        print_sentence(f"{dated(change.tick, zone)} {zone} {change.job_id}: {change.note}", job_ids, indent=2)
    for result in found.jobs.values():
        for note in result.notes:
            print_sentence(f"{result.job.id}: {note}", job_ids, indent=2)
    for backfill in found.backfills:
        for note in backfill.notes:
            print_sentence(f"backfill {backfill.number}: {note}", [backfill.job_id], indent=2)
    problems = found.problems()
    for problem in problems:
        print_aside(f"error: {problem}")
    if not problems:
        total = sum(result.expected for result in found.jobs.values())
        print_sentence(f"The account balances: {counted(total, 'tick')}, each with one outcome.")


def _print_jobs(found: Simulation, days: int) -> None:
    zone = found.zone
    print_table(
        f"{counted(days, 'day')} from {dated(found.begin, zone)}, times in {zone}",
        [
            Column("job", is_id=True),
            Column("ticks", is_whole=True),
            Column("ran", is_whole=True),
            # Where there is nothing to say the column is not there.
            Column("at starts", is_whole=True, left_out=1),
            Column("skipped"),
            Column("lost", is_whole=True, left_out=2),
            Column("replaced", is_whole=True, left_out=2),
            Column("longest gap", is_whole=True),
            Column("gap from", is_whole=True, left_out=3, style=TIME),
            Column("first run", is_whole=True, left_out=4, style=TIME),
            Column("last run", is_whole=True, left_out=5, style=TIME),
        ],
        [
            [
                result.job.id,
                f"{result.expected:,}",
                f"{result.ran:,}",
                _some(result.at_starts),
                _reasons(result.skipped),
                _some(result.lost),
                _some(result.replaced),
                duration(result.longest),
                dated(result.longest_from, zone),
                dated(result.first, zone),
                dated(result.last, zone),
            ]
            for result in found.jobs.values()
        ],
    )


def _print_backfills(found: Simulation) -> None:
    """Print what becomes of the backfills that go on, beside the ticks of their jobs."""
    if not found.backfills:
        return
    zone = found.zone
    print_table(
        "backfills that go on, beside these ticks",
        [
            Column("backfill", is_whole=True),
            Column("job", is_id=True),
            Column("runs", is_whole=True),
            Column("ran", is_whole=True),
            Column("lost", is_whole=True, left_out=2),
            Column("still to come", is_whole=True, left_out=1),
            Column("cut off", is_whole=True, left_out=3),
            Column("begun again", is_whole=True, left_out=3),
            Column("over", is_whole=True, style=TIME),
        ],
        [
            [
                str(it.number),
                it.job_id,
                f"{it.runs:,}",
                f"{it.ran:,}",
                _some(it.lost),
                _some(it.left),
                _some(it.cut),
                _some(it.begun_again),
                dated(it.ended, zone) if it.ended is not None else "not by then",
            ]
            for it in found.backfills
        ],
    )


def _print_outage(found: Simulation, number: int, outage: tuple[int, int]) -> None:
    """Print what fell into one outage, and what became of it."""
    zone = found.zone
    costs = [(result.job.id, result.outages[number]) for result in found.jobs.values()]
    begin, end = outage
    print_table(
        f"outage from {dated(begin, zone)} to {dated(end, zone)}",
        [
            Column("job", is_id=True),
            Column("ticks", is_whole=True),
            Column("caught up", is_whole=True),
            Column("until", is_whole=True, style=TIME),
            Column("skipped"),
            Column("cut off", is_whole=True, left_out=1),
            Column("begun again", is_whole=True, left_out=1),
        ],
        [
            [
                job_id,
                f"{cost.due:,}",
                f"{cost.caught_up:,}",
                dated(cost.caught_up_at, zone),
                _reasons(cost.skipped),
                _some(cost.cut),
                _some(cost.begun_again),
            ]
            for job_id, cost in costs
            if cost.due or cost.cut
        ],
    )


def _some(number: int) -> str:
    return f"{number:,}" if number else ""


def _reasons(skipped: Mapping[str, int]) -> str:
    return ", ".join(f"{number:,} {reason}" for reason, number in sorted(skipped.items())) or "-"
