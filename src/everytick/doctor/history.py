"""Findings from the history of jobs: durations, failures, pauses, jobs that cannot run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from everytick.app import typed, typed_for
from everytick.model import ticks
from everytick.model.functions import takes_other_arguments
from everytick.model.job import Job
from everytick.model.zone_names import doubtful_zones
from everytick.read.audit import last_added
from everytick.read.known_job import Declared, KnownJob, jobs_due, jobs_in_force
from everytick.read.last_runs import durations, failed_in_a_row, percentile
from everytick.read.missed import Missed, find_missed
from everytick.read.processes import read_processes
from everytick.read.standings import read_present
from everytick.read.trouble_words import details, happened, label, since
from everytick.read.troubles import Trouble, read_troubles
from everytick.read.under_way import held_runs, past_cancel, past_timeout
from everytick.store.querying import Reader
from everytick.store.requests import AT_EACH_START
from everytick.text.durations import about_every, duration, exact_seconds
from everytick.text.instants import at
from everytick.text.instants import typed as instant_typed
from everytick.text.wording import one_line

from .finding import Finding, ok
from .pitfalls import distance

# Fewer runs than this say nothing about how long a job takes.
_ENOUGH = 5
_LONG_PAUSE = 7 * ticks.DAY
# A run that took this many times as long as half of the others hung.
_HUNG = 10
# Of how many jobs what went wrong within a day is looked at in detail.
_MOST_TROUBLES = 100
# By when after its start a process has added what it adds at each start.
_ADDED_WITHIN = 60 * ticks.SECOND


def examine_history(connection: Reader, declared: Declared, now: int, zone: Any) -> list[Finding]:
    """Look at each job that is in force."""
    found: list[Finding] = []
    in_code = {job.id: job for job in declared.jobs}
    held = held_runs(connection)
    missed = {one.job_id: one for one in find_missed(connection, jobs_due(connection))}
    gone_wrong = _gone_wrong(connection, now)
    starts = [it.started for it in read_processes(connection, now) if it.is_up and it.role.claims]
    for known in jobs_in_force(connection):
        of_job: list[Finding] = []
        job = in_code.get(known.id)
        where = job.where if job is not None else f"job {known.id}"
        if known.was_added:
            job, problem = known.load(declared)
            if problem is not None:
                of_job.append(_cannot_run(known, problem, where))
            of_job += _zone(known, where)
            of_job += _no_longer_added(connection, known.id, starts, now, zone)
        of_job += _pause(known, now, zone, where)
        of_job += _failures(connection, known.id, where)
        of_job += _hung(gone_wrong.get(known.id), now, zone, where)
        if known.id in missed:
            of_job.append(_missed(missed[known.id], now, zone, where))
        of_job += _durations(connection, job, now, where)
        of_job += _going_on([run for run in held if run.job_id == known.id], job, now, where)
        found += [replace(finding, job_id=known.id) for finding in of_job]
    return found or [ok("jobs", "no job fails, is slower than its schedule, or is paused without a reason")]


def _missed(job: Missed, now: int, zone: Any, where: str) -> Finding:
    what = f"job {job.job_id}: {job.sentence(zone, now)}"
    right = typed_for(job.job_id, "run-now", f"--tick {instant_typed(job.tick, zone)}")
    return Finding("warning", "missed", what, where, right)


def _cannot_run(job: KnownJob, problem: str, where: str) -> Finding:
    what = f"job {job.id} cannot run: {problem}"
    if job.schedule is None:
        return Finding("error", "zone", what, where, "the job added anew, or its removal")
    if takes_other_arguments(problem):
        right = "arguments that it takes (Change on the page of the job, or modify_job), or its removal"
        return Finding("error", "function", what, where, right)
    return Finding("error", "function", what, where, "the function in its place, or its removal")


def _no_longer_added(
    connection: Reader, job_id: str, starts: Sequence[int], now: int, zone: Any
) -> Iterator[Finding]:
    """Tell of a job that code added at each start, until the processes came that are up now."""
    row = last_added(connection, job_id)
    if row is None or not (row.note or "").startswith(AT_EACH_START) or not starts:
        return
    if min(starts) > row.at_us and max(starts) < now - _ADDED_WITHIN:
        code = row.note.removeprefix(AT_EACH_START)
        what = (
            f"job {job_id} was added at each start by {code}, last at {at(row.at_us, zone)}, and by none of"
            " the processes that are up: its code is gone, and the job goes on"
        )
        yield Finding("warning", "no longer added", what, code, typed_for(job_id, "remove"))


def _zone(job: KnownJob, where: str) -> Iterator[Finding]:
    data = job.schedule.data if job.schedule else None
    for name, offset in doubtful_zones(data) if data else ():
        what = (
            f"job {job.id} runs in the zone {name}, which has daylight saving time; the version that added it"
            f" wrote that name for the fixed offset {offset} as well"
        )
        right = "the job added anew with replace_existing=True and its zone, such as Europe/Berlin"
        yield Finding("warning", "zone", what, where, right)


def _pause(job: KnownJob, now: int, zone: Any, where: str) -> Iterator[Finding]:
    if not job.paused or job.row.pause_note or now - job.row.paused_us <= _LONG_PAUSE:
        return
    what = f"job {job.id} is paused since {at(job.row.paused_us, zone)}, without a note that says why"
    right = f"{typed_for(job.id, 'resume')}, or {typed_for(job.id, 'pause', '--note TEXT')}"
    yield Finding("warning", "pause", what, where, right)


def _failures(connection: Reader, job_id: str, where: str) -> Iterator[Finding]:
    failed = failed_in_a_row(connection, job_id)
    if not failed:
        return
    error = one_line(failed[0].error) if failed[0].error else failed[0].state
    if len(failed) == 1:
        what = f"the last run of job {job_id} did not succeed: {error}"
    else:
        what = f"the last {len(failed)} runs of job {job_id} did not succeed, at last with: {error}"
    right = f"{typed('show')} {failed[0].run_id}"
    yield Finding("warning", "failures", what, where, right, alike=error)


def _gone_wrong(connection: Reader, now: int) -> dict[str, Trouble]:
    """Return what went wrong within a day, by the ids of the jobs."""
    present = read_present(connection)
    found = read_troubles(connection, present, [], now - ticks.DAY, _MOST_TROUBLES, with_older=False)
    return {trouble.job_id: trouble for trouble in found.jobs.rows}


def _hung(trouble: Trouble | None, now: int, zone: Any, where: str) -> Iterator[Finding]:
    """Tell of runs that timed out within a day, or behind which ticks were skipped as they hung."""
    if trouble is None or trouble.still == "failing":
        return
    way = trouble.in_the_way
    hung = way is not None and way.usual is not None and way.took > _HUNG * way.usual
    if not hung and not any(one.kind == "timed_out" for one in trouble.counts):
        return
    facts = "; ".join(details(trouble, now))
    how = " ".join(filter(None, [label(trouble), since(trouble, zone, now)]))
    what = f"job {trouble.job_id} within a day: {happened(trouble, zone, now)} ({facts}); {how}"
    yield Finding("warning", "hung", what, where, f"{typed('show')} {trouble.run_id}")


def _going_on(held: list[Any], job: Job | None, now: int, where: str) -> Iterator[Finding]:
    """Tell of runs that go on although they were to end: by their timeout, or as they were asked to."""
    timeout = job.options.timeout if job is not None else None
    right = "a function that ends when it is cancelled (on a thread: when cancel_requested says so)"
    for run in held:
        if overdue := past_timeout(run, timeout, now):
            check = "timeout"
            why = f"its timeout of {exact_seconds(timeout or 0)} passed {duration(overdue)} ago"
        elif since := past_cancel(run, now):
            check, why = "cancel", f"it was asked to end {duration(since)} ago"
        else:
            continue
        what = f"run {run.run_id} of job {run.job_id} goes on although {why}, and keeps its slot"
        yield Finding("warning", check, what, where, right)


_THEN = {
    "skip": "ticks are skipped as overlap",
    "wait": "ticks wait, and are missed when their grace time is over",
    "wait-one": "the newest tick waits, and the others are skipped",
    "replace": "each tick ends the run before it",
}


def _durations(connection: Reader, job: Job | None, now: int, where: str) -> Iterator[Finding]:
    apart = distance(job, now) if job is not None else None
    if job is None or apart is None:
        return
    took = durations(connection, job.id)
    p95 = percentile(took, 0.95)
    if p95 is None or len(took) < _ENOUGH:
        return
    slow = round(p95 * ticks.SECOND)
    if slow > apart * job.options.max_instances:
        taking = f"one run in twenty takes {duration(slow)} or longer"
        what = f"job {job.id} is due {about_every(apart)}, and {taking}"
        right = f"a longer interval, or more max_instances: until then {_THEN[job.options.overlap]}"
        yield Finding("warning", "duration", what, where, right)
