"""Was the tick contract kept? Reads only the schedule, the harm, the bodies' file and the ledger's rows."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from torture.nemesis import Fault
from torture.world import JobSpec

# How young a tick may be and not yet be accounted for.
_SETTLING = 3_000_000
_FINAL = {"succeeded", "failed", "timed_out", "cancelled", "interrupted", "lost", "skipped"}
_MOST_CRASHES = 3


@dataclass(frozen=True)
class Start:
    """One entry of a body, as the body itself wrote it down; `end` is None if it never got there."""

    job: str
    tick: int
    attempt: int
    pid: int
    at: int
    end: int | None


@dataclass
class Evidence:
    """All that the checker looks at. `until`: the wall clock, in us, when the quiet period ended."""

    schedule: list[JobSpec]
    faults: list[Fault]
    starts: list[Start]
    runs: list[dict[str, Any]]
    attempts: list[dict[str, Any]]
    jobs: dict[str, dict[str, Any]]
    until: int


def read_starts(file: Path) -> list[Start]:
    """Read the bodies' file; an entry ends with the next `end` of the same attempt and process."""
    found: list[Start] = []
    begun: dict[tuple[str, ...], int] = {}
    for line in file.read_text().splitlines():
        word, job, tick, attempt, pid, at = line.split()
        key = (job, tick, attempt, pid)
        if word == "start":
            begun[key] = len(found)
            found.append(Start(job, int(tick), int(attempt), int(pid), int(at), None))
        else:
            index = begun[key]
            found[index] = replace(found[index], end=int(at))
    return found


def read_ledger(file: Path) -> tuple[list[dict[str, Any]], list[dict[str, Any]], dict[str, dict[str, Any]]]:
    with closing(sqlite3.connect(file)) as connection:
        connection.row_factory = sqlite3.Row
        runs = [dict(row) for row in connection.execute("SELECT * FROM scheduler_runs ORDER BY run_id")]
        attempts = [dict(row) for row in connection.execute("SELECT * FROM scheduler_attempts")]
        jobs = {row["job_id"]: dict(row) for row in connection.execute("SELECT * FROM scheduler_jobs")}
    return runs, attempts, jobs


def violations(evidence: Evidence) -> Iterator[str]:
    """Yield a sentence for each breach of the contract."""
    yield from _unaccounted(evidence)
    yield from _invented(evidence)
    yield from _not_unique(evidence)
    yield from _repeated_without_reason(evidence)
    yield from _ledger_against_file(evidence)
    yield from _overlapping(evidence)


