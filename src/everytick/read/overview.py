"""Whether all is well: what fails, is late, is paused or runs long; slots, queues, processes; the last day.

Each part costs what the schedule has now, never what the ledger has of the past: 5,000 jobs take a fraction
of a second. Instants are microseconds UTC, lengths microseconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from everytick.masking import masked
from everytick.model import ticks
from everytick.model.roles import DEFAULT_QUEUE
from everytick.settings import SchedulerSettings
from everytick.store import schema
from everytick.text.instants import iso
from everytick.text.wording import counted
from sqlalchemy import Connection, select

from . import schemas
from .endings import newest_endings
from .hourly import Hour, HourlyRuns
from .known_job import Declared, DueJob, jobs_due, jobs_named
from .last_runs import MOST_IN_A_ROW, durations, failed_in_a_row, first_failure, percentile
from .late import Late, late_jobs, runs_not_begun
from .paging import Page
from .processes import Processes, find_processes, reports
from .run_filter import FAILING
from .under_way import LISTED, count_held, held_runs

# How many of each kind are listed; the others are only counted.
_LISTED = 20
# The most characters of an error that are told.
_ERROR_LENGTH = 400
# The most runs that are looked at of those that go on.
_MOST_RUNNING = 200
# A run is long when it takes this many times as long as most, provided that enough were measured, or when
# this share of its timeout is over.
_TIMES, _ENOUGH, _SHARE = 2, 5, 0.8
# No run is long within so short a time.
_SHORT = 10 * ticks.SECOND

_runs = schema.runs.c


@dataclass(frozen=True)
class Failing:
    """A job whose newest run failed.

    in_a_row: how many of its newest runs did; `at_least` where there may be more. since: when the first of
    them failed first, whatever retries it had. run_id, state, error, ended: the newest one.
    """

    job_id: str
    since: int
    in_a_row: int
    at_least: bool
    run_id: int
    state: str
    error: str | None
    ended: int


@dataclass(frozen=True)
class CannotRun:
    """A job that was added and that a process which is up cannot load; `why` is what that process says."""

    job_id: str
    why: str


@dataclass(frozen=True)
class Paused:
    """A paused job; `until` is None unless the pause ends by itself."""

    job_id: str
    since: int
    until: int | None
    note: str | None


@dataclass(frozen=True)
class LongRun:
    """A run that goes on for longer than most of its job, or for most of its timeout.

    usual: how long 95 of 100 runs took at most; None if too few were measured. timeout: None if it has none,
    or if that is not known here.
    """

    run_id: int
    job_id: str
    started: int
    usual: int | None
    timeout: int | None


@dataclass(frozen=True)
class Queue:
    """A queue with runs that are due and wait for a free slot; `oldest` is when the first of them was due."""

    name: str
    waiting: int
    oldest: int


@dataclass(frozen=True)
class Overview:
    """The schedule at an instant. Of each list at most twenty, and how many there are.

    running: how many runs go on; slots: how many could at once in the processes that are up, if all of them
    have the setting that this process has.
    """

    now: int
    jobs: int
    cannot_run: Page[CannotRun]
    failing: Page[Failing]
    late: Page[Late]
    paused: Page[Paused]
    long: Page[LongRun]
    running: int
    slots: int
    queues: Sequence[Queue]
    hours: Sequence[Hour]
    processes: Processes
    held: Mapping[str, int]
    next_tick: int | None

    @property
    def trouble(self) -> str:
        """What has to be looked at, as a clause such as `2 jobs fail, 1 is late`; empty if all is well."""
        if self.processes.state == "down":
            return "no scheduler is up, so nothing runs"
        if self.processes.state == "stalled":
            return "the scheduler is stalled: its event loop does not answer"
        kinds = [
            (self.failing.total, "fails", "fail"),
            (self.cannot_run.total, "cannot run", "cannot run"),
            (self.late.total, "is late", "are late"),
        ]
        found = [(number, one if number == 1 else many) for number, one, many in kinds if number]
        clauses = [f"{number} {what}" for number, what in found]
        if found:
            # The noun stands in the first of them alone.
            number, what = found[0]
            clauses[0] = f"{counted(number, 'job')} {what}"
        return ", ".join(clauses)

    @property
    def sentence(self) -> str:
        """Whether all is well, in one sentence."""
        if trouble := self.trouble:
            return f"{trouble[0].upper()}{trouble[1:]}."
        if not self.jobs:
            return "There are no jobs yet."
        also = [(self.running, "running"), (self.paused.total, "paused")]
        jobs = counted(self.jobs, "job")
        return (
            ", ".join([f"All is well: {jobs}", *(f"{number:,} {what}" for number, what in also if number)])
            + "."
        )

    @property
    def is_well(self) -> bool:
        """Whether nobody has to look at anything: a pause and a long run are no trouble by themselves."""
        return not self.trouble

    def as_json(self) -> schemas.Overview:
        """Return it for programs."""
        lists = (
            ("cannot_run", self.cannot_run),
            ("failing", self.failing),
            ("late", self.late),
            ("paused", self.paused),
            ("long", self.long),
        )
        return {
            "well": self.is_well,
            "sentence": self.sentence,
            "jobs": self.jobs,
            "counts": {name: found.total for name, found in lists},
            "cannot_run": [{"job_id": one.job_id, "why": one.why} for one in self.cannot_run.rows],
            "failing": [
                {
                    "job_id": one.job_id,
                    "since": iso(one.since),
                    "in_a_row": one.in_a_row,
                    "at_least": one.at_least,
                    "run_id": one.run_id,
                    "state": one.state,
                    "error": one.error,
                    "ended_at": iso(one.ended),
                }
                for one in self.failing.rows
            ],
            "late": [
                {"job_id": one.job_id, "since": iso(one.since), "ticks": one.ticks} for one in self.late.rows
            ],
            "paused": [
                {"job_id": one.job_id, "since": iso(one.since), "until": iso(one.until), "note": one.note}
                for one in self.paused.rows
            ],
            "long": [
                {
                    "run_id": one.run_id,
                    "job_id": one.job_id,
                    "started_at": iso(one.started),
                    "usual": _seconds(one.usual),
                    "timeout": _seconds(one.timeout),
                }
                for one in self.long.rows
            ],
            "running": self.running,
            "slots": self.slots,
            "next_tick": iso(self.next_tick),
            "queues": [
                {"name": one.name, "waiting": one.waiting, "oldest_due_at": iso(one.oldest)}
                for one in self.queues
            ],
            "hours": [
                {"begin": iso(one.begin), "runs": one.runs, "failed": one.failed} for one in self.hours
            ],
        }


def read_overview(
    connection: Connection,
    declared: Declared,
    settings: SchedulerSettings,
    hourly: HourlyRuns | None = None,
    patience: float | None = None,
) -> Overview:
    """Return how the schedule stands.

    Args:
        declared: what the user's code says, or `undeclared`: then timeouts of its jobs are not known.
        hourly: keeps what it counted, for who asks often; see `HourlyRuns.read` for `patience`.
    """
    now = ticks.now()
    due, held = jobs_due(connection), count_held(connection)
    processes = find_processes(connection)
    at_work = [process for process in processes.up if process.role.runs]
    told = reports(connection)
    not_begun = runs_not_begun(connection, due, now)
    return Overview(
        now,
        len(due),
        _first([job.id for job in due if job.id in told], lambda job_id: CannotRun(job_id, told[job_id])),
        _failing(connection),
        _first(late_jobs(due, not_begun, now), lambda one: one),
        _paused(connection, due),
        _long(connection, declared, now),
        sum(row.number for row in held.rows if row.state == "running"),
        len(at_work) * settings.scheduler_max_workers,
        _queues(due, not_begun),
        (hourly or HourlyRuns()).read(connection, now, patience),
        processes,
        held.by_process(),
        min((tick for job in due if (tick := job.next_tick) is not None), default=None),
    )


def _first(found: Sequence[Any], make: Any) -> Page[Any]:
    return Page([make(one) for one in found[:_LISTED]], len(found), _LISTED, 0)


def _failing(connection: Connection) -> Page[Failing]:
    """Return the jobs that fail, those first that failed last."""
    failed = [row for row in newest_endings(connection).values() if row.state in FAILING]
    failed.sort(key=lambda row: -row.finished_us)
    errors = _errors(connection, [row.run_id for row in failed[:_LISTED]])

    def failing(newest: Any) -> Failing:
        row = failed_in_a_row(connection, newest.job_id)
        # A run by hand that failed stands before the ticks, or is all that there is.
        number = len(row) + (newest.run_id not in {one.run_id for one in row})
        since = min([newest.finished_us, *(first_failure(connection, it) for it in row[-1:])])
        return Failing(
            newest.job_id,
            since,
            number,
            len(row) >= MOST_IN_A_ROW,
            newest.run_id,
            newest.state,
            errors.get(newest.run_id),
            newest.finished_us,
        )

    return _first(failed, failing)


def _errors(connection: Connection, run_ids: list[int]) -> dict[int, str]:
    """Return the beginnings of the errors of a few runs, by their numbers."""
    query = select(*LISTED).where(_runs.run_id.in_(run_ids), _runs.error.is_not(None))
    return {row.run_id: row.error[:_ERROR_LENGTH] for row in connection.execute(query)}


def _paused(connection: Connection, due: Iterable[DueJob]) -> Page[Paused]:
    """Return the paused jobs, those first that were paused last."""
    found = sorted((job for job in due if job.paused), key=lambda job: -job.row.paused_us)
    rows = jobs_named(connection, {job.id for job in found[:_LISTED]})

    def paused(job: DueJob) -> Paused:
        note = rows[job.id].row.pause_note if job.id in rows else None
        return Paused(
            job.id, job.row.paused_us, job.row.paused_until_us, None if note is None else masked(note)
        )

    return _first(found, paused)


def _long(connection: Connection, declared: Declared, now: int) -> Page[LongRun]:
    """Return the runs that go on for long, those first that began first."""
    running = [run for run in held_runs(connection, _MOST_RUNNING) if run.state == "running"]
    running = [run for run in running if now - run.started_us > _SHORT]
    limits = _limits(connection, {run.job_id for run in running}, declared)
    found = []
    for run in running:
        usual, timeout = limits.get(run.job_id, (None, None))
        took = now - run.started_us
        if (usual is not None and took > _TIMES * usual) or (timeout is not None and took > _SHARE * timeout):
            found.append(LongRun(run.run_id, run.job_id, run.started_us, usual, timeout))
    return _first(sorted(found, key=lambda run: run.started), lambda run: run)


def _limits(
    connection: Connection, job_ids: set[str], declared: Declared
) -> dict[str, tuple[int | None, int | None]]:
    """Return, by job, how long its runs take at most as a rule, and its timeout."""
    found = {}
    for job_id, job in jobs_named(connection, job_ids).items():
        lengths = durations(connection, job_id)
        usual = percentile(lengths, 0.95) if len(lengths) >= _ENOUGH else None
        options = job.options(declared)
        timeout = None if options is None else options.timeout
        found[job_id] = (_microseconds(usual), _microseconds(timeout))
    return found


def _seconds(length: int | None) -> float | None:
    return None if length is None else length / ticks.SECOND


def _microseconds(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * ticks.SECOND)


def _queues(due: Iterable[DueJob], not_begun: Iterable[tuple[str, int]]) -> list[Queue]:
    """Return the queues in which something waits that is due, by name."""
    names = {job.id: job.row.queue or DEFAULT_QUEUE for job in due}
    waiting: dict[str, list[int]] = {}
    for job_id, since in not_begun:
        waiting.setdefault(names.get(job_id, DEFAULT_QUEUE), []).append(since)
    return [Queue(name, len(found), min(found)) for name, found in sorted(waiting.items())]
