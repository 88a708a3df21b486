"""Runs, from the claim of a tick to its outcome. Each function is called inside of a transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from sqlite3 import Connection
from typing import Any

from .. import ticks
from ..catch_up import Decision, Skip
from ..declaration import Job
from . import members
from . import statements as sql
from .records import Answer, Claim, Identity, Outcome


def claim(connection: Connection, me: Identity, decisions: Sequence[Decision], free: int) -> list[Answer]:
    """Claim what is due and record what is skipped, for many jobs at once.

    The first `free` runs that are due begin as soon as this is committed: they are recorded as started.
    """
    members.ensure(connection, me)
    answers = []
    for decision in decisions:
        answer = _claim(connection, me, decision, starting=free > 0)
        free -= sum(held.started for held in answer.claims)
        answers.append(answer)
    return answers


def claim_startup(
    connection: Connection, me: Identity, jobs: Iterable[Job], start_number: int
) -> list[Claim]:
    """Claim the startup runs of a start; none that another process has claimed for the same start."""
    now = ticks.now()
    claims = []
    for job in jobs:
        if job.startup_delay is None or _is_paused(connection, job.id):
            continue
        values = {"kind": "startup", "tick": None, "start_number": start_number}
        connection.execute(sql.SUPERSEDE_STARTUP, {**values, "job_id": job.id, "now": now})
        held = _insert(connection, me, job, values, now + job.startup_delay, now, starting=False)
        claims += [held] if held else []
    return claims


def take_waiting(connection: Connection, me: Identity, jobs: Mapping[str, Job], most: int) -> list[Claim]:
    """Take up to `most` runs that were given back, are due for a retry, or were cut off.

    Only those of known jobs, and within their `max_instances`.
    """
    now = ticks.now()
    members.ensure(connection, me)
    taken: list[Claim] = []
    for run_id, job_id, kind, tick, attempt, crashes, due, cut in connection.execute(
        sql.LIST_WAITING, {"now": now}
    ).fetchall():
        job = jobs.get(job_id)
        if len(taken) >= most:
            break
        if job is None or _is_paused(connection, job_id):
            continue
        if _count_held(connection, job_id) >= job.options.max_instances:
            continue
        values = {"run_id": run_id, "process_id": me.process_id, "now": now}
        if cut:
            connection.execute(sql.ARCHIVE_ATTEMPT, values)
        if connection.execute(sql.TAKE_CUT if cut else sql.TAKE_WAITING, values).rowcount == 1:
            taken.append(Claim(run_id, job_id, kind, tick, due, attempt + cut, crashes + cut))
    return taken


def release(connection: Connection, me: Identity, claims: Iterable[Claim]) -> None:
    """Give back runs that were not entered: the tick stays accounted for and costs no attempt."""
    for held in claims:
        connection.execute(sql.RELEASE_RUN, _token(me, held))


def start(connection: Connection, me: Identity, held: Claim) -> bool:
    """Record that a run is about to be entered; False if the lease was lost in the meantime."""
    return connection.execute(sql.START_RUN, {**_token(me, held), "started": ticks.now()}).rowcount == 1


def finish(connection: Connection, me: Identity, outcome: Outcome) -> bool:
    """Record an outcome; False if the lease was lost in the meantime (then nothing is changed)."""
    values = {
        **_token(me, outcome.claim),
        "state": outcome.state,
        "reason": outcome.reason,
        "started": outcome.started,
        "finished": outcome.finished,
        "error": outcome.error,
        "traceback": outcome.traceback,
        "rerun_until": outcome.rerun_until,
        "retry_at": outcome.retry_at,
    }
    if connection.execute(sql.FINISH_RUN, values).rowcount != 1:
        return False
    if outcome.retry_at is not None:
        connection.execute(sql.ARCHIVE_ATTEMPT, values)
        connection.execute(sql.RETRY_RUN, values)
    return True


def skip(connection: Connection, job_id: str, skipped: Skip, now: int) -> None:
    """Record ticks that will not run."""
    alone = skipped.first == skipped.last
    values = {
        "job_id": job_id,
        "tick": skipped.first,
        "last_tick": None if alone else skipped.last,
        "count": None if alone else skipped.count,
        "reason": skipped.reason,
        "now": now,
    }
    connection.execute(sql.INSERT_SKIPPED, values)


def prune(connection: Connection, before: int, piece: int) -> int:
    """Remove the oldest runs that ended before an instant, at most `piece`; return how many."""
    values = {"before": before, "piece": piece}
    connection.execute(sql.PRUNE_ATTEMPTS, values)
    return connection.execute(sql.PRUNE_RUNS, values).rowcount


def _claim(connection: Connection, me: Identity, decision: Decision, *, starting: bool) -> Answer:
    job, now = decision.job, ticks.now()
    values = {
        "job_id": job.id,
        "definition": job.definition,
        "seen": decision.seen,
        "upto": decision.upto,
    }
    if connection.execute(sql.ADVANCE_WATERMARK, values).rowcount != 1:
        return _refused(connection, decision)
    for skipped in decision.skip:
        skip(connection, job.id, skipped, now)
    answer = Answer(decision, "claimed", decision.upto)
    if decision.run and _count_held(connection, job.id) >= job.options.max_instances:
        for tick in decision.run:
            skip(connection, job.id, Skip(tick, tick, 1, "overlap"), now)
        return Answer(decision, "claimed", decision.upto, overlapped=decision.run)
    for tick in decision.run:
        row = {"kind": "scheduled", "tick": tick, "start_number": None}
        # Of several missed ticks only the first begins now: the others follow one after another.
        held = _insert(connection, me, job, row, job.due(tick), now, starting=starting and not answer.claims)
        if held is not None:
            answer.claims.append(held)
    return answer


def _refused(connection: Connection, decision: Decision) -> Answer:
    row = connection.execute(sql.READ_JOB, {"job_id": decision.job.id}).fetchone()
    if row is None or row[3] is not None:
        return Answer(decision, "removed", decision.seen)
    definition, watermark, paused, _removed = row
    if definition != decision.job.definition:
        return Answer(decision, "changed", watermark)
    return Answer(decision, "paused" if paused is not None else "moved", watermark)


def _insert(
    connection: Connection,
    me: Identity,
    job: Job,
    values: dict[str, Any],
    due: int,
    now: int,
    *,
    starting: bool,
) -> Claim | None:
    started = starting and due <= now
    row = connection.execute(
        sql.INSERT_RUN,
        {
            **values,
            "job_id": job.id,
            "due": due,
            "now": now,
            "process_id": me.process_id,
            "state": "running" if started else "claimed",
            "started": now if started else None,
        },
    ).fetchone()
    return (
        None if row is None else Claim(row[0], job.id, values["kind"], values["tick"], due, started=started)
    )


def _is_paused(connection: Connection, job_id: str) -> bool:
    row = connection.execute(sql.READ_JOB, {"job_id": job_id}).fetchone()
    return row is not None and row[2] is not None


def _count_held(connection: Connection, job_id: str) -> int:
    return int(connection.execute(sql.COUNT_HELD, {"job_id": job_id}).fetchone()[0])


def _token(me: Identity, held: Claim) -> dict[str, Any]:
    return {"run_id": held.run_id, "process_id": me.process_id, "attempt": held.attempt}