def _unaccounted(evidence: Evidence) -> Iterator[str]:
    """R1: every tick since the registration has a row, or lies in a range row."""
    rows = _by_job(evidence.runs)
    for spec in evidence.schedule:
        job = evidence.jobs[spec.id]
        single = {row["tick_us"] for row in rows[spec.id] if row["last_tick_us"] is None}
        ranges = [(r["tick_us"], r["last_tick_us"]) for r in rows[spec.id] if r["last_tick_us"] is not None]
        tick = (job["changed_us"] // spec.step + 1) * spec.step
        while tick < evidence.until - _SETTLING:
            if tick not in single and not any(first <= tick <= last for first, last in ranges):
                yield f"{spec.id}: tick {tick} has no outcome"
            tick += spec.step
        for row in rows[spec.id]:
            old = row["due_us"] < evidence.until - _SETTLING - 20_000_000
            if old and row["state"] not in _FINAL:
                yield f"{spec.id}: tick {row['tick_us']} is still {row['state']}"


def _invented(evidence: Evidence) -> Iterator[str]:
    """R2: only ticks of the schedule, counted rightly, and none started before it was due."""
    steps = {spec.id: spec.step for spec in evidence.schedule}
    for row in evidence.runs:
        step = steps.get(row["job_id"])
        if step is None or row["tick_us"] is None:
            continue
        if row["tick_us"] % step:
            yield f"{row['job_id']}: {row['tick_us']} is no tick of the schedule"
        if row["tick_count"] is not None:
            expected = (row["last_tick_us"] - row["tick_us"]) // step + 1
            if row["tick_count"] != expected:
                yield f"{row['job_id']}: a range counts {row['tick_count']} ticks instead of {expected}"
        if row["started_us"] is not None and row["started_us"] < row["due_us"]:
            yield f"{row['job_id']}: tick {row['tick_us']} started before it was due"


def _not_unique(evidence: Evidence) -> Iterator[str]:
    """R3: no tick twice, neither as rows nor in a range and as a row."""
    for job_id, rows in _by_job(evidence.runs).items():
        last = -1
        for row in sorted((r for r in rows if r["tick_us"] is not None), key=lambda r: r["tick_us"]):
            if row["tick_us"] <= last:
                yield f"{job_id}: tick {row['tick_us']} is accounted for twice"
            last = max(last, row["last_tick_us"] or row["tick_us"])


def _repeated_without_reason(evidence: Evidence) -> Iterator[str]:
    """R6: another start of a tick only after harm to the process of the earlier one, or a failure."""
    retried = {spec.id for spec in evidence.schedule if spec.retries}
    reruns = {spec.id: spec.reruns for spec in evidence.schedule}
    for (job, tick), starts in _by_tick(evidence.starts).items():
        if job not in reruns:
            continue
        numbers = [start.attempt for start in starts]
        if len(numbers) != len(set(numbers)):
            yield f"{job}: tick {tick} began attempt {max(numbers, key=numbers.count)} twice"
        if len(starts) > 1 and not reruns[job]:
            yield f"{job}: tick {tick} began {len(starts)} times, though on_crash is skip"
        if len(starts) > 1 + _MOST_CRASHES and job not in retried:
            yield f"{job}: tick {tick} began {len(starts)} times"
        for earlier, later in pairwise(starts):
            if job not in retried and not _harmed(evidence.faults, earlier, later.at):
                yield f"{job}: tick {tick} began again in {later.pid} though nobody harmed {earlier.pid}"


def _ledger_against_file(evidence: Evidence) -> Iterator[str]:
    """The ledger and the bodies tell the same story."""
    starts = {(s.job, s.tick, s.attempt): s for s in evidence.starts}
    known = {spec.id for spec in evidence.schedule}
    rows = {(row["job_id"], row["tick_us"]): row for row in evidence.runs}
    ran = _by_tick(evidence.starts)
    for row in evidence.runs:
        if row["job_id"] not in known:
            continue
        start = starts.get((row["job_id"], row["tick_us"], row["attempt"]))
        name = f"{row['job_id']}: tick {row['tick_us']}"
        if row["state"] == "skipped" and (row["job_id"], row["tick_us"]) in ran:
            yield f"{name} is recorded as skipped, but it ran"
        if row["state"] in ("succeeded", "failed") and (start is None or start.end is None):
            yield f"{name} is recorded as {row['state']}, but attempt {row['attempt']} did not end"
        if row["job_id"] == "flaky" and row["state"] == "succeeded" and row["attempt"] % 3:
            yield f"{name} is recorded as succeeded, but attempt {row['attempt']} raised"
        if row["job_id"] != "flaky" and row["state"] == "failed":
            yield f"{name} is recorded as failed, but it never fails"
    for start in evidence.starts:
        found = rows.get((start.job, start.tick))
        if start.job in known and (found is None or found["attempt"] < start.attempt):
            yield f"{start.job}: tick {start.tick} ran attempt {start.attempt} that the ledger does not know"


def _overlapping(evidence: Evidence) -> Iterator[str]:
    """R7: never more bodies of a job at once than `max_instances`, unless a frozen one was replaced."""
    limits = {spec.id: spec.max_instances for spec in evidence.schedule}
    by_job: dict[str, list[Start]] = defaultdict(list)
    for start in evidence.starts:
        if start.end is not None and start.job in limits:
            by_job[start.job].append(start)
    for job, starts in by_job.items():
        starts.sort(key=lambda start: start.at)
        for index, start in enumerate(starts):
            inside = [s for s in starts[:index] if s.end is not None and s.end > start.at]
            excused = [s for s in inside if _harmed(evidence.faults, s, s.end or start.at)]
            if len(inside) - len(excused) >= limits[job]:
                yield f"{job}: tick {start.tick} began while {len(inside)} others were under way"


def _harmed(faults: list[Fault], start: Start, until: int) -> bool:
    return any(f.pid == start.pid and f.end >= start.at and f.begin <= until for f in faults)


def _by_job(rows: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        found[row["job_id"]].append(row)
    return found


def _by_tick(starts: list[Start]) -> dict[tuple[str, int], list[Start]]:
    found: dict[tuple[str, int], list[Start]] = defaultdict(list)
    for start in sorted(starts, key=lambda start: start.at):
        found[start.job, start.tick].append(start)
    return found
