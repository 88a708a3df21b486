"""Requests about single runs: each that was answered is carried out once, and nothing else is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from torture import deploys
from torture.completeness import FINAL
from torture.faults import Harm, name
from torture.history import History, Request, Row, Start, Violation
from torture.jobs import SECOND

# A cancellation is carried out within about a second by a process that is well.
_HEEDED = 3 * SECOND
# The bodies that write down their end also when they are cancelled.
_TELL = ("slow", "endless")
# How long the ledger may be busy, or away, until all that waits for it is done.
_SETTLED = 20 * SECOND


def run_by_hand(history: History, harm: Harm) -> Iterator[Violation]:
    """Each run that a person asked for is there once, and none is there that nobody asked for."""
    known = {it.run: it.job for it in history.asked if it.what == "run now" and it.answer == "done"}
    unknown = Counter(it.job for it in history.asked if it.what == "run now" and it.answer == "unknown")
    rows = {row["run_id"]: row for row in history.runs if row["kind"] == "manual"}
    for run, job in known.items():
        if run not in rows or rows[run]["job_id"] != job:
            yield Violation(f"{job}: run {run} was asked for, and is not there", job)
    left = Counter(row["job_id"] for run, row in rows.items() if run not in known)
    for job, number in (left - unknown).items():
        yield Violation(f"{job}: {number} run(s) are there that nobody asked for", job)


def cancelled(history: History, harm: Harm) -> Iterator[Violation]:
    """A run that was cancelled ends, soon if it can be, and begins no more unless a person retries it."""
    rows = {row["run_id"]: row for row in history.runs}
    for it in history.asked:
        if it.what != "cancel" or it.answer != "done" or it.run not in rows or _retried_after(history, it):
            continue
        row = rows[it.run]
        if row["state"] not in FINAL and history.clock.shows(it.end) < history.until - _SETTLED:
            yield Violation(f"{name(row)} was cancelled, and is {row['state']}", it.job, row["tick_us"])
        for start in history.starts:
            if start.run != it.run:
                continue
            if start.at > it.end + _HEEDED and not _delayed(harm, start, it.end, start.at):
                sentence = f"began attempt {start.attempt} after it had been cancelled"
                yield Violation(f"{name(row)} {sentence}", it.job, row["tick_us"], start.pid)
            elif _goes_on(history, harm, it, start):
                sentence = f"goes on {_HEEDED // SECOND} s after it had been cancelled"
                yield Violation(f"{name(row)} {sentence}", it.job, row["tick_us"], start.pid)


def _retried_after(history: History, cancel: Request) -> bool:
    return any(it.end >= cancel.begin for it in history.asked_of("retry", cancel.run))


def _delayed(harm: Harm, start: Start, begin: int, end: int) -> bool:
    """Return whether the process of a body could not learn in time that its run was cancelled."""
    return harm.disturbed(start.pid, begin - SECOND, end) or harm.to_all(begin, end)


def _goes_on(history: History, harm: Harm, cancel: Request, start: Start) -> bool:
    spec, until = history.specs[start.job], cancel.end + _HEEDED
    life = next(life for life in history.lives if life.pid == start.pid)
    under_way = start.at < cancel.end and (start.end or life.end) > until
    return (
        under_way
        and spec.body in _TELL
        and life.end > until
        and not _delayed(harm, start, cancel.begin, until)
    )


def retried(history: History, harm: Harm) -> Iterator[Violation]:
    """A run that a person has tried again gets its attempt, unless it was cancelled or its job removed."""
    rows = {row["run_id"]: row for row in history.runs}
    for it in history.asked:
        if it.what != "retry" or it.answer != "done":
            continue
        row = rows.get(it.run)
        if row is None:
            yield Violation(f"{it.job}: run {it.run} was to be tried again, and is not there", it.job)
        elif _is_superseded(history, row):
            continue
        elif row["attempt"] < it.attempt and not _taken_back(history, it):
            sentence = f"is at attempt {row['attempt']}, though attempt {it.attempt} was asked for"
            yield Violation(f"{name(row)} {sentence}", it.job, row["tick_us"])
        elif row["state"] in FINAL and not _taken_back(history, it) and not _was_entered(history, it, row):
            sentence = f"is {row['state']}, and attempt {it.attempt}, which was asked for, did not begin"
            yield Violation(f"{name(row)} {sentence}", it.job, row["tick_us"])


def taken_back(history: History, harm: Harm) -> Iterator[Violation]:
    """R15: a retry that was cancelled before any process took it leaves its run as it had ended."""
    earlier = {(each["run_id"], each["attempt"]): each for each in history.attempts}
    for row in history.runs:
        before = earlier.get((row["run_id"], row["attempt"] - 1))
        if row["state"] == "cancelled" and before is not None and not _was_claimed(harm, row, before):
            sentence = f"is cancelled, and was {before['state']}: attempt {row['attempt']} was never claimed"
            yield Violation(f"{name(row)} {sentence}", row["job_id"], row["tick_us"])


def _was_claimed(harm: Harm, row: Row, before: Row) -> bool:
    """Return whether a run was claimed since the attempt before, or may have been."""
    if row["process_id"] is not None:
        # Also where a further retry was taken back: when such an attempt was claimed is known no more, if it
        # ended before it was recorded as started.
        return True
    if row["claimed_us"] is None:
        return False
    # Not since it was recorded as started: that may be the instant at which it was due, and its process have
    # died before. With a clock that was set back, a later claim may have an earlier instant.
    return row["claimed_us"] >= before["finished_us"] or harm.near(0, 2**62, ["clock back"])


def _is_superseded(history: History, row: Row) -> bool:
    """Return whether the startup run of a later start took the place of one that waited."""
    return row["kind"] == "startup" and any(
        (other["start_number"] or 0) > row["start_number"] for other in history.rows_of(row["job_id"])
    )


def _was_entered(history: History, retry: Request, row: Row) -> bool:
    """Return whether an attempt began, or was cut off before it could."""
    return (
        any(start.run == retry.run and start.attempt >= retry.attempt for start in history.starts)
        or row["state"] in ("lost", "interrupted")
        # It made way for a later tick.
        or row.get("replaced_by_us") is not None
        or row["attempt"] > retry.attempt
    )


def _taken_back(history: History, retry: Request) -> bool:
    spec = history.specs[retry.job]
    absent = any(end > retry.begin for _begin, end in deploys.absences(history, spec))
    return (
        absent
        or deploys.is_removed_between(history, spec, retry.begin, 2**62)
        or any(it.end >= retry.begin for it in history.asked_of("cancel", retry.run))
    )
