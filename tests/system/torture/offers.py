"""Jobs that people add, change and remove by the API: what they were told is so, and is done once."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator

from torture.faults import Harm
from torture.history import Act, History, Violation
from torture.jobs import SECOND

# A process that is well has taken up a change by then.
_TAKEN_UP = 3 * SECOND


def kept(history: History, harm: Harm) -> Iterator[Violation]:
    """A job is there from when a person was told that it is added, until one is told that it is removed."""
    for act in history.acts:
        job, row = act.job, history.jobs.get(act.job)
        removals = history.acts_on(job, "remove")
        if act.what == "add" and act.answer == "refused" and (row is not None or history.rows_of(job)):
            yield Violation(f"{job}: it was refused when it was to be added, and is there all the same", job)
        elif act.what == "add" and act.answer == "done" and row is None:
            yield Violation(f"{job}: it was added, as was said, and is not there", job)
        elif act.what == "add" and row is not None and row["removed_us"] is not None and not removals:
            yield Violation(f"{job}: it is removed, though nobody removed it", job)
        elif act.what == "remove" and act.answer == "done" and row is not None and row["removed_us"] is None:
            yield Violation(f"{job}: it was removed, as was said, and is there all the same", job)


def as_they_were_given(history: History, harm: Harm) -> Iterator[Violation]:
    """A job has the schedule and the argument that it was last given."""
    for job in {act.job: None for act in history.acts}:
        row = history.jobs.get(job)
        if row is None or row["removed_us"] is not None:
            continue
        last = _since_the_last_answered(history.acts_on(job, "add", "change"))
        number = json.loads(row["call_data"])["kwargs"]["number"]
        if last and not any(_is_of(act, row["definition"], number) for act in last):
            sentence = f"it is {row['definition']!r} with {number}, and not as it was last given"
            yield Violation(f"{job}: {sentence}", job)


def _since_the_last_answered(acts: list[Act]) -> list[Act]:
    """Return the last one that was done for certain, and those after it that may have been."""
    done = [index for index, act in enumerate(acts) if act.answer == "done"]
    return acts[done[-1] :] if done else acts


def _is_of(act: Act, definition: str, number: int) -> bool:
    return f"interval {act.step}us" in definition and act.number == number


def audited(history: History, harm: Harm) -> Iterator[Violation]:
    """What was done stands in the audit trail once, and nothing stands there that was refused."""
    on_record = Counter((row["action"], row["job_id"]) for row in history.audit)
    for what, job in {(act.what, act.job): None for act in history.acts}:
        acts = history.acts_on(job, what)
        least, most = sum(act.answer == "done" for act in acts), len(acts)
        if not least <= on_record[what, job] <= most:
            sentence = f"{on_record[what, job]} entries say that somebody did {what}, and {least} did"
            yield Violation(f"{job}: {sentence}", job)


def called(history: History, harm: Harm) -> Iterator[Violation]:
    """A run has the argument that its job had been given when it began."""
    results = {(row["run_id"], row["attempt"]): row["result"] for row in history.reports if row["is_json"]}
    for start in history.starts:
        acts = history.acts_on(start.job, "add", "change")
        found = results.get((start.run, start.attempt))
        if not acts or found is None:
            continue
        number = json.loads(found)["number"]
        before = [act for act in acts if act.answer == "done" and act.end < start.at - _TAKEN_UP]
        since = acts[acts.index(before[-1]) :] if before else acts
        if number in {act.number for act in since if act.begin <= start.at}:
            continue
        begin = (before[-1].end if before else start.at) - SECOND
        if not harm.disturbed(start.pid, begin, start.at) and not harm.to_all(begin, start.at):
            sentence = f"tick {start.tick} was called with {number}, which it had not been given"
            yield Violation(f"{start.job}: {sentence}", start.job, start.tick, start.pid)
