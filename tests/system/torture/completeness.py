"""Rules R1 to R3: every tick has an outcome, every row has a tick, and no tick has two rows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace

from torture import places
from torture.faults import CLOCK, DEADLY, ENDING, LEDGER, PARTED, Harm, name
from torture.history import History, Row, Start, Violation
from torture.jobs import SECOND, JobSpec

# How young a tick may be and not yet be accounted for, and how young a run may be and not have ended.
_SETTLING = 3 * SECOND
_ENDING = 23 * SECOND
FINAL = {"succeeded", "failed", "timed_out", "cancelled", "interrupted", "lost", "skipped"}
_WAITING = ("queued", "retrying")
# By then those who begin know that all are dead whom they found, and all of them are up.
_KNOWN = 35 * SECOND
# More ticks than this need not be counted at once if they are not evenly spaced.
_COUNTED = 1_000


def unaccounted(history: History, harm: Harm) -> Iterator[Violation]:
    """R1: every tick since the registration has a row, or lies in a range row, and ends."""
    for spec in [*history.schedule, *history.by_people]:
        job = history.jobs.get(spec.id)
        if job is None:
            # Whether one that people added must be there, `offers` looks at.
            if spec in history.schedule:
                yield Violation(f"{spec.id}: the ledger does not know this job", spec.id)
            continue
        rows = [row for row in history.rows_of(spec.id) if row["tick_us"] is not None]
        single = {row["tick_us"] for row in rows if row["last_tick_us"] is None}
        ranges = [(row["tick_us"], row["last_tick_us"]) for row in rows if row["last_tick_us"] is not None]
        current = _as_deployed(spec, job)
        tick = current.next_tick(job["changed_us"])
        until = min(history.until - _SETTLING, job.get("removed_us") or history.until)
        while tick is not None and tick < until:
            if tick not in single and not any(first <= tick <= last for first, last in ranges):
                yield Violation(f"{spec.id}: tick {tick} has no outcome", spec.id, tick)
            tick = current.next_tick(tick)
    for row in history.runs:
        known = history.specs.get(row["job_id"])
        # Behind runs of its job that take longer than its ticks are apart, a tick waits within its grace.
        waits = known is not None and known.overlap == "wait" and row["state"] == "queued"
        grace = known.grace if known is not None and waits else 0
        endless = known is not None and known.body == "endless"
        if endless and row["state"] in _WAITING and places.goes_on_at_the_end(history, row["job_id"]):
            # What waits for the end of a run that goes on until somebody cancels it waits on.
            continue
        if row["due_us"] + grace < history.until - _ENDING and row["state"] not in FINAL:
            yield Violation(f"{name(row)} is still {row['state']}", row["job_id"], row["tick_us"])


def _as_deployed(spec: JobSpec, job: Row) -> JobSpec:
    """Return the version of a job that was in force at the end."""
    versions = [replace(spec, step=step) for step in spec.steps]
    return next((v for v in versions if f"interval {v.step}us" in job["definition"]), spec)


def requested(history: History, harm: Harm) -> Iterator[Violation]:
    """R1: every tick that was asked for while the world ran has exactly one outcome."""
    for job, tick, _at in history.requested:
        rows = [row for row in history.rows_of(job) if row["tick_us"] == tick]
        if len(rows) != 1 and tick < history.until - _SETTLING:
            yield Violation(f"{job}: the requested tick {tick} has {len(rows)} outcomes", job, tick)
    for job in history.refused:
        if job in history.jobs or history.rows_of(job):
            yield Violation(f"{job}: it was refused when it was to be added, and is there all the same", job)


def invented(history: History, harm: Harm) -> Iterator[Violation]:
    """R2: only ticks of the schedule, counted rightly, with the jitter they may have."""
    for row in history.runs:
        job, tick, last = row["job_id"], row["tick_us"], row["last_tick_us"]
        spec = history.specs.get(job)
        if spec is None:
            yield Violation(f"{name(row)} is of a job that nobody declared", job, tick)
        elif row["kind"] == "backfill":
            if tick is not None or not spec.is_tick(row["for_tick_us"]):
                yield Violation(f"{name(row)} is for no tick of the past", job, row["for_tick_us"])
        elif row["kind"] == "manual":
            # Whether somebody asked for it, `requests` looks at.
            if tick is not None:
                yield Violation(f"{name(row)} was asked for, and has a tick", job, tick)
        elif tick is None:
            if row["kind"] != "startup" or not spec.startup:
                yield Violation(f"{name(row)} was not asked for", job)
        elif not spec.is_tick(tick) or not spec.is_tick(last or tick):
            yield Violation(f"{job}: {tick} is no tick of the schedule", job, tick)
        elif last is not None:
            yield from _miscounted(spec, row)
        elif row["attempt"] <= 1 and not tick <= row["due_us"] <= tick + spec.jitter:
            yield Violation(f"{name(row)} was due at {row['due_us']}", job, tick)


def _miscounted(spec: JobSpec, row: Row) -> Iterator[Violation]:
    first, last = row["tick_us"], row["last_tick_us"]
    versions = [replace(spec, step=step) for step in spec.steps or (spec.step,)]
    right = {version.count(first, last) for version in versions}
    uneven = spec.also or spec.excluded or "cron" in spec.trigger
    if row["tick_count"] is None and uneven and min(right) > _COUNTED:
        return
    if row["tick_count"] not in right:
        sentence = f"a range counts {row['tick_count']} ticks instead of {min(right)}"
        yield Violation(f"{spec.id}: {sentence}", spec.id, first)


def early(history: History, harm: Harm) -> Iterator[Violation]:
    """R2: nothing begins before it is due, neither by the ledger nor by the body itself."""
    starts = {(start.run, start.attempt): start for start in history.starts}
    due = {(row["run_id"], row["attempt"]): row["due_us"] for row in history.runs}
    for row in history.runs:
        start = starts.get((row["run_id"], row["attempt"]))
        if start is None or row["started_us"] is None or row["started_us"] >= row["due_us"]:
            continue
        if not _set_back_meanwhile(harm, start):
            yield Violation(
                f"{name(row)} started before it was due", row["job_id"], row["tick_us"], start.pid
            )
    for start in history.starts:
        # A retry may begin before its tick, when the clock was set back since the first attempt.
        since = due.get((start.run, start.attempt), start.tick if start.attempt == 1 else 0)
        if history.clock.shows(start.at) < since and not _set_back_meanwhile(harm, start):
            sentence = f"the body of {start.tick} began too early"
            yield Violation(f"{start.job}: {sentence}", start.job, start.tick, start.pid)


def _set_back_meanwhile(harm: Harm, start: Start) -> bool:
    """Return whether the clock was set back between a process's look at it and the begin of the body."""
    frozen = harm.near(start.at - 2 * SECOND, start.at, ["stop"], start.pid)
    return harm.near(start.at - (25 if frozen else 5) * SECOND, start.at, ["clock back"])


