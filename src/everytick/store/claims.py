"""The claim of ticks that are due, and of startup runs. Each function is called inside of a transaction.

A few statements serve many jobs at once: see `bulk`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from everytick.model import ticks
from everytick.model.job import Job
from everytick.model.misfire import AHEAD, Decision, Skip
from everytick.system import system

from . import gaps, limits, locking, pauses, requests, workers
from . import job_statements as job_sql
from . import statements as sql
from .connections import Connection, is_on_server, together
from .records import Answer, Claim, Identity, JobState, Room, settled_until


def claim(connection: Connection, me: Identity, decisions: Sequence[Decision], room: Room) -> list[Answer]:
    """Claim the due ticks and record the skipped ones, for many jobs at once; no job twice.

    A run that is due begins as soon as this is committed, as far as there is `room`, which is used up: it is
    recorded as started.
    """
    now = ticks.now()
    won, under_way = _advance(connection, me, decisions, now)
    # Ahead of a tick, what runs or waits now may be over when it is due: it is decided then (R7).
    in_the_way = won & under_way.jobs
    postponed = {it.job.id: it.seen for it in decisions if it.ahead and it.job.id in in_the_way}
    job_sql.PUT_WATERMARKS_BACK.execute(connection, list(postponed.items()))
    lost = [it.job.id for it in decisions if it.job.id not in won]
    locked, rows = together(
        connection, locking.locking_jobs(connection, lost), pauses.reading(connection, lost)
    )
    busy, states = locking.held_by_others(connection, lost, locked), pauses.states(rows)
    batch = _Batch(me, now, room)
    answers = []
    for decision in decisions:
        job = decision.job
        if job.id in postponed:
            answers.append(Answer(decision, "early", decision.seen))
        elif job.id not in won:
            answers.append(_refused(connection, decision, states.get(job.id), is_busy=job.id in busy))
        else:
            if job.added and job.next_tick(decision.upto) is None:
                connection.execute(job_sql.EXHAUST_JOB, {"job_id": job.id, "now": now})
            answers.append(batch.take(decision, under_way))
    batch.write(connection, answers)
    return answers


class _Batch:
    """The rows that a claim writes, gathered decision by decision."""

    def __init__(self, me: Identity, now: int, room: Room) -> None:
        self._me, self._now, self._room = me, now, room
        self._skipped: list[tuple[str, Skip]] = []
        # Each with its job, its tick, when it is due, its state, and when it is claimed.
        self._rows: list[tuple[str, int, int, str, int | None]] = []
        # Of jobs for whose ticks this process has no room, how many may wait for it, as after an outage (R5).
        self._stay: dict[str, int] = {}
        # Of jobs more of whose ticks wait for earlier runs than may.
        self._stay_at_once: dict[str, int] = {}

    def take(self, decision: Decision, under_way: _UnderWay) -> Answer:
        job = decision.job
        if decision.skip:
            self._skipped += [(job.id, skip) for skip in decision.skip]
        if job.id in under_way.full:
            self._skipped += [(job.id, Skip(tick, tick, 1, "overlap")) for tick in decision.run]
            return Answer(decision, "claimed", decision.upto, overlapped=decision.run)
        # Behind those that wait: the oldest run first (R14).
        if job.id in under_way.waiting or not self._me.begins_alone(job):
            self._let_wait(job, len(decision.run), under_way)
            # By the instant of the claim those are known that run one after another, in one slot (R5).
            together = self._now if len(decision.run) > 1 else None
            for tick in decision.run:
                self._rows.append((job.id, tick, job.due(tick), "queued", together))
            return Answer(decision, "claimed", decision.upto, queued=len(decision.run))
        for number, tick in enumerate(decision.run):
            due = job.due(tick)
            # Several missed ticks run: only the first begins now, the others follow one after another.
            begins = number == 0 and may_begin(job, due, self._now) and self._room.enter(job)
            self._rows.append((job.id, tick, due, "running" if begins else "claimed", self._now))
        return Answer(decision, "claimed", decision.upto)

    def _let_wait(self, job: Job, number: int, under_way: _UnderWay) -> None:
        """Note how many ticks of a job may wait, where more may do so than should."""
        is_served = self._me.role.serves(job.options.queue)
        has_no_room = is_served and not (self._room.is_any and self._me.begins_alone(job))
        if job.id in under_way.behind:
            if under_way.behind[job.id] + number > job.most_waiting:
                self._stay_at_once[job.id] = job.most_waiting
        elif job.id in under_way.waiting and has_no_room:
            self._stay[job.id] = job.most_waiting

    def write(self, connection: Connection, answers: list[Answer]) -> None:
        # Others may have claimed newer ticks since the decision, and these may take the place of older ones.
        now, at = ticks.now(), system.monotonic()
        gaps.skip_all(connection, self._skipped, now)
        written = sql.INSERT_RUNS.execute(connection, self._rows, process_id=self._me.process_id)
        run_ids = {(job, tick): run for job, tick, run in written}
        by_job = {answer.decision.job.id: answer for answer in answers}
        limits.skip_older_queued(connection, self._stay, now)
        limits.skip_older_queued(connection, self._stay_at_once, now, at_once=True)
        for job, tick, due, state, _claimed in self._rows:
            run_id = run_ids.get((job, tick))
            if run_id is not None and state != "queued":
                is_started = state == "running"
                held = Claim(run_id, job, "scheduled", tick, due, self._now, started=is_started, at=at)
                by_job[job].claims.append(held)


def behind(connection: Connection, upto: Mapping[str, int]) -> dict[str, int]:
    """Return those of these jobs whose ticks are not claimed up to the instant that is given with each.

    With each, up to where they are claimed; 0 for a job that is not there. Needs no transaction.
    """
    return dict(job_sql.LIST_BEHIND.execute(connection, list(upto.items())))


def claim_startup(
    connection: Connection, me: Identity, jobs: Iterable[Job], start_number: int
) -> list[Claim]:
    """Claim the startup runs of a start; none that another process has claimed for the same start."""
    now = ticks.now()
    claims = []
    for job in jobs:
        if job.startup_delay is None or pauses.is_paused(connection, job.id):
            continue
        due = now + job.startup_delay
        values = {"job_id": job.id, "kind": "startup", "tick": None, "start_number": start_number, "due": due}
        requests.supersede(connection, job.id, start_number, now)
        if not me.begins_alone(job):
            waiting = {"state": "queued", "process_id": None, "claimed": None, "started": None}
            connection.execute(sql.INSERT_RUN, values | waiting)
            continue
        held = {"state": "claimed", "process_id": me.process_id, "claimed": now, "started": None}
        row = connection.execute(sql.INSERT_RUN, values | held).fetchone()
        if row is not None:
            claims.append(Claim(row[0], job.id, "startup", None, due, now))
    return claims


def may_begin(job: Job, due: int, now: int) -> bool:
    """Return whether a run may be recorded as started now, so that its beginning needs no other write.

    Ahead of its due instant only if it may run again after a crash: a kill in between would end it otherwise.
    And without jitter: of two ticks the later one may be due earlier; the other is only reserved until then.
    """
    is_ahead = job.options.on_crash == "rerun" and not job.schedule.jitter
    return due <= (now + AHEAD if is_ahead else now)


class _UnderWay:
    """The jobs that have runs under way, of those some of whose ticks come due now."""

    def __init__(
        self, me: Identity, entering: Mapping[str, Job], counted: Mapping[str, limits.Counted]
    ) -> None:
        # A new tick of these is skipped.
        self.full: set[str] = set()
        # Jobs of which earlier runs only wait, for a slot or for a process, or since they were cut off: a new
        # tick goes behind them.
        self.waiting: set[str] = set()
        # Those of them whose ticks wait for earlier runs, and how many do.
        self.behind: dict[str, int] = {}
        for job_id, found in counted.items():
            options = entering[job_id].options
            # Where this process queues for others, a queued run counts as if it were under way.
            occupied = found.started + (0 if me.role.serves(options.queue) else found.queued)
            if occupied >= options.max_instances and options.overlap == "skip":
                self.full.add(job_id)
            elif found.queued or found.cut or found.held >= options.max_instances:
                self.waiting.add(job_id)
                if options.overlap != "skip":
                    self.behind[job_id] = found.queued
        self.jobs = self.full | self.waiting


def _advance(
    connection: Connection, me: Identity, decisions: Sequence[Decision], now: int
) -> tuple[set[str], _UnderWay]:
    """Move the watermarks of these jobs, which locks them; then look for runs of theirs that are under way.

    Returns the jobs of which no other process had moved the watermark before, nor holds the row.
    """
    entering: dict[str, Job] = {}
    by: dict[str, int] = {}
    for it in decisions:
        # A run that waits for its jitter is only reserved: overlap is decided when it is due (R7).
        if it.run and (due := it.job.due(it.run[0])) <= now + AHEAD:
            entering[it.job.id] = it.job
            by[it.job.id] = due if it.ahead else now
    rows = [(it.job.id, it.job.definition, it.seen, it.upto) for it in decisions]
    asked = workers.showing_life(me), job_sql.ADVANCE_WATERMARKS.given(connection, rows)
    if is_on_server(connection):
        # By one trip.
        shown, won, counted = together(connection, *asked, limits.count_under_way(connection, by))
        moved = {job_id for (job_id,) in won}
    else:
        # In a file each process claims, and all but one find that another one has: they need not count.
        shown, won = together(connection, *asked)
        moved = {job_id for (job_id,) in won}
        by = {job_id: instant for job_id, instant in by.items() if job_id in moved}
        [counted] = together(connection, limits.count_under_way(connection, by))
    workers.ensure(connection, me, shown)
    return moved, _UnderWay(me, entering, limits.added_up(counted, by))


def _refused(connection: Connection, decision: Decision, state: JobState | None, *, is_busy: bool) -> Answer:
    """Return why a job's ticks were not claimed; `is_busy`: another process changes it at this moment."""
    if state is None or state.removed is not None:
        return Answer(decision, "removed", decision.seen)
    if state.definition != decision.job.definition:
        return Answer(decision, "changed", state.watermark)
    if is_busy:
        # That one may have claimed the tick, and may roll it back.
        is_behind = state.watermark <= decision.seen
        return Answer(decision, "busy" if is_behind else "moved", state.watermark)
    if pauses.end_if_over(connection, state, decision.job.schedule):
        return Answer(decision, "moved", settled_until(state.watermark, state.paused_until))
    if state.paused is not None:
        return Answer(decision, "early" if decision.ahead else "paused", state.watermark)
    # Where it has not moved, another process held the job, and let go of it without a claim.
    is_where_it_was = is_on_server(connection) and state.watermark == decision.seen
    return Answer(decision, "busy" if is_where_it_was else "moved", state.watermark)
