"""Jobs that some processes, or all, are set not to run: where each runs, and what is on record meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from torture.faults import Harm, name
from torture.history import History, Life, Row, Violation
from torture.jobs import SECOND, JobSpec

# By then those that go on know of one which has begun, and of one that ended in order: they look each five
# seconds. Of one that was killed or frozen they know after a lease, and one that was frozen is known again
# by its next heartbeats.
_KNOWN, _LEASE = 12 * SECOND, 15 * SECOND
# A process is asked to be known in its first seconds, but not in a moment of that.
_MOMENT = 2 * SECOND
# More ticks of one row are not looked at: of an hour that the clock was set ahead all have one instant.
_MOST = 200


def entered(history: History, harm: Harm) -> Iterator[Violation]:
    """No process enters a job that it is set not to run, whatever the others are set to."""
    disabled = {life.pid: life.disabled for life in history.lives}
    for start in history.starts:
        if start.job in disabled.get(start.pid, ()):
            sentence = (
                f"attempt {start.attempt} of {start.tick} began in {start.pid}, which is set not to run it"
            )
            yield Violation(f"{start.job}: {sentence}", start.job, start.tick, start.pid)


def only_where_none_runs_it(history: History, harm: Harm) -> Iterator[Violation]:
    """Ticks are on record as disabled only while no process that claims is up and set to run their job."""
    for spec in _concerned(history):
        for row in _disabled(history, spec):
            last = row["last_tick_us"] or row["tick_us"]
            begins, ends = (harm.instants(shown) for shown in (row["tick_us"], last))
            if not begins or not ends:
                continue
            # When the clock showed them first they were decided about: it may show them again.
            begin = min(begins)
            end = min((at for at in ends if at >= begin), default=begin)
            known = [life for life in _set_to_run(history, spec) if _was_known(harm, life, begin, end)]
            if known:
                sentence = f"is on record as disabled, though {known[0].pid} was well and set to run the job"
                yield Violation(f"{name(row)} {sentence}", spec.id, row["tick_us"], known[0].pid)


def wherever_none_runs_it(history: History, harm: Harm) -> Iterator[Violation]:
    """R1: what comes due while no living process is set to run a job is on record as disabled."""
    for spec in _concerned(history):
        for row in history.rows_of(spec.id):
            if row["tick_us"] is None or row["reason"] == "disabled":
                continue
            for tick in _ticks_of(spec, row):
                instants = harm.instants(tick)
                if instants and all(_is_disabled(history, harm, spec, at) for at in instants):
                    sentence = f"is no row of disabled ticks ({row['state']}), though no process was set to"
                    yield Violation(f"{name(row)} {sentence} run the job at {tick}", spec.id, tick)
                    break


def in_one_range(history: History, harm: Harm) -> Iterator[Violation]:
    """Ticks are one row as long as no process comes that is set to run their job."""
    for spec in _concerned(history):
        for row, later in pairwise(sorted(_disabled(history, spec), key=lambda row: int(row["tick_us"]))):
            last = row["last_tick_us"] or row["tick_us"]
            if spec.next_tick(last) != later["tick_us"]:
                continue
            begin = min(harm.instants(last), default=0)
            end = max(harm.instants(later["tick_us"]), default=2**62) + SECOND
            if not any(life.begin <= end and life.end >= begin for life in _set_to_run(history, spec)):
                sentence = f"goes on in another row, from {later['tick_us']} on, and nobody enabled the job"
                yield Violation(f"{name(row)} {sentence}", spec.id, row["tick_us"])


def _ticks_of(spec: JobSpec, row: Row) -> Iterator[int]:
    """Yield the ticks of a row; of very many the first ones."""
    tick, last = row["tick_us"], row["last_tick_us"] or row["tick_us"]
    for _ in range(_MOST):
        if tick is None or tick > last:
            break
        yield tick
        tick = spec.next_tick(tick)


def _concerned(history: History) -> Iterator[JobSpec]:
    """Yield the jobs that some process was set not to run."""
    disabled = {job for life in history.lives for job in life.disabled}
    yield from (spec for spec in history.schedule if spec.id in disabled)


def _disabled(history: History, spec: JobSpec) -> list[Row]:
    return [row for row in history.rows_of(spec.id) if row["reason"] == "disabled"]


def _set_to_run(history: History, spec: JobSpec) -> Iterator[Life]:
    """Yield the processes that claim ticks and are set to run a job."""
    for life in history.lives:
        if life.role != "worker" and spec.id not in life.disabled:
            yield life


def _was_known(harm: Harm, life: Life, begin: int, end: int) -> bool:
    """Return whether others knew for a moment, between two instants, that a process is well."""
    if life.ready is None:
        return False
    begin, end = max(begin, life.ready + _MOMENT), min(end, life.end)
    while begin + _MOMENT <= end:
        since = max(life.ready + SECOND, begin - _KNOWN)
        if harm.fit(life, since, begin + _MOMENT) and not harm.to_all(since, begin + _MOMENT):
            return True
        begin += SECOND
    return False


def _is_disabled(history: History, harm: Harm, spec: JobSpec, at: int) -> bool:
    """Return whether all processes that were there for long before an instant were set not to run a job."""
    begin, end = at - _KNOWN, at + SECOND
    if harm.to_all(begin, end) or any(
        _may_live(history, life, begin, end) for life in _set_to_run(history, spec)
    ):
        return False
    others = [life for life in history.lives if life.role != "worker" and spec.id in life.disabled]
    return any(harm.fit(life, begin, end) for life in others)


def _may_live(history: History, life: Life, begin: int, end: int) -> bool:
    """Return whether a process was up between two instants, or its end was not known by then."""
    found = life.end if life.code in (0, 1) else _found_dead(history, life)
    return life.begin <= end and found >= begin


def _found_dead(history: History, life: Life) -> int:
    """Return when another process knew that one was killed: each has to see a whole lease pass itself."""
    seen = (
        max(life.end, other.ready) + _LEASE + _KNOWN for other in history.lives if other.ready is not None
    )
    ends = [other.end for other in history.lives if other.ready is not None]
    return min((at for at, until in zip(seen, ends, strict=True) if at <= until), default=2**62)
