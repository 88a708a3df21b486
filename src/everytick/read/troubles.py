"""What went wrong since an instant, job by job, and whether it is over: what somebody asks in the morning.

Troubles that go on cost what the schedule has; those that are over cost what ended in that time, and not the
history before it. Instants are microseconds UTC, lengths microseconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from everytick.model import ticks
from everytick.settings import SchedulerSettings
from everytick.store.database import Ledger
from everytick.store.querying import NO_LIMIT, Condition, Reader, connect_checked
from everytick.text.instants import iso

from .failing import failing_job
from .in_the_way import in_the_way
from .job_ids import list_job_ids, matching, natural
from .known_job import DueJob, undeclared
from .last_runs import durations, percentile
from .long_runs import LongRun, long_runs
from .outages import Outage, affecting, outages
from .paging import Page, beginning_of
from .run_columns import error_in_list
from .run_filter import WAITING
from .runs_of_job import with_tick, without_tick
from .standings import Present, read_present
from .still_in_trouble import WELL, Still, still_in_trouble
from .trouble_counts import FAILED_STATES, Count, count_troubles

if TYPE_CHECKING:
    from . import trouble_schemas

# How many of a job's newest rows are looked at for those that succeeded since.
_SINCE = 1_000

# By the index scheduler_runs_ended.
_NEWEST_FAILURE = f"""
SELECT run_id, state, error, finished_us FROM scheduler_runs
WHERE finished_us = :ended AND job_id || '' = :job_id AND state IN ({FAILED_STATES}) LIMIT 1
"""
_RETRYING = f"""
SELECT run_id FROM scheduler_runs WHERE {WAITING} AND state = 'retrying' AND job_id || '' = :job_id LIMIT 1
"""
_SUCCEEDED_SINCE = f"""
SELECT count(*) AS number, min(finished_us) AS first
FROM ({{walk}} LIMIT {_SINCE}) AS walk
WHERE state = 'succeeded' AND finished_us > :last AND finished_us <= {ticks.FOREVER}
"""


@dataclass(frozen=True)
class InTheWay:
    """The run behind which ticks were skipped: the last of them, if others were skipped behind another one.

    took: how long it was under way; `goes_on`: so far. usual: how long half of its job's runs take at most;
    None without one. is_of_last: whether others were skipped before it began.
    """

    run_id: int
    took: int
    goes_on: bool
    usual: int | None
    is_of_last: bool


@dataclass(frozen=True)
class Failure:
    """The last run that failed."""

    run_id: int
    state: str
    error: str | None


@dataclass(frozen=True)
class Trouble:
    """What went wrong with one job.

    counts: what went wrong in the time that was asked about; empty of what goes on since before it.
    still: how the job stands that needs a look now, as `standings` names it, or `long` if a run of it goes on
    for long; empty if it does not. still_since: since when, if that is known.
    failure: the last run that failed. long: the run that goes on for long.
    well_since: when a run first succeeded behind the last trouble; None if none did yet. succeeded: how many
    did since, at most a thousand. no_success: why none did, if it is known: `removed`, its job is in force no
    longer; `retrying`, a run of it waits for its next attempt.
    """

    job_id: str
    counts: Sequence[Count]
    still: str
    still_since: int | None = None
    why: str | None = None
    failure: Failure | None = None
    in_the_way: InTheWay | None = None
    long: LongRun | None = None
    well_since: int | None = None
    succeeded: int = 0
    no_success: str = ""
    next_tick: int | None = None

    @property
    def run_id(self) -> int | None:
        """The run about which to ask first."""
        if self.failure is not None:
            return self.failure.run_id
        if self.long is not None:
            return self.long.run_id
        return None if self.in_the_way is None else self.in_the_way.run_id

    def as_json(self) -> trouble_schemas.Trouble:
        """Return it for programs."""
        failure, way = self.failure, self.in_the_way
        return {
            "job_id": self.job_id,
            "still": self.still or None,
            "still_since": iso(self.still_since),
            "why": self.why,
            "counts": [
                {
                    "kind": one.kind,
                    "number": one.number,
                    "at_least": one.at_least,
                    "first": iso(one.first),
                    "last": iso(one.last),
                }
                for one in self.counts
            ],
            "last_failure": None
            if failure is None
            else {"run_id": failure.run_id, "state": failure.state, "error": failure.error},
            "in_the_way": None
            if way is None
            else {
                "run_id": way.run_id,
                "took": way.took / ticks.SECOND,
                "goes_on": way.goes_on,
                "usual": None if way.usual is None else way.usual / ticks.SECOND,
            },
            "long_run": None if self.long is None else self.long.run_id,
            "well_since": iso(self.well_since),
            "succeeded_since": self.succeeded,
            "next_tick": iso(self.next_tick),
        }


@dataclass(frozen=True)
class Troubles:
    """What went wrong since an instant.

    jobs: those with a trouble of their own, first those that are still in trouble, then those whose last
    trouble is the newest. troubled: with how many jobs in force something went wrong in that time.
    outages: when no scheduler was running, newest last. in_outages: how many further jobs missed ticks in
    them, and are well since. complete: whether all was looked at; otherwise since `since`. scheduler: `up`,
    `stalled` or `down`. still: how many jobs are still in trouble. nobody_up: the clause that no scheduler is
    up, where one was.
    """

    since: int
    now: int
    jobs: Page[Trouble]
    troubled: int
    outages: Sequence[Outage]
    in_outages: int
    complete: bool
    still: int
    scheduler: str
    nobody_up: str = ""

    @property
    def is_any(self) -> bool:
        """Whether anything went wrong."""
        return bool(self.jobs.total or self.outages or self.in_outages)

    def as_json(self) -> trouble_schemas.Troubles:
        """Return it for programs."""
        return {
            "since": iso(self.since),
            "until": iso(self.now),
            "complete": self.complete,
            "scheduler": self.scheduler,
            "jobs": [one.as_json() for one in self.jobs.rows],
            "total": self.jobs.total,
            "in_outages_only": self.in_outages,
            "outages": [one.as_json() for one in self.outages],
        }


def troubles_in(
    ledger: Ledger, chosen: SchedulerSettings, since: int, most: int, patterns: Sequence[str] = ()
) -> Troubles:
    """Return what went wrong in a ledger since an instant; see `troubles_of`.

    Raises:
        NotFoundError: one of the patterns means no job that the ledger ever heard of.
        LedgerError: the ledger cannot be read.
    """
    if not ledger.exists():
        return Troubles(since, ticks.now(), beginning_of([], most), 0, [], 0, True, 0, "down")
    with connect_checked(ledger) as connection:
        return troubles_of(connection, chosen, since, most, patterns)


def troubles_of(
    connection: Reader,
    chosen: SchedulerSettings,
    since: int,
    most: int,
    patterns: Sequence[str] = (),
    looked_at: int = NO_LIMIT,
) -> Troubles:
    """Return what went wrong since an instant; see `read_troubles`.

    `patterns`: of the jobs that are named so, or meant by it, such as `sync_*`; without any, of all.

    Raises:
        NotFoundError: one of the patterns means no job that the ledger ever heard of.
    """
    job_ids = sorted(matching(patterns, list_job_ids(connection))) if patterns else []
    present = read_present(connection)
    long = long_runs(connection, undeclared(chosen), present.now)
    found = read_troubles(connection, present, long, since, most, job_ids, looked_at)
    is_new = present.processes.state != "down" or present.processes.last_trace is None
    return found if is_new else replace(found, nobody_up=present.processes.nobody_up(chosen.zone))


def read_troubles(
    connection: Reader,
    present: Present,
    long: Sequence[LongRun],
    since: int,
    most: int,
    job_ids: Sequence[str] = (),
    looked_at: int = NO_LIMIT,
    *,
    with_older: bool = True,
) -> Troubles:
    """Return what went wrong since an instant, and what still does.

    Args:
        present: how the jobs stand now.
        long: the runs that go on for long.
        most: of how many jobs all is told; the others are only counted.
        job_ids: of these jobs alone; without any, of all.
        looked_at: how many of the newest outcomes are looked at.
        with_older: also of jobs that are in trouble now and had none in that time.
    """
    counted = count_troubles(connection, since, job_ids, looked_at)
    still = still_in_trouble(connection, present, long, counted)
    if job_ids:
        still = {job_id: how for job_id, how in still.items() if job_id in job_ids}
    # Who asks about one job wants to know what an outage cost it, too.
    troubled = set(counted.by_job) if job_ids else counted.troubled
    wanted = troubled | set(still) if with_older else troubled
    found = [(job_id, counted.by_job.get(job_id, ())) for job_id in wanted]
    found.sort(key=lambda one: (one[0] not in still, -_newest(one[1]), natural(one[0])))
    due = {job.id: job for job in present.due}

    def told(one: tuple[str, Sequence[Count]]) -> Trouble:
        job_id, counts = one
        return _told(connection, job_id, counts, still.get(job_id, WELL), due.get(job_id), present)

    happened = outages(connection, counted.since, present.now)
    return Troubles(
        counted.since,
        present.now,
        beginning_of(found, most).of(told),
        len(troubled & set(due)),
        affecting(connection, happened, job_ids) if job_ids else happened,
        len(set(counted.by_job) - troubled - set(still)),
        counted.complete,
        len(wanted & set(still)),
        present.processes.state,
    )


def _told(
    connection: Reader,
    job_id: str,
    counts: Sequence[Count],
    still: Still,
    due: DueJob | None,
    present: Present,
) -> Trouble:
    failed = [one for one in counts if one.is_of_runs]
    skipped = next((one for one in counts if one.kind == "overlap"), None)
    failing = failing_job(connection, job_id) if still.how == "failing" else None
    failure = None
    if failing is not None:
        failure = Failure(failing.run_id, failing.state, failing.error)
        still = still._replace(since=failing.since)
    elif failed:
        failure = _last_failure(connection, job_id, max(one.recorded for one in failed))
    well_since, succeeded = (None, 0) if still.how else _well(connection, job_id, _newest(counts))
    return Trouble(
        job_id,
        sorted(counts, key=lambda one: (not one.is_of_runs, one.first)),
        still.how,
        still.since,
        still.why,
        failure,
        None if skipped is None else _in_the_way(connection, job_id, skipped, present.now),
        still.long,
        well_since,
        succeeded,
        "" if still.how or succeeded else _no_success(connection, job_id, due),
        None if due is None else due.next_tick,
    )


def _no_success(connection: Reader, job_id: str, due: DueJob | None) -> str:
    if due is None:
        return "removed"
    return "retrying" if connection.first(_RETRYING, {"job_id": job_id}) is not None else ""


def _newest(counts: Sequence[Count]) -> int:
    """Return when the last trouble was written down; 0 without one."""
    return max((one.recorded for one in counts), default=0)


def _last_failure(connection: Reader, job_id: str, ended: int) -> Failure | None:
    """Return the run of a job that failed at an instant; None if that was before it was tried again."""
    row = connection.first(_NEWEST_FAILURE, {"ended": ended, "job_id": job_id})
    if row is None:
        return None
    return Failure(row.run_id, row.state, error_in_list(row.error))


def _in_the_way(connection: Reader, job_id: str, skipped: Count, now: int) -> InTheWay | None:
    """Return the run behind which the last ticks of a job were skipped, as far as the ledger shows it."""
    those = Condition("reason = 'overlap' AND tick_us <= :last", {"last": skipped.last})
    row = with_tick(job_id).and_only(those).first(connection, "run_id, tick_us, finished_us")
    if row is None:
        return None
    held = in_the_way(connection, job_id, row.finished_us, row.tick_us, row.run_id)
    hold = next((one for one in held if one.begun is not None), None)
    if hold is None or hold.begun is None:
        return None
    usual = percentile(durations(connection, job_id), 0.5)
    return InTheWay(
        hold.row.run_id,
        (now if hold.ended is None else hold.ended) - hold.begun,
        hold.ended is None,
        None if usual is None else round(usual * ticks.SECOND),
        skipped.first < hold.begun,
    )


def _well(connection: Reader, job_id: str, last: int) -> tuple[int | None, int]:
    """Return when a run of a job first succeeded after an instant, and how many of its newest did."""
    first, number = None, 0
    for walk in (with_tick(job_id), without_tick(job_id)):
        query = _SUCCEEDED_SINCE.format(walk=walk.select("state, finished_us", "main.scheduler_runs"))
        row = connection.first(query, {**walk.where.values, "last": last})
        number += row.number
        first = min((it for it in (first, row.first) if it is not None), default=None)
    return first, number
