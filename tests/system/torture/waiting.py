"""Ticks that wait for earlier runs of their job (R7, R14).

Only the newest one does where that is asked for, and a run that is to make way for it ends soon.
"""

from __future__ import annotations

from collections.abc import Iterator

from torture.faults import Harm, name
from torture.history import History, Row, Start, Violation
from torture.jobs import SECOND, JobSpec

# By then a tick that is due has taken the place of an older one that waited.
_NOTICED = SECOND
# By then a run has ended that is to make way: some process looks for what waits, and its own hears of it.
_HEEDED = 3 * SECOND
# The bodies that end when they are cancelled, and write that down.
_TELL = ("slow", "endless")


def newest_only(history: History, harm: Harm) -> Iterator[Violation]:
    """Where only the newest tick waits no older one begins, once a newer one has waited for a moment."""
    for spec in history.specs.values():
        if spec.overlap not in ("wait-one", "replace"):
            continue
        rows = [row for row in history.rows_of(spec.id) if _began_as_a_tick(row)]
        for row in rows:
            newer = [other for other in rows if row["tick_us"] < other["tick_us"] and _waited(other, row)]
            if newer and not _disturbed(harm, row):
                sentence = f"began though tick {newer[0]['tick_us']} waited, which is newer"
                yield Violation(f"{name(row)} {sentence}", spec.id, row["tick_us"])


def _began_as_a_tick(row: Row) -> bool:
    return row["tick_us"] is not None and row["attempt"] == 1 and row["claimed_us"] is not None


def _waited(newer: Row, row: Row) -> bool:
    """Return whether a newer tick had been due for a moment when a run was claimed, and was claimed later."""
    claimed: int = row["claimed_us"]
    return bool(newer["due_us"] + _NOTICED < claimed < newer["claimed_us"])


def _disturbed(harm: Harm, row: Row) -> bool:
    """Return whether anything happened from when a run was due until it was claimed."""
    instants = [at for shown in (row["due_us"], row["claimed_us"]) for at in harm.instants(shown)]
    return not instants or harm.anything(min(instants) - SECOND, max(instants))


def makes_way(history: History, harm: Harm) -> Iterator[Violation]:
    """With `overlap="replace"` a run ends soon when a newer tick of its job is due."""
    ends = {life.pid: life.end for life in history.lives}
    for start in history.starts:
        spec = history.specs.get(start.job)
        if spec is None or spec.overlap != "replace" or spec.body not in _TELL:
            continue
        ended = min(start.end or ends[start.pid], ends[start.pid])
        for due in _due_meanwhile(history, harm, spec, start):
            begin, end = due - SECOND, due + _HEEDED
            if ended > end and harm.someone_fit(begin, end) and not harm.disturbed(start.pid, begin, end):
                sentence = f"goes on {_HEEDED // SECOND} s after a newer tick was due"
                what = f"{start.job}: attempt {start.attempt} of {start.tick} {sentence}"
                yield Violation(what, start.job, start.tick, start.pid)
                break


def _due_meanwhile(history: History, harm: Harm, spec: JobSpec, start: Start) -> Iterator[int]:
    """Yield when ticks were due that waited for a run: each is on record, and was not too late."""
    for row in history.rows_of(spec.id):
        late = row["state"] == "skipped" and row["reason"] != "coalesced"
        if row["tick_us"] is None or row["attempt"] > 1 or late or row["run_id"] == start.run:
            continue
        yield from (at for at in harm.instants(row["due_us"]) if at > start.at + SECOND)
