"""Runs that wait for others of their job (R7, R14).

The oldest begins first, also if it was cut off. Only the newest tick waits where that is asked for, and a run
that is to make way for it ends soon.
"""

from __future__ import annotations

from collections.abc import Iterator

from torture.faults import DEADLY, ENDING, LEDGER, PARTED, Harm, name
from torture.history import History, Row, Start, Violation
from torture.jobs import SECOND, JobSpec

# By then a tick that is due has taken the place of an older one that waited.
_NOTICED = SECOND
# By then a run has ended that is to make way: some process looks for what waits, and its own hears of it.
_HEEDED = 3 * SECOND
_ENDLESS = 2**62
# The bodies that end when they are cancelled, and write that down.
_TELL = ("slow", "endless")


def oldest_first(history: History, harm: Harm) -> Iterator[Violation]:
    """R14: a run that was cut off, and may begin again, does so before newer ticks of its job begin."""
    for spec in history.specs.values():
        if spec.changes:
            # Not each process decides about it.
            continue
        newer = [row for row in history.rows_of(spec.id) if _began_as_a_tick(row) and row["started_us"]]
        for row, cut, again in _cut_off(history, spec):
            first = next((it for it in newer if _went_before(it, row, cut, again)), None)
            if first is not None and not _harmed_meanwhile(harm, cut, first["claimed_us"], again):
                sentence = f"began before attempt {row['attempt']} of {name(row)}, which waited"
                yield Violation(f"{name(first)} {sentence}", spec.id, first["tick_us"])


def _cut_off(history: History, spec: JobSpec) -> Iterator[tuple[Row, int, int]]:
    """Yield each run that was cut off, when that was found, and when its next attempt was claimed."""
    rows = {row["run_id"]: row for row in history.rows_of(spec.id) if row["kind"] != "backfill"}
    for attempt in history.attempts:
        row = rows.get(attempt["run_id"])
        if row is None or attempt["state"] not in ("lost", "interrupted") or row["claimed_us"] is None:
            continue
        if attempt["attempt"] + 1 == row["attempt"] and not history.asked_of("retry", row["run_id"]):
            yield row, attempt["finished_us"], row["claimed_us"]


def _went_before(newer: Row, row: Row, cut: int, again: int) -> bool:
    """Return whether a newer tick was claimed when a run had waited for a moment, and began before it."""
    is_newer = row["due_us"] < newer["due_us"] and row["run_id"] != newer["run_id"]
    return bool(is_newer and cut + _NOTICED < newer["claimed_us"] and newer["started_us"] < again)


def _harmed_meanwhile(harm: Harm, *shown: int) -> bool:
    """Return whether it is not known in which order things were, or who held a run between them."""
    instants = [harm.instants(each) for each in shown]
    if any(len(each) != 1 for each in instants):
        return True
    begin, *_others, end = (at for [at] in instants)
    return harm.near(begin, end, (*DEADLY, *ENDING, *PARTED)) or harm.near(
        begin - SECOND, end, (*LEDGER, "busy")
    )


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
    attempts = {(row["run_id"], row["attempt"]): row for row in [*history.attempts, *history.runs]}
    for start in history.starts:
        spec = history.specs.get(start.job)
        if spec is None or spec.overlap != "replace" or spec.body not in _TELL:
            continue
        given_up = _given_up(harm, start, attempts.get((start.run, start.attempt)))
        ended = min(start.end or ends[start.pid], ends[start.pid], given_up)
        for due in _due_meanwhile(history, harm, spec, start):
            begin, end = due - SECOND, due + _HEEDED
            if ended > end and harm.someone_fit(begin, end) and not harm.disturbed(start.pid, begin, end):
                sentence = f"goes on {_HEEDED // SECOND} s after a newer tick was due"
                what = f"{start.job}: attempt {start.attempt} of {start.tick} {sentence}"
                yield Violation(what, start.job, start.tick, start.pid)
                break


def _given_up(harm: Harm, start: Start, attempt: Row | None) -> int:
    """Return when others recorded the end of a body while its process was cut off.

    No tick waits for it since then. When that process goes on, so does the body.
    """
    ended = None if attempt is None else attempt["finished_us"]
    instants = [] if ended is None else harm.instants(ended)
    return min((at for at in instants if harm.near(at, at, PARTED, start.pid)), default=_ENDLESS)


def _due_meanwhile(history: History, harm: Harm, spec: JobSpec, start: Start) -> Iterator[int]:
    """Yield when newer ticks were due that waited for a run: each is on record, and was not too late."""
    for row in history.rows_of(spec.id):
        late = row["state"] == "skipped" and row["reason"] != "coalesced"
        if row["tick_us"] is None or row["tick_us"] <= start.tick or row["attempt"] > 1 or late:
            continue
        yield from (at for at in harm.instants(row["due_us"]) if at > start.at + SECOND)
