"""Runs that this process holds, from their start to their outcome. Called inside of a transaction."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence, Set
from operator import itemgetter
from typing import Any

from everytick.model import ticks
from everytick.model.job import Job

from . import job_statements as job_sql
from . import limit_statements, limits, locking, pauses, reports, workers
from . import statements as sql
from .connections import Connection, together
from .records import CANCELLED, Claim, Identity, Outcome

# Why a run may not begin at its due instant, but waits with others of its job.
INTO_THE_QUEUE = ("waits", "behind")


def release(connection: Connection, me: Identity, claims: Iterable[Claim]) -> None:
    """Give back runs that were not entered: the tick stays accounted for and costs no attempt."""
    _release(connection, me, claims)


def requeue(connection: Connection, me: Identity, waiting: Sequence[tuple[Claim, int]]) -> None:
    """Give back runs that are due and have no slot here: they wait for one in any process.

    With each, how many ticks of its job may wait so: of more the newest do, as after an outage (R5).
    """
    _release(connection, me, [held for held, _stay in waiting])
    limits.skip_older_queued(connection, {held.job_id: stay for held, stay in waiting}, ticks.now())


def start(connection: Connection, me: Identity, waiting: Sequence[tuple[Claim, Job]]) -> dict[int, str]:
    """Record that runs which had to wait are about to be entered; no two of one job.

    Returns for each run `started`; `lost` if the lease was lost in the meantime; or why it may not begin:
    `overlap`, `paused`, `waits`, for another run of its job to end, `behind`, since older ones of it wait, or
    `busy`, while another process changes its job: to be asked again.
    """
    given = [held.job_id for held, _job in waiting]
    by_clock = [(held.job_id,) for held, _job in waiting if held.kind != "manual"]
    # Runs of a backfill have a limit of their own.
    counted = [held for held, _job in waiting if held.kind != "backfill"]
    with_due = [(held.run_id, held.job_id, held.claimed, held.due) for held in counted]
    shown, locked, paused, others, older = together(
        connection,
        workers.showing_life(me),
        locking.locking_jobs(connection, given),
        job_sql.LIST_PAUSED.given(connection, by_clock, now=ticks.now()),
        limit_statements.COUNT_HELD_BY_OTHERS.given(connection, with_due, process_id=me.process_id),
        limits.first_waiting(connection, list(filter(limits.is_reserved, counted))),
    )
    workers.ensure(connection, me, shown)
    busy = pauses.read_all(connection, locking.held_by_others(connection, given, locked))
    verdicts = {held.run_id: "busy" for held, _job in waiting if held.job_id in busy}
    waiting = [(held, job) for held, job in waiting if held.job_id not in busy]
    stay: dict[str, int] = {}
    for held, job, reason in _not_now(waiting, {job_id for (job_id,) in paused}, others, older):
        verdicts[held.run_id] = _turn_away(connection, me, held, reason)
        if reason in INTO_THE_QUEUE and job.options.overlap != "skip":
            stay[job.id] = job.most_waiting
    limits.skip_older_queued(connection, stay, ticks.now(), at_once=True)
    rows = sorted(_row(held) for held, _job in waiting if held.run_id not in verdicts)
    values = {"process_id": me.process_id, "started": ticks.now()}
    started = {run_id for run_id, _attempt in sql.START_RUNS.execute(connection, rows, **values)}
    return verdicts | {row[0]: "started" if row[0] in started else "lost" for row in rows}


def _not_now(
    waiting: Iterable[tuple[Claim, Job]],
    paused: Set[str],
    counted: Iterable[Sequence[Any]],
    older: Iterable[Sequence[Any]],
) -> Iterator[tuple[Claim, Job, str]]:
    """Yield those that may not begin now, and why."""
    others = {run_id: (held, started) for run_id, held, started in counted}
    # The oldest first (R14): one that was only reserved goes behind those that wait, as a new tick does.
    first: dict[str, int] = {}
    for job_id, due in older:
        first[job_id] = min(due, first.get(job_id, due))
    for held, job in waiting:
        most = job.options.max_instances
        if held.kind != "manual" and held.job_id in paused:
            yield held, job, "paused"
        elif others.get(held.run_id, (0, 0))[1] >= most and job.options.overlap == "skip":
            yield held, job, "overlap"
        elif others.get(held.run_id, (0, 0))[0] >= most:
            yield held, job, "waits"
        elif first.get(held.job_id, held.due) < held.due and limits.is_reserved(held):
            yield held, job, "behind"


def _turn_away(connection: Connection, me: Identity, held: Claim, reason: str) -> str:
    """Skip a tick that may not run at its due instant; give back any other run, until it may."""
    if reason not in INTO_THE_QUEUE and held.kind == "scheduled" and held.attempt == 1:
        taken = finish(connection, me, Outcome(held, "skipped", reason, finished=ticks.now()))
    else:
        taken = bool(_release(connection, me, [held]))
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
    if outcome.report is not None:
        reports.keep(connection, outcome.claim, outcome.report)
    if outcome.retry_at is not None:
        connection.execute(sql.ARCHIVE_ATTEMPT, values)
        connection.execute(sql.RETRY_RUN, values)
    return True


def keep_logs(connection: Connection, found: Iterable[tuple[Claim, str]]) -> None:
    """Record what attempts have logged so far."""
    for held, text in found:
        values = {"run_id": held.run_id, "attempt": held.attempt, "text": text}
        connection.execute(sql.INSERT_LOG, values)


def finish_all(connection: Connection, me: Identity, outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Record outcomes that are `plain`; return those of which the lease was lost in the meantime."""
    alike: dict[tuple[str, str | None], list[tuple[int, int, int, int | None, int | None]]] = {}
    for it in outcomes:
        row = (*_row(it.claim), it.started, it.finished)
        alike.setdefault((it.state, it.reason), []).append(row)
    done: set[tuple[int, int]] = set()
    for (ended, why), rows in alike.items():
        values = {"process_id": me.process_id, "ended": ended, "why": why}
        rows.sort(key=itemgetter(0))
        done.update(map(tuple, sql.FINISH_RUNS.execute(connection, rows, **values)))
    return [outcome for outcome in outcomes if (outcome.claim.run_id, outcome.claim.attempt) not in done]


def _release(connection: Connection, me: Identity, claims: Iterable[Claim]) -> list[Any]:
    values = {"process_id": me.process_id, "now": ticks.now(), "cancelled": CANCELLED}
    return sql.RELEASE_RUNS.execute(connection, sorted(map(_row, claims)), **values)


def _row(held: Claim) -> tuple[int, int, int]:
    return held.run_id, held.attempt, held.claimed


def _token(me: Identity, held: Claim) -> dict[str, Any]:
    return {
        "run_id": held.run_id,
        "process_id": me.process_id,
        "attempt": held.attempt,
        "claimed": held.claimed,
    }
