"""Which jobs are in trouble now, and how: of several troubles of one job the gravest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from everytick.store.querying import Reader

from .long_runs import LongRun
from .standings import Present
from .trouble_counts import Counted
from .under_way import held_runs

# The most runs under way that are looked at for those behind which ticks were skipped.
_MOST_HELD = 1_000


class Still(NamedTuple):
    """How a job stands now, as `troubles.Trouble` has it."""

    how: str
    since: int | None = None
    long: LongRun | None = None
    why: str | None = None


WELL = Still("")


def still_in_trouble(
    connection: Reader, present: Present, long: Sequence[LongRun], counted: Counted
) -> dict[str, Still]:
    """Return the jobs that are in trouble now; of several troubles of one job the gravest."""
    found: dict[str, Still] = {}
    for run in [*long, *_in_the_way_now(connection, counted, long)]:
        found.setdefault(run.job_id, Still("long", run.started, run))
    found |= {one.job_id: Still("missed", one.tick, why=one.why) for one in present.missed}
    if present.processes.state == "up":
        # Where none is up all jobs are late, and that is the reason.
        found |= {
            one.job_id: Still("late", one.since, why=one.waits_for and f"waiting for {one.waits_for}")
            for one in present.late
        }
    found |= {job_id: Still("failing", row.finished_us) for job_id, row in present.failing.items()}
    return found | {job_id: Still("cannot run", why=why) for job_id, why in present.cannot_run.items()}


def _in_the_way_now(connection: Reader, counted: Counted, long: Sequence[LongRun]) -> Iterator[LongRun]:
    """Yield the runs that go on, and behind which ticks were skipped."""
    skipped = {
        job_id: one.recorded
        for job_id, counts in counted.by_job.items()
        for one in counts
        if one.kind == "overlap"
    }
    known = {run.run_id for run in long}
    for row in held_runs(connection, _MOST_HELD) if skipped else ():
        is_new = row.state == "running" and row.run_id not in known and row.kind != "backfill"
        if is_new and row.started_us <= skipped.get(row.job_id, 0):
            yield LongRun(row.run_id, row.job_id, row.started_us, None, None)
