"""Job definitions: those in the code, and those added while running. Called inside of a transaction."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import Any, NamedTuple, TypeVar

from everytick.model import ticks
from everytick.model.job import Job

from . import gaps, locking, pauses, renaming, requests, schedule_digest
from . import job_statements as job_sql
from . import statements as sql
from .connections import Connection
from .declared_options import kept_options
from .records import AddedRow, JobState, Registration, is_paused, settled_until

_T = TypeVar("_T")
# The most jobs that one statement writes down.
_PIECE = 1_000


def define(
    connection: Connection,
    jobs: Sequence[Job],
    now: int,
    found: Registration,
    *,
    is_whole: bool = True,
    digest: str | None = None,
) -> None:
    """Bring the definitions up to date with the code (R8); the differences go into `found`.

    `is_whole`: these are all jobs of the code. Else further ones may follow (`define_late`), and those that
    have not come by then are to be removed (`remove_undeclared`). `digest`: that of these jobs, if known.
    """
    renaming.carry_over(connection, jobs, now, found)
    if not is_whole or digest is None:
        schedule_digest.forget(connection)
        _compare(connection, jobs, now, found, is_whole=is_whole)
    elif not schedule_digest.stands(connection, digest) or not _go_on(connection, jobs, now, found):
        _compare(connection, jobs, now, found, is_whole=True)
        schedule_digest.write_down(connection, digest)


def _go_on(connection: Connection, jobs: Sequence[Job], now: int, found: Registration) -> bool:
    """Take up jobs that are in the ledger as the code declares them; False if these are others after all."""
    by_id = {job.id: job for job in jobs}
    over = pauses.that_are_over(connection, now)
    for job_id, state in locking.read_all_to_change(connection, over).items():
        job = by_id.get(job_id)
        if state.removed is None:
            pauses.end_if_over(connection, state, job.schedule if job else None)
    watermarks = dict(connection.execute(job_sql.LIST_WATERMARKS).fetchall())
    if watermarks.keys() != by_id.keys() or any(type(it) is not int for it in watermarks.values()):
        return False
    found.watermarks |= watermarks
    return True


def _compare(
    connection: Connection, jobs: Sequence[Job], now: int, found: Registration, *, is_whole: bool
) -> None:
    """Compare each job with its row, and write down those that are new or different."""
    rows = {}
    for row in connection.execute(job_sql.LIST_DEFINED).fetchall():
        there = _Row(*row)
        # A file takes anything in any column (R8): such an id is no job's.
        if type(there.job_id) is str:
            rows[there.job_id] = there.without_odd_watermark()
        if type(there.job_id) is not str or type(there.watermark) is not int:
            found.unreadable.append(str(there.job_id))
    new = [job for job in jobs if job.id not in rows]
    found.added += [job.id for job in new]
    found.watermarks |= {job.id: now for job in new}
    job_sql.INSERT_JOBS.execute(connection, (_new_row(job, now, now) for job in new))
    known = [job for job in jobs if job.id in rows] if rows else []
    found.watermarks |= {job.id: rows[job.id].watermark for job in known}
    different = [it for it in map(_described, known) if not rows[str(it[0])].is_described_by(it)]
    to_change = {str(it[0]) for it in different} | {
        row.job_id for row in rows.values() if row.is_pause_over(now)
    }
    to_change |= {job.id for job in known if rows[job.id].definition != job.definition}
    # Meanwhile the ticks of all the others are claimed.
    states = locking.read_all_to_change(connection, to_change)
    _update(connection, [(job, states[job.id]) for job in known if job.id in states], now, found)
    for some in _pieces(different):
        job_sql.UPDATE_JOBS.execute(connection, some)
    declared = {job.id for job in known}
    others = [states.get(row.job_id) or row.state for row in rows.values() if row.job_id not in declared]
    _part_with(connection, others, now, found, is_whole=is_whole)


def _part_with(
    connection: Connection, others: Sequence[JobState], now: int, found: Registration, *, is_whole: bool
) -> None:
    """Remove the jobs of the code that it does not declare any more, at once or later."""
    left = []
    for state in sorted(others, key=lambda it: str(it.job_id)):
        if state.removed is not None:
            continue
        if state.call_data is not None:
            pauses.end_if_over(connection, state)
        elif not is_whole:
            found.awaited.append(state.job_id)
        else:
            left.append(state.job_id)
    remove_all(connection, left, now)
    found.removed += left


def define_late(connection: Connection, job: Job, now: int, found: Registration) -> None:
    """Bring one definition up to date with code that declares it after the start."""
    schedule_digest.forget(connection)
    renaming.carry_over(connection, [job], now, found)
    state = locking.read_to_change(connection, job.id)
    if state is None:
        _insert(connection, job, now, now)
        found.added.append(job.id)
        found.watermarks[job.id] = now
    else:
        _update(connection, [(job, state)], now, found)
        job_sql.UPDATE_JOBS.execute(connection, [_described(job)])


def remove_undeclared(connection: Connection, job_ids: Iterable[str], now: int) -> list[str]:
    """Remove those of these jobs that stand as jobs of the code in the ledger; return them."""
    states = pauses.read_all(connection, job_ids).values()
    left = [it.job_id for it in states if it.removed is None and it.call_data is None]
    remove_all(connection, left, now)
    return left


def find_added(connection: Connection, now: int, found: Registration) -> None:
    """Look for the jobs that were added while running; they go into `found`."""
    rows = connection.execute(job_sql.LIST_ADDED_AT_START, {"now": now}).fetchall()
    found.jobs_added = _sound(rows)
    sound = {row.job_id for row in found.jobs_added}
    found.unreadable += [str(row[0]) for row in rows if row[0] not in sound]
    found.serial = connection.execute(job_sql.LAST_SERIAL).fetchone()[0]


def find_paused(connection: Connection, now: int, found: Registration) -> None:
    """Look for all jobs that are paused, whether this process defines them or not; they go into `found`."""
    found.paused = pauses.paused_jobs(connection, now)


def keep(connection: Connection, job: Job, first_at: int | None = None) -> AddedRow:
    """Write down a job that was added while running, or one that was changed; return it as it is kept.

    `first_at`: an instant at which it also runs once, whatever its ticks are.
    """
    now = ticks.now()
    # A single run that is asked for late is judged by its grace, like one that was missed.
    start = now if job.only_tick is None else min(now, job.only_tick - 1)
    state = locking.read_to_change(connection, job.id)
    if state is None:
        _insert(connection, job, now, start)
    else:
        if state.call_data is None and state.removed is None:
            # Newer code has declared a job of this id.
            schedule_digest.forget(connection)
        if pauses.end_if_over(connection, state):
            state = pauses.read(connection, job.id) or state
        if _is_changed(job, state):
            _redefine(connection, [(job, state)], now, start)
        job_sql.UPDATE_JOBS.execute(connection, [_described(job)])
        if state.removed is not None:
            paused = now if job.paused_at_first else None
            connection.execute(job_sql.RENEW_PAUSE, {"job_id": job.id, "paused": paused, "note": _note(job)})
    connection.execute(job_sql.KEEP_JOB, {"job_id": job.id, "call_data": call_data(job)})
    if first_at is not None:
        connection.execute(sql.INSERT_WAITING, {"job_id": job.id, "due": first_at})
    kept = read_added(connection, job.id)
    if job.next_tick(kept.watermark) is None:
        connection.execute(job_sql.EXHAUST_JOB, {"job_id": job.id, "now": now})
    return kept


def call_data(job: Job) -> str:
    """Return how a job that was added while running is called, as the ledger keeps it.

    `options` are those that it named, `defaults` the others, as they are filled in by the process that runs
    it: a process that only reads the ledger does not know the schedule's `job_defaults`.
    """
    filled_in = {name: value for name, value in asdict(job.options).items() if name not in job.given}
    call = {"args": list(job.args), "kwargs": job.kwargs, "options": dict(job.given), "defaults": filled_in}
    # Only where it matters: a former version does not know it.
    return json.dumps({**call, "annotated": True} if job.annotated else call)


def keep_options(connection: Connection, loaded: Sequence[tuple[AddedRow, Job]]) -> None:
    """Write down with which options a process runs jobs that were added while running."""
    for row, job in loaded:
        values = {
            "job_id": job.id,
            "loaded": row.call_data,
            "call_data": call_data(job),
            "on_crash": job.options.on_crash,
            "grace": job.options.grace,
            "queue": job.options.queue,
            "in_group": job.options.group,
            "said": kept_options(job),
        }
        connection.execute(job_sql.KEEP_OPTIONS, values)


def remove(connection: Connection, job_id: str, now: int) -> None:
    """Let a job never run again; its history stays."""
    remove_all(connection, [job_id], now)


def remove_all(connection: Connection, job_ids: list[str], now: int) -> None:
    """The same of several jobs."""
    states = locking.read_all_to_change(connection, job_ids)
    if any(state.call_data is None for state in states.values()):
        schedule_digest.forget(connection)
    over = [job_id for job_id, state in states.items() if pauses.end_if_over(connection, state)]
    states |= pauses.read_all(connection, over)
    for some in _pieces(list(states)):
        last = gaps.close_all(connection, (states[job_id] for job_id in some), now)
        job_sql.REMOVE_JOBS.execute(connection, [(job_id, last.get(job_id, 0)) for job_id in some], now=now)
        requests.cancel_waiting(connection, some, now)


def read_added(connection: Connection, job_id: str) -> AddedRow:
    """Return a job that was added while running, as it is kept."""
    return AddedRow(*connection.execute(job_sql.READ_ADDED, {"job_id": job_id}).fetchone())


def added_since(connection: Connection, serial: int) -> list[AddedRow]:
    """Return the jobs added while running that were added, changed or removed since a serial number."""
    return _sound(connection.execute(job_sql.LIST_ADDED, {"serial": serial}).fetchall())


def _sound(rows: Iterable[Sequence[Any]]) -> list[AddedRow]:
    """Return the rows whose id and numbers are such: a file takes any type in any column (R8).

    The others stay in the ledger, where pages and commands show them.
    """
    kinds = {"job_id": str, "serial": int, "watermark": int}
    found = [AddedRow(*row) for row in rows]
    return [row for row in found if all(isinstance(getattr(row, name), kind) for name, kind in kinds.items())]


def _insert(connection: Connection, job: Job, now: int, watermark: int) -> None:
    job_sql.INSERT_JOBS.execute(connection, [_new_row(job, now, watermark)])


def _new_row(job: Job, now: int, watermark: int) -> tuple[object, ...]:
    # In the order of INSERT_JOBS.
    paused = now if job.paused_at_first else None
    return (*_described(job), job.definition, watermark, paused, _note(job), now, now)


def _update(
    connection: Connection, jobs: Iterable[tuple[Job, JobState]], now: int, found: Registration
) -> None:
    """Settle pauses and definitions of known jobs; what describes them is written by UPDATE_JOBS."""
    changed = []
    for job, known in jobs:
        if pauses.end_if_over(connection, known, job.schedule):
            upto = settled_until(known.watermark, known.paused_until)
            known = known._replace(paused=None, watermark=upto)
        found.watermarks[job.id] = known.watermark
        if _is_changed(job, known):
            changed.append((job, known))
            (found.changed if known.removed is None else found.added).append(job.id)
            found.watermarks[job.id] = max(known.watermark, now)
    for some in _pieces(changed):
        _redefine(connection, some, now, now)


def _redefine(connection: Connection, changed: Sequence[tuple[Job, JobState]], now: int, start: int) -> None:
    """Let the ticks of known jobs that are others now be in force."""
    in_force = [known for _job, known in changed if known.removed is None]
    gaps.close_all(connection, in_force, now)
    # Given back before they began, under a definition that is no more.
    sql.SKIP_QUEUED.execute(connection, [(known.job_id,) for known in in_force], now=now)
    rows = [(job.id, job.definition) for job, _known in changed]
    job_sql.REDEFINE_JOBS.execute(connection, rows, now=now, watermark=start)


def _pieces(rows: list[_T]) -> Iterator[list[_T]]:
    """Give the rows in parts that one statement takes."""
    return (rows[begin : begin + _PIECE] for begin in range(0, len(rows), _PIECE))


def _is_changed(job: Job, known: JobState) -> bool:
    """A job that was away is like a changed one: nothing was promised for the time between."""
    return known.definition != job.definition or known.removed is not None


def _note(job: Job) -> str | None:
    return "paused at first, as the code asks" if job.paused_at_first else None


def _described(job: Job) -> tuple[object, ...]:
    # In the order of LIST_DEFINED, INSERT_JOBS and UPDATE_JOBS.
    return (
        job.id,
        job.name,
        job.reference,
        job.schedule.text,
        job.schedule.zone_name,
        job.options.on_crash,
        job.options.grace,
        job.options.queue,
        job.options.group,
        job.schedule.kept,
        kept_options(job),
    )


class _Row(NamedTuple):
    """A job as LIST_DEFINED gives it."""

    job_id: str
    name: str
    function: str
    trigger: str
    zone: str
    on_crash: str
    grace: int | None
    queue: str | None
    group: str | None
    schedule_data: str | None
    options_data: str | None
    definition: str
    watermark: int
    paused: int | None
    paused_until: int | None
    removed: int | None
    call_data: str | None
    exhausted: int | None
    disabled_by: str | None

    def without_odd_watermark(self) -> _Row:
        """Return the row as it is, but for a watermark that is no number: as `JobState` has it."""
        return self if type(self.watermark) is int else self._replace(watermark=ticks.FOREVER)

    def is_pause_over(self, now: int) -> bool:
        """As that of `JobState`."""
        return self.paused is not None and not is_paused(self.paused, self.paused_until, now)

    def is_described_by(self, described: tuple[object, ...]) -> bool:
        """Return whether what UPDATE_JOBS would write is there already."""
        is_of_code = self.removed is None and self.call_data is None and self.exhausted is None
        return is_of_code and self[: len(described)] == described

    @property
    def state(self) -> JobState:
        """The same as other operations take it."""
        return JobState.of(
            (
                self.job_id,
                self.definition,
                self.watermark,
                self.paused,
                self.paused_until,
                self.removed,
                self.schedule_data,
                self.call_data,
                self.exhausted,
                self.disabled_by,
            )
        )
