"""The coming ticks of all jobs, and which of their runs may overlap, collide, or not happen at all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from everytick.model import ticks
from everytick.model.schedule import Schedule
from everytick.store.database import Ledger
from everytick.text.instants import iso
from everytick.text.schedules import in_words

from . import plan
from .backfills import running_backfills
from .job_ids import natural, no_such_job
from .jobs import ShownJob, shown_jobs
from .known_job import Declared, DueJob, KnownJob

if TYPE_CHECKING:
    from .schemas import Backfill, Fire, LeftOutTick

T = TypeVar("T")

# Of how many days that are left out is told.
_MOST_LEFT_OUT = 1_000


@dataclass(frozen=True)
class Often:
    """A job that is due so often that its ticks are only counted; at `paused` of them it is `held`."""

    job_id: str
    words: str
    count: int
    paused: int
    held: str


class LeftOut(NamedTuple):
    """A tick, in microseconds UTC, that a job lacks since its day is excluded; `why` names the day."""

    tick: int
    job_id: str
    why: str

    def as_json(self) -> LeftOutTick:
        """Return it as commands and the API give it."""
        return {"job_id": self.job_id, "tick": iso(self.tick), "why": self.why}


@dataclass(frozen=True)
class Coming:
    """The ticks in [begin, end), in microseconds, and what they mean together.

    ticks: what `plan --json` lists; empty if they were not to be kept.
    often: the jobs of which the ticks are not among them, since there are too many.
    number: how many ticks were looked at.
    looked_until: the findings are about the ticks before this instant: `end`, unless there were too many.
    gaps: the jobs without a tick in [begin, end), each with its next one.
    backfills: those that go on, with runs still to come, beside these ticks.
    left_out: the first tick of each date that a job leaves out, by its own, and why: some, the soonest first.
    max_workers: how many runs a process may have under way at once.
    groups, group_limits: the groups of jobs, by their ids, and how many runs of each may be under way.
    """

    begin: int
    end: int
    looked_until: int
    number: int
    ticks: list[Fire]
    often: list[Often]
    findings: plan.Findings
    gaps: dict[str, int | None]
    left_out: list[LeftOut]
    backfills: list[Backfill]
    max_workers: int
    groups: Mapping[str, str | None]
    group_limits: Mapping[str, int]

    @property
    def is_cut(self) -> bool:
        """Whether there were more ticks than could be looked at."""
        return self.looked_until < self.end

    def _exceeded(self, job_ids: Iterable[str]) -> list[str]:
        """Return the groups of which more of these jobs are due at once than may run."""
        together = Counter(self.groups.get(job_id) for job_id in job_ids)
        return sorted(name for name, limit in self.group_limits.items() if together[name] > limit)

    def summary(self) -> dict[str, Any]:
        """Return the findings as plain data, times as ISO 8601 in UTC."""
        return {
            "from": iso(self.begin),
            "to": iso(self.end),
            "looked_until": iso(self.looked_until),
            "ticks": self.number,
            "max_workers": self.max_workers,
            "jobs": [
                {"job_id": load.job_id, "ticks": load.count, "first": iso(load.first), "last": iso(load.last)}
                for _job_id, load in _in_order(self.findings.loads)
            ],
            "gaps": [{"job_id": job_id, "next_tick": iso(tick)} for job_id, tick in _in_order(self.gaps)],
            "overlaps": [
                {
                    "job_id": overlap.job_id,
                    "ticks": overlap.count,
                    "first": iso(overlap.first),
                    "p95": overlap.seconds,
                    "overlap": overlap.then,
                }
                for _job_id, overlap in _in_order(self.findings.overlaps)
            ],
            "collisions": [
                {
                    "job_ids": list(collision.job_ids),
                    "number": len(collision.job_ids),
                    "times": collision.count,
                    "first": iso(collision.first),
                    "exceeds_max_workers": len(collision.job_ids) > self.max_workers,
                    "exceeds_groups": self._exceeded(collision.job_ids),
                }
                for collision in self.findings.collisions()
            ],
            "notes": [
                {"job_id": odd.job_id, "tick": iso(odd.tick), "note": odd.note} for odd in self.findings.notes
            ],
            "left_out": [tick.as_json() for tick in self.left_out],
            "backfills": self.backfills,
        }


def _in_order(of_jobs: Mapping[str, T]) -> list[tuple[str, T]]:
    return sorted(of_jobs.items(), key=lambda one: natural(one[0]))


def _run_statistics(job: ShownJob, declared: Declared) -> plan.RunStatistics:
    options = job.options(declared)
    if options is None:
        return plan.RunStatistics(job.last.p95, held_at=job.held_at)
    return plan.RunStatistics(job.last.p95, options.max_instances, job.held_at, options.overlap)


def coming(
    ledger: Ledger,
    declared: Declared,
    begin: int,
    end: int,
    limit: int,
    job_id: str | None = None,
    *,
    max_workers: int,
    group_limits: Mapping[str, int],
    keep: bool = True,
    most_listed: int | None = None,
    progress: Callable[[float], None] | None = None,
) -> Coming:
    """Return the ticks in [begin, end), in microseconds: at most `limit` ticks are looked at.

    The pause of a job is taken to end when it is said to, or never.

    Args:
        max_workers, group_limits: how many runs a process, and each group, may have under way at once.
        keep: whether the ticks themselves are kept.
        most_listed: with more ticks than this, those of the jobs that are due most often are only counted;
            None: all are kept.
        progress: called now and then with the share that is done, up to 1.

    Raises:
        NotFoundError: there is no such job.
        LedgerError: the ledger cannot be read.
    """
    jobs = shown_jobs(ledger, declared)
    run_statistics = {job.id: _run_statistics(job, declared) for job in jobs}
    known = {job.id: job.schedule for job in jobs if job.schedule is not None}
    if job_id is not None:
        if job_id not in known:
            raise no_such_job(job_id, known)
        known = {job_id: known[job_id]}
    findings, kept = plan.Findings(run_statistics), []
    number, looked_until = 0, end
    for planned in plan.plan(known, begin, end):
        if number == limit:
            looked_until = planned.tick
            break
        number += 1
        findings.add(planned)
        if keep and (most_listed is None or findings.loads[planned.job_id].count <= most_listed):
            held = run_statistics[planned.job_id].held_at(planned.tick)
            kept.append(ComingTick(planned.job_id, planned.tick, planned.note, held).as_json())
        if progress is not None and number % 500 == 0:
            progress((planned.tick - begin) / (end - begin))
    findings.close()
    loads = [] if most_listed is None else plan.often(findings.loads.values(), most_listed)
    often = [Often(it.job_id, in_words(known[it.job_id]), it.count, it.paused, it.held) for it in loads]
    counted = {it.job_id for it in often}
    kept = [tick for tick in kept if tick["job_id"] not in counted]
    gaps = plan.gaps(known, begin, end)
    left_out = left_out_between((job for job in jobs if job.id in known), begin, looked_until)
    groups = {job.id: job.group for job in jobs}
    running = [one for one in running_backfills(ledger, job_id) if one["made"] < one["ticks"]]
    return Coming(
        *(begin, end, looked_until, number, kept, often, findings, gaps, left_out, running, max_workers),
        *(groups, group_limits),
    )


@dataclass(frozen=True)
class ComingTick:
    """A coming tick, in microseconds UTC.

    note: see `Ticks.note`. held: why it will not run: paused or disabled; empty if it will.
    """

    job_id: str
    tick: int
    note: str
    held: str

    def as_json(self) -> Fire:
        """Return it as commands and the API give it."""
        marks = "; ".join(filter(None, [self.held, self.note]))
        return {"job_id": self.job_id, "tick": iso(self.tick), "note": marks}


def next_ticks(job: KnownJob, limit: int) -> list[ComingTick]:
    """Return the coming ticks of a job that is not paused, with their notes."""
    if job.gone or job.paused:
        return []
    begin = max(job.now, job.row.watermark_us) + 1
    return list(islice(ticks_between([job], begin, ticks.LAST), limit))


class Due(NamedTuple):
    """A job that has ticks in a span of time, with the first of them."""

    tick: int
    job: DueJob
    schedule: Schedule


def due_between(jobs: Iterable[DueJob], begin: int, end: int) -> list[Due]:
    """Return the jobs that have ticks in [begin, end), the soonest first."""
    found = [
        Due(tick, job, job.schedule)
        for job in jobs
        if job.schedule is not None and (tick := job.schedule.next_tick(begin - 1)) is not None and tick < end
    ]
    return sorted(found, key=lambda one: (one.tick, natural(one.job.id)))


def soonest(due: Sequence[Due], end: int, of_each: int, limit: int) -> list[ComingTick]:
    """Return the first ticks before `end` of jobs from `due_between`: at most `limit`, `of_each` of each.

    Else one job that is due each minute would hide all others.
    """
    # The other jobs have their first ticks later than these.
    found = [tick for one in due[:limit] for tick in islice(ticks_between([one.job], one.tick, end), of_each)]
    return sorted(found, key=lambda one: (one.tick, natural(one.job_id)))[:limit]


def ticks_between(jobs: Iterable[DueJob], begin: int, end: int) -> Iterator[ComingTick]:
    """Yield the ticks in [begin, end), of the jobs whose schedule is known, in order of time."""
    known = {job.id: job for job in jobs}
    schedules = {job.id: job.schedule for job in known.values() if job.schedule is not None}
    for planned in plan.plan(schedules, begin, end):
        held = known[planned.job_id].held_at(planned.tick)
        yield ComingTick(planned.job_id, planned.tick, planned.note, held)


def left_out_between(jobs: Iterable[DueJob | ShownJob], begin: int, end: int) -> list[LeftOut]:
    """Return some of the ticks in [begin, end) that jobs lack by their dates, the soonest first."""
    found = [
        LeftOut(tick, job.id, why)
        for job in jobs
        if (schedule := job.schedule) is not None and isinstance(schedule.ticks, ticks.ExcludingTicks)
        for tick, why in islice(schedule.ticks.left_out_between(begin, end), _MOST_LEFT_OUT)
    ]
    return sorted(found, key=lambda one: (one.tick, natural(one.job_id)))[:_MOST_LEFT_OUT]
