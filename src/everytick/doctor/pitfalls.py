"""Finds declarations that are legal but most likely not meant. Judged by the declarations alone."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

from everytick import app
from everytick.model import ticks
from everytick.model.job import Job
from everytick.model.ticks import zones
from everytick.settings import settings
from everytick.text.durations import about_every, duration
from everytick.text.instants import when

from .finding import Finding, ok
from .source import zoneless_trigger

_YEARS = 5
_YEAR = int(365.25 * ticks.DAY)
_HOUR = 3_600 * ticks.SECOND
# A restart, with the drain before it, may take this long.
_RESTART = 300 * ticks.SECOND
# How many coming ticks of a job are looked at for their distance, and for meeting those of others.
_SAMPLE = 20
_MOST_OF_A_JOB = 500
_NEAR_A_SHIFT = 4 * _HOUR


def examine_schedule(jobs: Sequence[Job], workers: int, now: int) -> list[Finding]:
    """Return findings about the jobs' declarations; `workers` is SCHEDULER_MAX_WORKERS, `now` the present."""
    found = [
        replace(finding, job_id=job.id) for job in jobs for check in _OF_ONE for finding in check(job, now)
    ]
    found += _twins(jobs)
    found += _crowds(jobs, workers, now)
    return found or [ok("pitfalls", "nothing odd about the declarations")]


def distance(job: Job, now: int) -> int | None:
    """Return the shortest time between coming ticks of a job; None if fewer than two are to come."""
    coming = _coming(job, now, _SAMPLE)
    return min((after - before for before, after in pairwise(coming)), default=None)


def _coming(job: Job, now: int, most: int, until: int | None = None) -> list[int]:
    found: list[int] = []
    tick = job.next_tick(now)
    while tick is not None and len(found) < most and (until is None or tick <= until):
        found.append(tick)
        tick = job.next_tick(tick)
    return found


def _never(job: Job, now: int) -> Iterator[Finding]:
    if job.startup_delay is not None:
        return
    tick = job.next_tick(now)
    if tick is None and job.only_tick is not None:
        what = f"job {job.id}: its date, {when(job.only_tick, settings().zone)}, has passed"
        yield Finding("note", "never fires", what, job.where, "another date, or no declaration any more")
    elif tick is None:
        what = f"job {job.id} never fires: {job.schedule.text} has no time to come"
        yield Finding("error", "never fires", what, job.where, "a trigger with times to come")
    elif tick > now + _YEARS * _YEAR and job.only_tick is None:
        what = f"job {job.id} does not fire within {_YEARS} years: first at {when(tick, settings().zone)}"
        yield Finding("warning", "never fires", what, job.where, "a trigger that meets a nearer time")


def _grace(job: Job, now: int) -> Iterator[Finding]:
    grace, apart = job.options.grace, distance(job, now)
    if (
        grace is None
        or grace >= _RESTART
        or (apart is not None and apart < _HOUR)
        or job.next_tick(now) is None
    ):
        return
    every = "runs once" if apart is None else f"is due {about_every(apart)}"
    what = (
        f"job {job.id} {every}, and may start no later than {duration(grace)} after: a restart that"
        " takes longer"
        " loses that run"
    )
    right = f"misfire_grace_time={_RESTART // ticks.SECOND} or more, or None"
    yield Finding("warning", "grace time", what, job.where, right)


def _daylight_saving(job: Job, now: int) -> Iterator[Finding]:
    """Find the next tick whose time of day is jumped over, or comes twice, within a bit more than a year."""
    zone = job.schedule.zone
    spans = list(zones.spans(now, now + _YEAR + 30 * ticks.DAY, zone))
    for _begin, shift in spans[:-1]:
        tick = job.next_tick(shift - _NEAR_A_SHIFT)
        for _ in range(_MOST_OF_A_JOB):
            if tick is None or tick > shift + _NEAR_A_SHIFT:
                break
            note = job.schedule.ticks.note(tick)
            if "jumps over" in note or "first only" in note:
                day = ticks.moment(tick, zone).date()
                what = f"job {job.id} falls into a shift of the clock in {zone}, on {day}: {note}"
                right = "a time of day that no shift touches, or timezone='UTC'"
                yield Finding("note", "daylight saving", what, job.where, right)
                return
            tick = job.next_tick(tick)


