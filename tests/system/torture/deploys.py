"""A job that is not in the code any more, or was removed, never fires again, until it is there again (R8)."""

from __future__ import annotations

from collections.abc import Iterator

from torture.faults import Harm
from torture.history import History, Life, Violation
from torture.jobs import SECOND, JobSpec

# A run that was claimed a moment before its job was removed may still begin.
_CLAIMED = 2 * SECOND


def removed(history: History, harm: Harm) -> Iterator[Violation]:
    """From the start of a process whose code lacks a job, no tick of it is claimed, and no run begins.

    Nor from when a person was told that it is removed.
    """
    for spec in history.specs.values():
        why = "a person had removed it" if history.acts_on(spec.id, "remove") else "the code lacked the job"
        for begin, end in absences(history, spec):
            for row in history.rows_of(spec.id):
                instants = harm.instants(row["tick_us"]) if row["tick_us"] is not None else []
                if instants and all(begin + SECOND < at < end for at in instants):
                    sentence = f"tick {row['tick_us']} is {row['state']}, though {why}"
                    yield Violation(f"{spec.id}: {sentence}", spec.id, row["tick_us"])
            for start in history.starts:
                if start.job != spec.id or not begin + _CLAIMED < start.at < end:
                    continue
                if not harm.disturbed(start.pid, begin - SECOND, start.at):
                    sentence = f"attempt {start.attempt} of {start.tick} began, though {why}"
                    yield Violation(f"{spec.id}: {sentence}", spec.id, start.tick, start.pid)


def absences(history: History, spec: JobSpec) -> Iterator[tuple[int, int]]:
    """Yield each time in which a job is certainly removed: from one process's start to another's.

    Or from when a person had removed it.
    """
    yield from ((it.end, 2**62) for it in history.acts_on(spec.id, "remove") if it.answer == "done")
    if not spec.leaves:
        return
    for life in history.lives:
        if life.ready is not None and spec.as_deployed(life.version) is None:
            returns = [max(other.begin, life.ready) for other in _with(history, spec, life.ready)]
            yield life.ready, min(returns, default=2**62)


def may_be_removed(history: History, spec: JobSpec) -> bool:
    """Return whether a deploy or a person may have removed a job at any time."""
    return spec.leaves or bool(history.acts_on(spec.id, "remove"))


def is_removed_at(history: History, spec: JobSpec, at: int) -> bool:
    """Return whether a job was certainly removed at an instant."""
    return any(begin <= at < end for begin, end in absences(history, spec))


def is_removed_between(history: History, spec: JobSpec, begin: int, end: int) -> bool:
    """Return whether a process without a job joined, or may have, between two instants.

    Or whether a person had removed it by then, or may have.
    """
    if any(it.begin <= end for it in history.acts_on(spec.id, "remove")):
        return True
    return spec.leaves and any(
        life.begin <= end and (life.ready or life.end) >= begin
        for life in history.lives
        if spec.as_deployed(life.version) is None
    )


def _with(history: History, spec: JobSpec, after: int) -> Iterator[Life]:
    """Yield the processes that declare a job, and did so after an instant or may have."""
    for life in history.lives:
        if (life.ready or life.end) > after and spec.as_deployed(life.version) is not None:
            yield life


def in_code_by(history: History, spec: JobSpec, shown: int) -> list[JobSpec]:
    """Return a job as it stood in the code of each deployment by an instant from the ledger, by its steps."""
    by = max(history.clock.instants(shown), default=0)
    versions = {life.version for life in history.lives if life.begin <= by}
    found = [spec.as_deployed(version) for version in sorted(versions)] if spec.steps else []
    return [each for each in found if each is not None] or [spec]
