"""What runs say of themselves is on record: how far they are, and what they return (R15).

Of jobs whose runs do no more than that. Those that say it step by step are looked at in `reported`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from torture.faults import ENDING, LEDGER, PARTED, Harm
from torture.history import History, Row, Start, Violation
from torture.jobs import SECOND

# The body that does so, and how far it says that it is, in ten-thousandths; and one that does so by steps.
_TELLING, _BY_STEPS = "telling", "tell"
_FIRST, _LAST = 2_500, 7_500
# By then it is on record how far a run is.
_WRITTEN = int(1.5 * SECOND)


def told(history: History, harm: Harm) -> Iterator[Violation]:
    """Each attempt that said something has a row of it, and no other has one."""
    kept = {(row["run_id"], row["attempt"]): row for row in history.reports}
    states = {(each["run_id"], each["attempt"]): each["state"] for each in [*history.runs, *history.attempts]}
    bodies = {spec.id: spec.body for spec in history.specs.values()}
    tellers = [start for start in history.starts if bodies.get(start.job) == _TELLING]
    for start in tellers:
        key = start.run, start.attempt
        sentence = _wrong(start, states.get(key), kept.pop(key, None), history, harm)
        if sentence:
            what = f"{start.job}: attempt {start.attempt} of {start.tick} {sentence}"
            yield Violation(what, start.job, start.tick, start.pid)
    by_steps = {row["run_id"] for row in history.runs if bodies.get(row["job_id"]) == _BY_STEPS}
    for run, attempt in kept.keys() - {key for key in kept if key[0] in by_steps}:
        yield Violation(f"run {run} is on record with what attempt {attempt} said, which said nothing")


def _wrong(start: Start, state: str | None, row: Row | None, history: History, harm: Harm) -> str:
    if state == "succeeded":
        returned = json.dumps({"run": start.run, "attempt": start.attempt})
        if row is None or row["result"] != returned:
            return f"returned {returned}, and on record is {row and row['result']}"
        return "" if row["share"] == _LAST else f"was at {_LAST}, and on record is {row['share']}"
    if row is not None:
        return "" if row["share"] in (_FIRST, _LAST) else f"is on record to be at {row['share']}"
    life = next(life for life in history.lives if life.pid == start.pid)
    written = start.at + _WRITTEN
    troubled = harm.near(start.at, written, (*LEDGER, *PARTED, *ENDING, "busy"))
    ended = min(start.end or life.end, life.end)
    return "" if troubled or ended < written else "said how far it is, and nothing is on record"
