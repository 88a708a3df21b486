"""What runs say of themselves is on record: how far they are, what they return, and nothing else (R15)."""

from __future__ import annotations

import json
from collections.abc import Iterator

from torture.faults import Harm
from torture.history import History, Row, Start, Violation
from torture.jobs import SECOND, STEP, WHOLE

# The body that says how far it is, step by step, and returns something.
_TELLING = "tell"
# The first that an attempt says is written by a thread that looks about each second; what follows once a
# second, so that it may have to wait for the second look.
_FIRST_WRITTEN, _WRITTEN = int(1.5 * SECOND), int(2.5 * SECOND)
# Between what an attempt says and the line that it writes about that.
_SAYING = SECOND
# These ends are written by the process of the attempt itself, with the last of what that said.
_OF_ITSELF = ("succeeded", "failed", "timed_out", "cancelled", "interrupted")


def progress(history: History, harm: Harm) -> Iterator[Violation]:
    """What is on record of an attempt is something that it said; after its end, the last of that."""
    starts = {(start.run, start.attempt): start for start in history.starts}
    attempts, reports = _attempts(history), _reports(history)
    for key in dict.fromkeys([*starts, *reports]):
        start, attempt, row = starts.get(key), attempts.get(key), reports.get(key)
        if row is not None and (start is None or attempt is None):
            run, number = key
            yield Violation(f"run {run} attempt {number} is said to be at {row['share']}, and did not begin")
        elif start is not None and attempt is not None:
            yield from _progress_of(start, attempt, row, history, harm)


def _progress_of(
    start: Start, attempt: Row, row: Row | None, history: History, harm: Harm
) -> Iterator[Violation]:
    last, state = _last(start), attempt["state"]
    share = 0 if row is None else row["share"] or 0
    # It may have been killed between saying something and writing the line about it.
    ahead = STEP if start.end is None else 0
    is_one_of_its_own = not share % STEP and 0 < share <= last + ahead
    if row is not None and not (is_one_of_its_own and row["note"] == f"step {share // STEP}"):
        yield _violation(start, f"is said to be at {share} ({row['note']}), and was at {last}")
    elif share < last and _ended_by_itself(start, attempt, harm):
        yield _violation(start, f"is {state} and said to be at {share}, though it was at {last}")
    elif row is not None and _is_said_at_another_time(history, harm, row, start):
        yield _violation(start, f"is said to have been at {share} at another time than it was")


def _ended_by_itself(start: Start, attempt: Row, harm: Harm) -> bool:
    """Return whether the process of an attempt wrote down how that ended.

    Of one that was asked to end, and whose process died before, another process writes that it is cancelled.
    """
    if attempt["state"] != "cancelled":
        return attempt["state"] in _OF_ITSELF
    return not harm.harmed(start, max(harm.instants(attempt["finished_us"]), default=start.at))


def _is_said_at_another_time(history: History, harm: Harm, row: Row, start: Start) -> bool:
    at = dict(start.said).get(row["share"])
    if at is None or harm.disturbed(start.pid, at - SECOND, at + SECOND):
        return False
    return bool(abs(row["at_us"] - history.clock.shows(at)) > _SAYING)


def results(history: History, harm: Harm) -> Iterator[Violation]:
    """What a run returned is on record with the attempt that returned it, and with no other."""
    attempts, reports = _attempts(history), _reports(history)
    for start in history.starts:
        key = (start.run, start.attempt)
        spec = history.specs.get(start.job)
        if spec is None or spec.body != _TELLING or key not in attempts:
            continue
        row, state = reports.get(key), attempts[key]["state"]
        found = None if row is None else row["result"]
        if state != "succeeded":
            if found is not None:
                yield _violation(start, f"is {state}, and has the result {found}")
        elif row is None or found is None or not row["is_json"]:
            yield _violation(start, f"succeeded, and its result is {found}")
        elif row["share"] != WHOLE:
            yield _violation(start, f"succeeded, and is said to be at {row['share']}")
        elif {**json.loads(found), "number": 0} != {"number": 0, "run": start.run, "attempt": start.attempt}:
            yield _violation(start, f"has the result of another one: {found}")


def fresh(history: History, harm: Harm) -> Iterator[Violation]:
    """Of an attempt that died, what it had said until shortly before is on record."""
    reports = _reports(history)
    ends = {life.pid: life.end for life in history.lives}
    for start in history.starts:
        if start.end is not None or not start.said:
            continue
        died = min(ends.get(start.pid, start.said[-1][1]), start.said[-1][1])
        row = reports.get((start.run, start.attempt))
        known = None if row is None else row["share"]
        for number, (share, at) in enumerate(start.said):
            written = at + (_WRITTEN if number else _FIRST_WRITTEN)
            if written >= died or (known or 0) >= share:
                continue
            if not harm.disturbed(start.pid, at - SECOND, written) and not harm.to_all(at - SECOND, written):
                yield _violation(
                    start, f"was at {share} long before it died, and is said to have been at {known}"
                )
                break


def _attempts(history: History) -> dict[tuple[int, int], Row]:
    return {(row["run_id"], row["attempt"]): row for row in [*history.attempts, *history.runs]}


def _reports(history: History) -> dict[tuple[int, int], Row]:
    return {(row["run_id"], row["attempt"]): row for row in history.reports}


def _last(start: Start) -> int:
    return start.said[-1][0] if start.said else 0


def _violation(start: Start, sentence: str) -> Violation:
    what = f"{start.job}: attempt {start.attempt} of tick {start.tick}"
    return Violation(f"{what} {sentence}", start.job, start.tick, start.pid)