def not_unique(history: History, harm: Harm) -> Iterator[Violation]:
    """R3: no tick twice, neither as rows nor in a range and as a row."""
    jobs: dict[str, list[Row]] = defaultdict(list)
    for row in history.runs:
        if row["tick_us"] is not None:
            jobs[row["job_id"]].append(row)
    for job, rows in jobs.items():
        last = -1
        for row in sorted(rows, key=lambda row: row["tick_us"]):
            if row["tick_us"] <= last:
                yield Violation(f"{name(row)} is accounted for twice", job, row["tick_us"])
            last = max(last, row["last_tick_us"] or row["tick_us"])


def startups(history: History, harm: Harm) -> Iterator[Violation]:
    """R3: startup runs, at most one for each start of the schedule.

    A start of the schedule is a start of a process while no other is alive, or none that answers.
    """
    alone = [
        life
        for life in history.lives
        if life.role != "worker" and not _has_company(history, harm, life.begin, life)
    ]
    for spec in history.schedule:
        rows = [row for row in history.rows_of(spec.id) if row["kind"] == "startup"]
        numbers = [row["start_number"] for row in rows]
        for number in {number for number in numbers if numbers.count(number) > 1}:
            yield Violation(f"{spec.id}: start {number} has {numbers.count(number)} startup runs", spec.id)
        if spec.startup and not rows:
            yield Violation(f"{spec.id}: it never ran at a start", spec.id)
        if len(rows) > len(alone):
            sentence = f"{len(rows)} startup runs, though the schedule was started at most {len(alone)} times"
            yield Violation(f"{spec.id}: {sentence}", spec.id)


def started_anew(history: History, harm: Harm) -> Iterator[Violation]:
    """R3: a start while no process was alive has its startup runs, if those who begin then are left alone."""
    for begin in _beginnings(history):
        end = begin + _KNOWN
        if harm.near(begin, end, (*DEADLY, *ENDING, *PARTED, *LEDGER)):
            continue
        if max(history.clock.instants(history.until), default=0) < end:
            continue
        for spec in history.schedule:
            if spec.startup and not any(begin <= at <= end for at in _startups_at(history, harm, spec.id)):
                yield Violation(f"{spec.id}: the start at {begin} has no startup run", spec.id)


def _beginnings(history: History) -> Iterator[int]:
    """Yield when processes that claim began while none was alive."""
    alive_until = -1
    for life in sorted(history.lives, key=lambda life: life.begin):
        if life.role != "worker":
            if life.begin > alive_until:
                yield life.begin
            alive_until = max(alive_until, life.end)


def _startups_at(history: History, harm: Harm, job: str) -> Iterator[int]:
    """Yield when the startup runs of a job were due, or began: a retry makes it due later."""
    for row in history.rows_of(job):
        if row["kind"] == "startup":
            yield from harm.instants(row["due_us"])
    yield from (start.at for start in history.starts if start.job == job and start.kind == "startup")


def _has_company(history: History, harm: Harm, begin: int, life: object) -> bool:
    """Return whether, when a process began, another was up, stayed up and could send heartbeats."""
    # Long enough for three heartbeats.
    end = begin + 20 * SECOND
    return not harm.near(begin - SECOND, end, [*LEDGER, *CLOCK, "busy"]) and any(
        other is not life
        and other.ready is not None
        and other.ready <= begin
        and other.end >= end
        and not harm.near(begin, end, pid=other.pid)
        for other in history.lives
        if other.role != "worker"
    )