def _excluded(job: Job, now: int) -> Iterator[Finding]:
    """Find days to leave out that leave out nothing, or will soon be used up."""
    made = job.schedule.ticks
    if not isinstance(made, ticks.ExcludingTicks) or not made.days:
        return
    today, last = ticks.moment(now, job.schedule.zone).date(), made.days.last
    if last is not None and last < today and not made.days.has_weekdays:
        what = f"job {job.id} leaves out days up to {last} only: they have passed"
        yield Finding("warning", "excluded days", what, job.where, "days to come in exclude=")
    elif made.workday is None and not made.excludes_any(now, now + 2 * _YEAR):
        what = (
            f"job {job.id} leaves out {made.days.text}, and none of its ticks of the next two years falls on"
            " such a day"
        )
        yield Finding("note", "excluded days", what, job.where, "the days that are meant, or no exclude=")
    elif made.days.ends is not None and (made.days.ends - today).days < 366:
        what = f"job {job.id} leaves out holidays up to {made.days.ends}, and none after that day"
        yield Finding("warning", "excluded days", what, job.where, "a newer release of everytick")


def _startup(job: Job, now: int) -> Iterator[Finding]:
    if job.startup_delay is not None and job.options.max_instances > 1 and job.next_tick(now) is not None:
        most = f"max_instances={job.options.max_instances}"
        what = f"job {job.id} runs at each start beside its ticks, with {most}"
        right = "max_instances=1, unless it bears to run beside itself"
        yield Finding(
            "note", "overlap", f"{what}: a start near a tick runs it twice at once", job.where, right
        )


def _overlap(job: Job, now: int) -> Iterator[Finding]:
    """Find a function that is to be replaced, and cannot be ended."""
    if job.options.overlap == "replace" and not job.is_coroutine_function:
        what = (
            f"job {job.id} has overlap='replace', and calls a plain function, which nothing can end: the next"
            " tick waits until it has ended by itself"
        )
        right = "a coroutine function, or one that looks at current_run().cancel_requested now and then"
        yield Finding("note", "overlap", what, job.where, right)
    elif job.options.overlap == "wait" and job.options.grace is None:
        what = f"job {job.id} has overlap='wait' and no grace time: up to 1,000 of its ticks may wait"
        yield Finding("note", "overlap", what, job.where, "misfire_grace_time=, in seconds")


def _remark(job: Job, now: int) -> Iterator[Finding]:
    if job.schedule.remark:
        right = "timezone= beside it"
        yield Finding("note", "zone", f"job {job.id}: {job.schedule.remark}", job.where, right)


def _zoneless(job: Job, now: int) -> Iterator[Finding]:
    """Find a trigger object without a zone where the host's zone would mean another time."""
    if job.added or not zoneless_trigger(app.current().root, job.where):
        return
    zone, here = job.schedule.zone, ticks.moment(now).astimezone()
    if here.utcoffset() == ticks.moment(now, zone).utcoffset():
        return
    what = f"job {job.id}: its trigger object has no timezone, so {zone} is meant, not this host's {here:%Z}"
    yield Finding("note", "zone", what, job.where, f"timezone={str(zone)!r} in the trigger, to say so")


_OF_ONE = (_never, _grace, _daylight_saving, _excluded, _startup, _overlap, _remark, _zoneless)


def _twins(jobs: Sequence[Job]) -> Iterator[Finding]:
    """Find jobs that do the same at the same times."""
    alike: dict[tuple[str, str, str], list[Job]] = defaultdict(list)
    for job in jobs:
        alike[job.reference, job.definition, repr((job.args, job.kwargs, job.startup_delay))].append(job)
    for same in alike.values():
        if len(same) > 1:
            first = same[0]
            names = ", ".join(job.id for job in same)
            what = f"jobs {names} call {first.reference} with the same arguments at the same times"
            places = ", ".join(job.where for job in same)
            yield Finding("warning", "twins", what, places, "one of them, or other arguments")


def _crowds(jobs: Sequence[Job], workers: int, now: int) -> Iterator[Finding]:
    """Find the instant within a day at which the most jobs are due, if they are more than can run at once."""
    if len(jobs) <= workers:
        return
    due: Counter[int] = Counter()
    frequent = []
    for job in jobs:
        coming = _coming(job, now, _MOST_OF_A_JOB, now + ticks.DAY + _HOUR)
        due.update(job.due(tick) for tick in coming)
        if len(coming) == _MOST_OF_A_JOB:
            frequent.append((job, coming[-1]))
    for instant, _number in due.most_common(_SAMPLE):
        due[instant] += sum(
            instant > last and job.next_tick(instant - 1) == instant for job, last in frequent
        )
    instant, number = max(due.items(), key=lambda item: item[1], default=(0, 0))
    if number > workers:
        what = (
            f"{number} jobs are due at {when(instant, settings().zone)}, and {workers} can run at once: the"
            " others wait for"
            " a slot, and are missed when that takes longer than their grace time"
        )
        yield Finding(
            "warning", "crowd", what, "SCHEDULER_MAX_WORKERS", "more workers, or jitter= to spread them"
        )
