"""Simulates a schedule over a span of time, with a clock of its own: no task runs, no file is touched.

Each job is simulated for itself, or with those that share the limit of its group, with the real schedule's
ticks and its decisions after an outage:

- the schedule is started for the first time at the beginning, and nothing is paused
- an outage is sudden, and found out as soon as the schedule is up again
- each run takes as long as it is said to, and succeeds; there are as many workers as are needed
- a backfill that goes on has its remaining runs before it at the beginning; its runs under way begin anew

Rooms: `timeline` (the ticks of a span), `one_job` (what becomes of them), `groups` (jobs that wait for each
other), `backfills` (runs for past ticks), `slots` (the runs of a job), `results`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta, tzinfo
from itertools import chain

from everytick.errors import ConfigurationError
from everytick.model import ticks
from everytick.model.group_limits import NO_LIMITS
from everytick.model.job import Job
from everytick.model.job_filter import ALL_JOBS, JobFilter
from everytick.model.ticks.zones import spans, wall_clock
from everytick.store.backfills import Unfinished
from everytick.text.durations import duration, exact_seconds
from everytick.text.instants import when
from everytick.text.wording import counted

from . import backfills as filling
from .groups import Member, Prepared, Together, in_groups, simulate_together
from .one_job import OneJob
from .results import BackfillResult, ClockChange, JobResult, OutageCost, Simulation
from .timeline import MOST_COMBINED, TooManyTicks, timeline

__all__ = [
    "MOST_WALKED",
    "BackfillResult",
    "ClockChange",
    "JobResult",
    "OutageCost",
    "Simulation",
    "days_later",
    "simulate",
]

# Ticks of a job whose runs may overlap, or have a jitter, are looked at one by one: a million takes seconds.
MOST_WALKED = 1_000_000


def simulate(
    jobs: Iterable[Job],
    begin: int,
    end: int,
    zone: tzinfo,
    *,
    outages: Iterable[tuple[int, int]] = (),
    durations: Mapping[str, tuple[int, str]] | None = None,
    group_limits: Mapping[str, int] = NO_LIMITS,
    backfills: Sequence[Unfinished] = (),
    job_filter: JobFilter = ALL_JOBS,
    progress: Callable[[float], None] = lambda _done: None,
) -> Simulation:
    """Return what becomes of the ticks of these jobs from `begin` (included) to `end` (not included).

    Args:
        outages: first and last instant of each, the last one not included; in any order.
        durations: how long a run of a job takes in microseconds, and where that is known from; others take
            no time at all.
        group_limits: how many runs of a group may be under way at once.
        backfills: those that go on, with their remaining runs.
        job_filter: the jobs that are run; the ticks of the others are skipped as `disabled`.
        progress: called now and then with the part that is done, from 0 to 1.

    Instants are microseconds since the epoch.

    Raises:
        ConfigurationError: an outage does not lie within the span, or a job has too many ticks.
    """
    down = _in_order(outages, begin, end, zone)
    known = durations or {}
    made = [_prepare(job, begin, end, known.get(job.id, (0, "unknown"))) for job in jobs]
    disabled = {it.job.id: why for it in made if (why := job_filter.why_disabled(it.job.id))}
    enabled = [it for it in made if it.job.id not in disabled]
    results_of_backfills, filled = filling.prepared(backfills, {it.job.id: it for it in enabled}, disabled)
    groups = in_groups(enabled, filled, group_limits)
    in_group = {one.job.id for some, _filled in groups for one in some}
    alone = [OneJob(*it) for it in enabled if it.job.id not in in_group]
    together: list[list[Together]] = [[*some, *beside] for some, beside in groups]
    together += [[one] for one in filled if one.job.id not in in_group]
    total = sum(map(_weight, chain(alone, *(some for some, _filled in groups)))) or 1
    total += sum(one.to_be_walked for one in filled)
    done = 0

    def walked(number: int) -> None:
        nonlocal done
        done += number
        progress(min(1.0, done / total))

    for some in together:
        simulate_together(some, begin, end, down, walked)
    for one in alone:
        one.watched_by(walked)
        one.simulate(begin, end, down)
    for it in made:
        if it.job.id in disabled:
            it.result.note_disabled(disabled[it.job.id], down)
    changes: list[ClockChange] = []
    for it, shifts in zip(enabled, _shifts_of(enabled, begin, end), strict=True):
        changes += _changes(it.job, shifts)
        it.result.notes += _waits(it.result)
    for backfill in filled:
        backfill.result.notes += filling.waits(backfill.result, backfill.job.options.group)
    progress(1.0)
    results = {it.job.id: it.result for it in made}
    changes.sort(key=lambda change: (change.tick, change.job_id))
    return Simulation(begin, end, zone, down, results, changes, results_of_backfills)


def days_later(begin: int, days: int, zone: tzinfo) -> int:
    """Return the instant, a number of days later, at which a clock in the zone shows the same time of day."""
    return ticks.instant_of_wall(wall_clock(begin, zone) + timedelta(days=days), zone)


def _in_order(
    outages: Iterable[tuple[int, int]], begin: int, end: int, zone: tzinfo
) -> Sequence[tuple[int, int]]:
    """Return the outages in order, those that touch as one."""

    found: list[tuple[int, int]] = []
    for down, up in sorted(outages):
        if up <= down:
            raise ConfigurationError(
                f"an outage from {when(down, zone)} must end later than that, not at {when(up, zone)}"
            )
        if down < begin or up > end:
            raise ConfigurationError(
                f"the outage from {when(down, zone)} to {when(up, zone)} must lie within what is simulated,"
                f" {when(begin, zone)} to {when(end, zone)}"
            )
        if found and down <= found[-1][1]:
            found[-1] = (found[-1][0], max(up, found[-1][1]))
        else:
            found.append((down, up))
    return found


def _prepare(job: Job, begin: int, end: int, known: tuple[int, str]) -> Prepared:
    """Return what a job is simulated with."""
    length, source = known
    notes = []
    timeout = job.options.timeout
    if timeout is not None and length > timeout * ticks.SECOND:
        notes.append(f"a run takes {duration(length)}: its timeout of {exact_seconds(timeout)} would end it")
        if job.is_coroutine_function:
            length = int(timeout * ticks.SECOND)
    if job.paused_at_first:
        notes.append("it is declared paused: simulated as if it were not")
    try:
        line = timeline(job.schedule, begin, end)
    except TooManyTicks:
        leaves_out = isinstance(job.schedule.ticks, ticks.ExcludingTicks)
        why = "the days that it leaves out" if leaves_out else "its combined trigger"
        raise _too_many(job, MOST_COMBINED, why) from None
    number = ticks.count(job.schedule.ticks, begin - 1, end - 1, MOST_COMBINED)
    expected = line.total if number is None else number
    result = JobResult(job, expected, begin, end, length, source, longest_from=begin, notes=notes)
    return Prepared(job, line, result)


def _weight(one: OneJob) -> int:
    """Return how many ticks of a job must be looked at."""
    weight = one.to_be_walked
    if weight > MOST_WALKED:
        why = (
            "its group"
            if isinstance(one, Member)
            else "its jitter"
            if one.job.schedule.jitter
            else "how long its runs take"
        )
        raise _too_many(one.job, MOST_WALKED, why)
    return weight


def _waits(result: JobResult) -> Iterable[str]:
    if result.waited_for_group:
        number, longest = counted(result.waited_for_group, "run"), duration(result.longest_wait_for_group)
        yield f"{number} waited for a place in its group {result.job.options.group}, up to {longest}"


def _too_many(job: Job, most: int, why: str) -> ConfigurationError:
    return ConfigurationError(
        f"the job {job.id!r} has more than {most:,} ticks in that time, each of which must be looked at"
        f" because of {why}: simulate fewer days"
    )


def _shifts_of(made: Iterable[Prepared], begin: int, end: int) -> Iterable[Sequence[tuple[int, int]]]:
    """Yield, for each job, when its zone's clock is shifted, and by how much."""
    found: dict[tzinfo, list[tuple[int, int]]] = {}
    for it in made:
        zone = it.job.schedule.zone
        if zone not in found:
            shifts = [shift for shift, _end in spans(begin, end, zone)][1:]
            found[zone] = [(shift, _offset(shift, zone) - _offset(shift - 1, zone)) for shift in shifts]
        yield found[zone]


def _offset(instant: int, zone: tzinfo) -> int:
    offset = ticks.moment(instant, zone).utcoffset()
    return 0 if offset is None else int(offset.total_seconds() * ticks.SECOND)


def _changes(job: Job, shifts: Iterable[tuple[int, int]]) -> Iterable[ClockChange]:
    """Yield the first tick at each shift that is odd."""
    for shift, by in shifts:
        # Jumped over: due at the end of the gap. Set back: the repeated time of day is around that instant.
        first, last = (shift, shift) if by > 0 else (shift + by, shift - by - 1)
        tick = job.next_tick(first - 1)
        if tick is not None and tick <= last and (note := job.schedule.ticks.note(tick)):
            yield ClockChange(tick, job.id, note)
