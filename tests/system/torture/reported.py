"""How far runs are, and what they returned: on record is what each attempt itself said, and nothing else.

Of jobs whose runs say it step by step. Those that say it twice are looked at in `told`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from torture.faults import Harm
from torture.history import History, Row, Start, Violation
from torture.jobs import SECOND, STEP, WHOLE

# The body of `told`.
_TWICE = "telling"
# What an attempt said is written once a second, by a thread that looks about each second.
_WRITTEN = int(2.5 * SECOND)
# Between what an attempt says and the line that it writes about that.
_SAYING = SECOND
# These ends are written by the process of the attempt itself, with the last of what that said.
_OF_ITSELF = ("succeeded", "failed", "timed_out", "cancelled", "interrupted")


def progress(history: History, harm: Harm) -> Iterator[Violation]:
    """What is on record of an attempt is something that it said; after its end, the last of that."""
    starts = {(start.run, start.attempt): start for start in history.starts}
    states = _states(history)
    others = {spec.id for spec in history.specs.values() if spec.body == _TWICE}
    for row in history.reports:
        start, state = (
            starts.get((row["run_id"], row["attempt"])),
            states.get((row["run_id"], row["attempt"])),
        )
        if start is not None and start.job in others:
            continue
        what = f"run {row['run_id']} attempt {row['attempt']}"
        if start is None or state is None:
            yield Violation(f"{what} is said to be at {row['share']}, and did not begin")
            continue
        share, last = row["share"] or 0, _last(start)
        # It may have been killed between saying something and writing the line about it.
        ahead = STEP if start.end is None else 0
        if share % STEP or not 0 < share <= last + ahead or row["note"] != f"step {share // STEP}":
            yield _violation(start, f"is said to be at {share} ({row['note']}), and was at {last}")
        elif state in _OF_ITSELF and share < last:
            yield _violation(start, f"is {state} and said to be at {share}, though it was at {last}")
        elif _is_said_at_another_time(history, harm, row, start):
            yield _violation(start, f"is said to have been at {share} at another time than it was")


def _is_said_at_another_time(history: History, harm: Harm, row: Row, start: Start) -> bool:
    at = dict(start.said).get(row["share"])
    if at is None or harm.disturbed(start.pid, at - SECOND, at + SECOND):
        return False
    return bool(abs(row["at_us"] - history.clock.shows(at)) > _SAYING)


def results(history: History, harm: Harm) -> Iterator[Violation]:
    """What a run returned is on record with the attempt that returned it, and with no other."""
    reports = {(row["run_id"], row["attempt"]): row for row in history.reports}
    states = _states(history)
    for start in history.starts:
        key = (start.run, start.attempt)
        spec = history.specs.get(start.job)
        if spec is None or spec.body != "tell" or key not in states:
            continue
        row = reports.get(key)
        found = None if row is None else row["result"]
        if states[key] != "succeeded":
            if found is not None:
                yield _violation(start, f"is {states[key]}, and has the result {found}")
        elif row is None or found is None or not row["is_json"]:
            yield _violation(start, f"succeeded, and its result is {found}")
        elif row["share"] != WHOLE:
            yield _violation(start, f"succeeded, and is said to be at {row['share']}")
        elif {**json.loads(found), "number": 0} != {"number": 0, "run": start.run, "attempt": start.attempt}:
            yield _violation(start, f"has the result of another one: {found}")


def fresh(history: History, harm: Harm) -> Iterator[Violation]:
    """Of an attempt that died, what it had said until shortly before is on record."""
    reports = {(row["run_id"], row["attempt"]): row["share"] or 0 for row in history.reports}
    ends = {life.pid: life.end for life in history.lives}
    for start in history.starts:
        if start.end is not None or not start.said:
            continue
        died = min(ends.get(start.pid, start.said[-1][1]), start.said[-1][1])
        old = [(share, at) for share, at in start.said if at < died - _WRITTEN]
        share, at = old[-1] if old else (0, died)
        if reports.get((start.run, start.attempt), 0) >= share:
            continue
        if not harm.disturbed(start.pid, at - SECOND, at + _WRITTEN) and not harm.to_all(
            at - SECOND, at + _WRITTEN
        ):
            known = reports.get((start.run, start.attempt))
            yield _violation(
                start, f"was at {share} long before it died, and is said to have been at {known}"
            )


def _states(history: History) -> dict[tuple[int, int], str]:
    return {(row["run_id"], row["attempt"]): row["state"] for row in [*history.attempts, *history.runs]}


def _last(start: Start) -> int:
    return start.said[-1][0] if start.said else 0


def _violation(start: Start, sentence: str) -> Violation:
    what = f"{start.job}: attempt {start.attempt} of tick {start.tick}"
    return Violation(f"{what} {sentence}", start.job, start.tick, start.pid)
