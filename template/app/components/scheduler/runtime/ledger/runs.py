"""Runs, from the claim of a tick to its outcome. Each function is called inside of a transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .. import ticks
from ..catch_up import AHEAD, Decision, Skip
from ..declaration import Job
from . import gaps, members, pauses
from . import statements as sql
from .connections import Connection
from .records import Answer, Claim, Identity, JobState, Outcome


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
        due = now + job.startup_delay
        if not me.role.serves(job.options.queue):
            _queue(connection, job, values, due)
            continue
        held = _insert(connection, me, job, values, due, now, starting=False)
        claims += [held] if held else []
    return claims


def take_waiting(
    connection: Connection,
    me: Identity,
    jobs: Mapping[str, Job],
    most: int,
    left: dict[str, str] | None = None,
) -> list[Claim]:
    """Take up to `most` runs that were given back, are due for a retry, or were cut off.

    Only those of known jobs whose definition is in force, within their `max_instances`, and of queues that
    this process serves. Which jobs are left to others, and why, goes into `left`.
    """
    now = ticks.now()
    members.ensure(connection, me)
    taken: list[Claim] = []
    # Of many that wait for one job, all but the first few would ask the same.
    states: dict[str, JobState | None] = {}
    full: set[str] = set()
    for run_id, job_id, kind, tick, attempt, crashes, due, cut in connection.execute(
        sql.LIST_WAITING, _wanted(me)
    ).fetchall():
        if len(taken) >= most:
            break
        if job_id in full:
            continue
        if job_id not in states:
            states[job_id] = pauses.read(connection, job_id)
        job, state = jobs.get(job_id), states[job_id]
        if state is not None and state.removed is not None:
            # Given back, or failed, in a process of an older version that still knew the job.
            connection.execute(sql.CANCEL_WAITING, {"job_id": job_id, "now": now})
            continue
        # What somebody asks for by hand runs in a pause too.
        waits = state is not None and kind != "manual" and state.is_paused(now)
        if waits or state is None:
            continue
        if job is None or state.definition != job.definition:
            if left is not None:
                left[job_id] = "does not have it" if job is None else "has another schedule for it"
            continue
        if _is_full(connection, job, now):
            full.add(job_id)
            continue
        # Each at an instant of its own: what is claimed at the same one runs one after another.
        claimed = now + len(taken)
        values = {"run_id": run_id, "process_id": me.process_id, "now": claimed}
        if cut:
            connection.execute(sql.ARCHIVE_ATTEMPT, values)
        if connection.execute(sql.TAKE_CUT if cut else sql.TAKE_WAITING, values).rowcount == 1:
            taken.append(Claim(run_id, job_id, kind, tick, due, claimed, attempt + cut, crashes + cut))
    return taken


def is_any_waiting(connection: Connection, me: Identity) -> bool:
    """Return whether there is a run that this process might take."""
    return connection.execute(sql.FIND_WAITING, _wanted(me)).fetchone() is not None


def _wanted(me: Identity) -> dict[str, Any]:
    """A moment before they are due, as with a claim: then the commit is over when they are."""
    now, queues = ticks.now(), me.role.queues
    return {"now": now, "by": now + AHEAD, "queues": f",{','.join(queues)}," if queues else ""}


def release(connection: Connection, me: Identity, claims: Iterable[Claim]) -> None:
    """Give back runs that were not entered: the tick stays accounted for and costs no attempt."""
    for held in claims:
        connection.execute(sql.RELEASE_RUN, _token(me, held))


def start(connection: Connection, me: Identity, held: Claim, most: int) -> str:
    """Record that a run which had to wait is about to be entered.

    `most` is how many runs of its job may be under way. Returns `started`; `lost` if the lease was lost in
    the meantime; `overlap` if there is no room, or `paused`, if it may not begin.
    """
    members.ensure(connection, me)
    others = {"job_id": held.job_id, "run_id": held.run_id, "due": held.due, "process_id": me.process_id}
    if held.kind != "manual" and _is_paused(connection, held.job_id):
        return _turn_away(connection, me, held, "paused")
    if connection.execute(sql.COUNT_HELD_BY_OTHERS, others).fetchone()[0] >= most:
        return _turn_away(connection, me, held, "overlap")
    started = connection.execute(sql.START_RUN, {**_token(me, held), "started": ticks.now()})
    return "started" if started.rowcount == 1 else "lost"


def _turn_away(connection: Connection, me: Identity, held: Claim, reason: str) -> str:
    """Skip a tick that may not run at its due instant; give back any other run, until it may."""
    if held.kind == "scheduled" and held.attempt == 1:
        taken = finish(connection, me, Outcome(held, "skipped", reason, finished=ticks.now()))
    else:
        taken = connection.execute(sql.RELEASE_RUN, _token(me, held)).rowcount == 1
    return reason if taken else "lost"


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
    if outcome.log is not None:
        connection.execute(sql.INSERT_LOG, {**values, "text": outcome.log})
    if outcome.retry_at is not None:
        connection.execute(sql.ARCHIVE_ATTEMPT, values)
        connection.execute(sql.RETRY_RUN, values)
    return True


def prune(connection: Connection, before: int, piece: int) -> int:
    """Remove the oldest runs that ended before an instant, at most `piece`; return how many."""
    values = {"before": before, "piece": piece}
    connection.execute(sql.PRUNE_ATTEMPTS, values)
    connection.execute(sql.PRUNE_LOGS, values)
    connection.execute(sql.PRUNE_AUDIT, values)
    connection.execute(sql.PRUNE_JOBS, values)
    return connection.execute(sql.PRUNE_RUNS, values).rowcount


def _claim(connection: Connection, me: Identity, decision: Decision, *, starting: bool) -> Answer:
    job, now = decision.job, ticks.now()
    # What waits for its jitter is only reserved: whether it overlaps is decided when it is due (R7).
    entering = bool(decision.run) and job.due(decision.run[0]) <= now + AHEAD
    served = me.role.serves(job.options.queue)
    if decision.ahead and entering and _is_full(connection, job, job.due(decision.upto), served=served):
        # What is under way may be over when the tick is due: whether it overlaps is decided then (R7).
        return Answer(decision, "early", decision.seen)
    values = {
        "job_id": job.id,
        "definition": job.definition,
        "seen": decision.seen,
        "upto": decision.upto,
    }
    if connection.execute(sql.ADVANCE_WATERMARK, values).rowcount != 1:
        return _refused(connection, decision)
    if job.added and job.next_tick(decision.upto) is None:
        connection.execute(sql.EXHAUST_JOB, {"job_id": job.id, "now": now})
    for skipped in decision.skip:
        gaps.skip(connection, job.id, skipped, now)
    answer = Answer(decision, "claimed", decision.upto, queued=0 if served else len(decision.run))
    if entering and not decision.ahead and _is_full(connection, job, now, served=served):
        for tick in decision.run:
            gaps.skip(connection, job.id, Skip(tick, tick, 1, "overlap"), now)
        return Answer(decision, "claimed", decision.upto, overlapped=decision.run)
    for tick in decision.run:
        row = {"kind": "scheduled", "tick": tick, "start_number": None}
        if not served:
            _queue(connection, job, row, job.due(tick))
            continue
        # Of several missed ticks only the first begins now: the others follow one after another.
        held = _insert(connection, me, job, row, job.due(tick), now, starting=starting and not answer.claims)
        if held is not None:
            answer.claims.append(held)
    return answer


def _refused(connection: Connection, decision: Decision) -> Answer:
    state = pauses.read(connection, decision.job.id)
    if state is None or state.removed is not None:
        return Answer(decision, "removed", decision.seen)
    if state.definition != decision.job.definition:
        return Answer(decision, "changed", state.watermark)
    if pauses.end_if_over(connection, state, decision.job.schedule):
        return Answer(decision, "moved", max(state.watermark, (state.paused_until or 0) - 1))
    if state.paused is not None:
        return Answer(decision, "early" if decision.ahead else "paused", state.watermark)
    return Answer(decision, "moved", state.watermark)


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
    # A run that begins at once, or in a moment, is started without another write. But not ahead of time if a
    # kill in that moment would be the end of it.
    started = starting and due <= (now + AHEAD if job.options.on_crash == "rerun" else now)
    row = connection.execute(
        sql.INSERT_RUN,
        {
            **values,
            "job_id": job.id,
            "due": due,
            "claimed": now,
            "process_id": me.process_id,
            "state": "running" if started else "claimed",
            "started": max(now, due) if started else None,
        },
    ).fetchone()
    if row is None:
        return None
    return Claim(row[0], job.id, values["kind"], values["tick"], due, now, started=started)


def _queue(connection: Connection, job: Job, values: dict[str, Any], due: int) -> None:
    """Record a run for whoever serves the job's queue."""
    waiting = {"state": "queued", "due": due, "process_id": None, "claimed": None, "started": None}
    connection.execute(sql.INSERT_RUN, {**values, **waiting, "job_id": job.id})


def _is_paused(connection: Connection, job_id: str) -> bool:
    state = pauses.read(connection, job_id)
    return state is not None and state.is_paused(ticks.now())


def _is_full(connection: Connection, job: Job, by: int, *, served: bool = True) -> bool:
    """Return whether as many runs of a job as may be are under way, or waiting to begin by an instant.

    What is queued for others counts for whoever queues more of it (not `served` here).
    """
    counting = sql.COUNT_HELD if served else sql.COUNT_HELD_OR_QUEUED
    rows = connection.execute(counting, {"job_id": job.id, "by": by}).fetchall()
    return sum(int(row[0]) for row in rows) >= job.options.max_instances


def _token(me: Identity, held: Claim) -> dict[str, Any]:
    return {
        "run_id": held.run_id,
        "process_id": me.process_id,
        "attempt": held.attempt,
        "claimed": held.claimed,
    }
