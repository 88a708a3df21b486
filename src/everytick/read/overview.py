"""Whether all is well: what fails, is late, is paused or runs long; slots, queues, processes; the last day.

Each part costs what the schedule has now, never what the ledger has of the past: 5,000 jobs take a fraction
of a second. Instants are microseconds UTC, lengths microseconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from everytick.masking import masked
from everytick.model.roles import DEFAULT_QUEUE
from everytick.settings import SchedulerSettings
from everytick.store.not_begun import NotBegun
from everytick.store.querying import Reader
from everytick.text.instants import iso
from everytick.text.wording import counted

from .failing import Failing, failing_jobs
from .hourly import HourlyRuns, LastDay
from .known_job import Declared, DueJob, jobs_named
from .late import Late, queues_of
from .long_runs import LongRun, long_runs
from .missed import Missed
from .paging import Page, beginning_of
from .processes import Processes
from .standings import read_present
from .trouble_counts import LOOKED_AT
from .troubles import Troubles, read_troubles
from .under_way import count_held

if TYPE_CHECKING:
    from . import trouble_schemas

# How many of each kind are listed; the others are only counted.
_LISTED = 20


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
class Queue:
    """A queue with runs that are due and wait for a free slot; `oldest` is when the first of them was due."""

    name: str
    waiting: int
    oldest: int


class Clause(NamedTuple):
    """A part of a sentence, behind another one with `joint` between them.

    standing: how those stand that it counts; empty if it counts none.
    """

    words: str
    standing: str = ""
    joint: str = ", "


@dataclass(frozen=True)
class Overview:
    """The schedule at an instant. Of each list at most twenty, and how many there are.

    gone_wrong: what went wrong in the last day, whether it is over or not. running: how many runs go on;
    slots: how many could at once in the processes that are up, if all of them have the setting that this
    process has.
    """

    now: int
    jobs: int
    cannot_run: Page[CannotRun]
    failing: Page[Failing]
    late: Page[Late]
    missed: Page[Missed]
    paused: Page[Paused]
    long: Page[LongRun]
    running: int
    slots: int
    queues: Sequence[Queue]
    day: LastDay
    gone_wrong: Troubles
    processes: Processes
    held: Mapping[str, int]
    next_tick: int | None

    @property
    def troubles(self) -> list[Clause]:
        """What has to be looked at, such as `2 jobs fail` and `1 is late`; empty if all is well."""
        if self.processes.state == "down":
            return [Clause("No scheduler is up, so nothing runs")]
        if self.processes.state == "stalled":
            return [Clause("The scheduler is stalled: its event loop does not answer")]
        kinds = [
            (self.failing.total, "fails", "fail", "failing"),
            (self.cannot_run.total, "cannot run", "cannot run", "cannot run"),
            (self.late.total, "is late", "are late", "late"),
            (self.missed.total, "missed its last tick", "missed their last tick", "missed"),
        ]
        found: list[Clause] = []
        for number, one, many, standing in kinds:
            if number:
                # The noun stands in the first of them alone.
                what = f"{number:,} " if found else f"{counted(number, 'job')} "
                found.append(Clause(what + (one if number == 1 else many), standing))
        return found

    @property
    def clauses(self) -> list[Clause]:
        """Whether all is well, in the clauses of one sentence."""
        if self.troubles:
            return self.troubles
        if not self.jobs:
            return [Clause("There are no jobs yet")]
        if self.gone_wrong.troubled or self.gone_wrong.outages:
            return [Clause("All is well now"), self._gone_wrong]
        found = [Clause(f"All is well: {counted(self.jobs, 'job')}")]
        if self.running:
            found.append(Clause(f"{self.running:,} running", "running"))
        if self.paused.total:
            found.append(Clause(f"{self.paused.total:,} paused", "paused"))
        return found

    @property
    def _gone_wrong(self) -> Clause:
        """What went wrong in the last day and is over."""
        if number := self.gone_wrong.troubled:
            return Clause(f"{counted(number, 'job')} had trouble in the last day", "troubled", "; ")
        return Clause("no scheduler was running for a while in the last day", joint="; ")

    @property
    def sentence(self) -> str:
        """Whether all is well, in one sentence."""
        first, *others = self.clauses
        return first.words + "".join(one.joint + one.words for one in others) + "."

    @property
    def is_well(self) -> bool:
        """Whether nobody has to look at anything: a pause and a long run are no trouble by themselves."""
        return not self.troubles

    def as_json(self) -> trouble_schemas.Overview:
        """Return it for programs."""
        lists = (
            ("cannot_run", self.cannot_run),
            ("failing", self.failing),
            ("late", self.late),
            ("missed", self.missed),
            ("paused", self.paused),
            ("long", self.long),
        )
        return {
            "well": self.is_well,
            "sentence": self.sentence,
            "jobs": self.jobs,
            "counts": {name: found.total for name, found in lists},
            "cannot_run": [{"job_id": one.job_id, "why": one.why} for one in self.cannot_run.rows],
            "failing": [one.as_json() for one in self.failing.rows],
            "late": [
                {"job_id": one.job_id, "since": iso(one.since), "ticks": one.ticks} for one in self.late.rows
            ],
            "missed": [one.as_json() for one in self.missed.rows],
            "paused": [
                {"job_id": one.job_id, "since": iso(one.since), "until": iso(one.until), "note": one.note}
                for one in self.paused.rows
            ],
            "long": [one.as_json() for one in self.long.rows],
            "running": self.running,
            "slots": self.slots,
            "next_tick": iso(self.next_tick),
            "queues": [
                {"name": one.name, "waiting": one.waiting, "oldest_due_at": iso(one.oldest)}
                for one in self.queues
            ],
            "last_day": {
                "begin": iso(self.day.begin),
                "runs": self.day.runs,
                "failed": self.day.failed,
                "skipped": self.day.skipped,
            },
            "hours": [
                {
                    "begin": iso(one.begin),
                    "end": iso(one.end),
                    "runs": one.runs,
                    "failed": one.failed,
                    "skipped": one.skipped,
                }
                for one in self.day.hours
            ],
            "outages": [one.as_json() for one in self.gone_wrong.outages],
            "troubles": [one.as_json() for one in self.gone_wrong.jobs.rows],
        }


def read_overview(
    connection: Reader,
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
    present, held = read_present(connection), count_held(connection)
    now, due, told = present.now, present.due, present.cannot_run
    dead = {process.process_id for process in present.processes.found if process.is_gone}
    at_work = [process for process in present.processes.up if process.role.runs]
    day = (hourly or HourlyRuns()).read(connection, now, patience)
    long = long_runs(connection, declared, now)
    gone_wrong = read_troubles(
        connection, present, long, day.begin, _LISTED, looked_at=LOOKED_AT, with_older=False
    )
    return Overview(
        now,
        len(due),
        beginning_of([job.id for job in due if job.id in told], _LISTED).of(
            lambda job_id: CannotRun(job_id, told[job_id])
        ),
        failing_jobs(connection, present.endings, _LISTED),
        beginning_of(present.late, _LISTED),
        beginning_of(present.missed, _LISTED),
        _paused(connection, due),
        beginning_of(long, _LISTED),
        sum(row.number for row in held.rows if row.state == "running" and row.process_id not in dead),
        len(at_work) * settings.scheduler_max_workers,
        _queues(due, present.not_begun),
        day,
        gone_wrong,
        present.processes,
        held.by_process(),
        min((tick for job in due if (tick := job.next_tick) is not None), default=None),
    )


def _paused(connection: Reader, due: Iterable[DueJob]) -> Page[Paused]:
    """Return the paused jobs, those first that were paused last."""
    found = sorted((job for job in due if job.paused), key=lambda job: -job.row.paused_us)
    rows = jobs_named(connection, {job.id for job in found[:_LISTED]})

    def paused(job: DueJob) -> Paused:
        note = rows[job.id].row.pause_note if job.id in rows else None
        return Paused(
            job.id, job.row.paused_us, job.row.paused_until_us, None if note is None else masked(note)
        )

    return beginning_of(found, _LISTED).of(paused)


def _queues(due: Iterable[DueJob], waiting: Iterable[NotBegun]) -> list[Queue]:
    """Return the queues in which something waits that is due, by name."""
    names, found = queues_of(due), dict[str, list[NotBegun]]()
    for one in waiting:
        found.setdefault(names.get(one.job_id, DEFAULT_QUEUE), []).append(one)
    return [
        Queue(name, sum(one.number for one in some), min(one.since for one in some))
        for name, some in sorted(found.items())
    ]
