"""How many runs of each job failed since an instant, and how many of its ticks were skipped for a bad reason.

The cost is that of what ended in that time, however long the history before it is. Instants are microseconds
UTC.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from everytick.model import ticks
from everytick.store.querying import ALWAYS, NO_LIMIT, Reader, among

from .retried import outcomes_before, retried_rows
from .run_filter import FAILING, RunFilter

# How many of the newest outcomes are looked at where an answer may not take long: as on pages.
LOOKED_AT = 100_000
# Why a tick was skipped that somebody may ask about. What was coalesced ran as a newer tick.
SKIPPED_BADLY = ("missed", "outage", "overlap")

TICKS_IN_ROW = "COALESCE(tick_count, CASE WHEN last_tick_us IS NOT NULL THEN 2 ELSE 1 END)"
FAILED_STATES = ", ".join(f"'{state}'" for state in FAILING)
BAD_REASONS = ", ".join(f"'{reason}'" for reason in SKIPPED_BADLY)
# The table itself, by the index scheduler_runs_ended, newest first: a view reads every column of each row. In
# a row that cannot be read the end may be text, which is above all numbers.
_NEWEST = f"""
SELECT run_id, job_id, state, reason, tick_us, last_tick_us, tick_count, finished_us FROM main.scheduler_runs
WHERE finished_us IS NOT NULL AND finished_us >= :since AND finished_us <= {ticks.FOREVER}
ORDER BY finished_us DESC LIMIT :most
"""
_COUNTED = f"""
SELECT job_id, CASE WHEN state = 'skipped' THEN reason ELSE state END AS kind,
       sum(CASE WHEN state = 'skipped' THEN {TICKS_IN_ROW} ELSE 1 END) AS number,
       max(CASE WHEN last_tick_us IS NOT NULL AND tick_count IS NULL THEN 1 ELSE 0 END) AS uncounted,
       min(CASE WHEN state = 'skipped' THEN tick_us ELSE finished_us END) AS first,
       max(CASE WHEN state = 'skipped' THEN COALESCE(last_tick_us, tick_us) ELSE finished_us END) AS last,
       max(finished_us) AS recorded
FROM ({_NEWEST}) AS newest
WHERE (state IN ({FAILED_STATES}) OR (state = 'skipped' AND reason IN ({BAD_REASONS}))) AND {{jobs}}
GROUP BY job_id, CASE WHEN state = 'skipped' THEN reason ELSE state END
"""
# From which end on all were looked at, where there are more than `most`.
_REACHED = f"SELECT finished_us FROM ({_NEWEST} OFFSET :most) AS newest LIMIT 1"


@dataclass
class Count:
    """How many runs ended in one way, or how many ticks were skipped for one reason.

    kind: a state of `FAILING`, or `missed`, `outage`, `overlap`. first, last: of runs when they ended, of
    ticks when they were due. recorded: when the last of them was written down. at_least: some ticks are not
    counted yet.
    """

    kind: str
    number: int
    first: int
    last: int
    recorded: int
    at_least: bool = False

    @property
    def state(self) -> str:
        """The state of the rows that it counts."""
        return self.kind if self.is_of_runs else "skipped"

    @property
    def is_of_runs(self) -> bool:
        """Whether it counts runs, and not ticks."""
        return self.kind in FAILING


@dataclass(frozen=True)
class Counted:
    """What went wrong since an instant, by job. complete: whether all that ended since then was looked at."""

    since: int
    complete: bool
    by_job: Mapping[str, Sequence[Count]]

    @property
    def troubled(self) -> set[str]:
        """The jobs that had more trouble than an outage, in which all jobs miss their ticks."""
        return {job_id for job_id, counts in self.by_job.items() if not is_outage_alone(counts)}


def gravest_of_a_day(connection: Reader) -> dict[str, Count]:
    """Return, by job, what was worst within a day: runs before ticks, and the most of a kind.

    Jobs to which nothing happened are left out, and those that only missed ticks in an outage.
    """
    counted = count_troubles(connection, ticks.now() - ticks.DAY, most=LOOKED_AT)

    def weight(one: Count) -> tuple[bool, bool, int]:
        return one.is_of_runs, one.kind != "outage", one.number

    return {job_id: max(counted.by_job[job_id], key=weight) for job_id in counted.troubled}


def is_outage_alone(counts: Sequence[Count]) -> bool:
    """Return whether nothing went wrong with a job but that ticks fell into an outage."""
    return bool(counts) and all(one.kind == "outage" for one in counts)


def count_troubles(
    connection: Reader, since: int, job_ids: Sequence[str] = (), most: int = NO_LIMIT
) -> Counted:
    """Return what went wrong since an instant, by job; by default of all jobs.

    `most`: how many of the newest outcomes are looked at.
    """
    reached = None if most == NO_LIMIT else connection.value(_REACHED, {"since": since, "most": most})
    # Not by the index of jobs: one walk along the ends has them all.
    those = among("job_id || ''", job_ids, "job") if job_ids else ALWAYS
    values = {"since": since, "most": most, **those.values}
    found: dict[str, dict[str, Count]] = {}
    for row in connection.rows(_COUNTED.format(jobs=those.text), values):
        # An id may be bytes, and an instant text, in a row that cannot be read.
        if isinstance(row.job_id, str) and all(isinstance(it, int) for it in (row.first, row.last)):
            one = Count(row.kind, int(row.number), row.first, row.last, row.recorded, bool(row.uncounted))
            found.setdefault(row.job_id, {})[row.kind] = one
    _add_retried(connection, found, RunFilter(states=FAILING, since=since, job_ids=job_ids))
    by_job = {job_id: list(kinds.values()) for job_id, kinds in found.items()}
    return Counted(since if reached is None else reached, reached is None, by_job)


def _add_retried(connection: Reader, found: dict[str, dict[str, Count]], wanted: RunFilter) -> None:
    """Add the runs that failed and were tried again since, or wait for that."""
    rows = retried_rows(connection, wanted)
    before = outcomes_before(connection, wanted, rows)
    for row in rows:
        attempt = before[row.run_id]
        ended = attempt.finished_us
        one = found.setdefault(row.job_id, {}).setdefault(
            attempt.state, Count(attempt.state, 0, ended, ended, ended)
        )
        one.number += 1
        one.first, one.last = min(one.first, ended), max(one.last, ended)
        one.recorded = max(one.recorded, ended)
