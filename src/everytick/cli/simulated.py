"""How a simulation is shown to people."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import tzinfo

from everytick.dryrun.simulation import JobResult, Simulation
from everytick.text.durations import duration
from everytick.text.instants import dated

from .output import print_aside
from .table import Column, print_table


def print_simulation(found: Simulation, days: int) -> None:
    """Print how each job's ticks ended, and those of them that fell into outages."""
    zone = found.zone
    print_table(
        f"{days} day(s) from {dated(found.begin, zone)}, times in {zone}",
        [
            Column("job", is_id=True),
            "ticks",
            "ran",
            "skipped",
            "lost",
            "first run",
            "last run",
            "longest without a run",
        ],
        [_row(result, zone) for result in found.jobs.values()],
    )
    if found.outages:
        print_table(
            f"{len(found.outages)} outage(s): what fell into them, and what became of it",
            [
                "from",
                "to",
                Column("job", is_id=True),
                "ticks",
                "caught up",
                "until",
                "skipped",
                "cut off",
                "begun again",
            ],
            [
                [
                    dated(cost.begin, zone),
                    dated(cost.end, zone),
                    result.job.id,
                    f"{cost.due:,}",
                    f"{cost.caught_up:,}",
                    dated(cost.caught_up_at, zone),
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
        print(f"{dated(change.tick, zone)} {zone} {change.job_id}: {change.note}")
    for result in found.jobs.values():
        for note in result.notes:
            print(f"{result.job.id}: {note}")
    problems = found.problems()
    for problem in problems:
        print_aside(f"error: {problem}")
    if not problems:
        total = sum(result.expected for result in found.jobs.values())
        print(f"The account balances: {total:,} tick(s), each with one outcome.")


def _row(result: JobResult, zone: tzinfo) -> list[str]:
    at_starts = f" + {result.at_starts} at starts" if result.at_starts else ""
    return [
        result.job.id,
        f"{result.expected:,}",
        f"{result.ran:,}{at_starts}",
        _reasons(result.skipped),
        f"{result.lost:,}",
        dated(result.first, zone),
        dated(result.last, zone),
        f"{duration(result.longest)} from {dated(result.longest_from, zone)}",
    ]


def _reasons(skipped: Mapping[str, int]) -> str:
    return ", ".join(f"{number:,} {reason}" for reason, number in sorted(skipped.items())) or "-"
