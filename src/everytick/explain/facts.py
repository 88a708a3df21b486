"""The facts about one job, read from the ledger as an explanation needs them. Reads only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import tzinfo
from functools import cached_property
from typing import Any

from everytick.model import ticks
from everytick.model.job import Job, Options
from everytick.model.schedule import Schedule
from everytick.read.jobs import added_job, options_of, plain_defaults, schedule_of
from everytick.read.processes import Process, last_outcome, read_processes
from everytick.read.runs import HELD
from everytick.settings import SchedulerSettings
from everytick.store import schema
from everytick.store.records import is_paused
from sqlalchemy import Connection, Select, func, select, text

# How many runs before a skipped tick are looked at for the one that was in its way.
_NEARBY = 100
_HELD = text(HELD)

runs, attempts, audit = schema.runs.c, schema.attempts.c, schema.audit.c


@dataclass(frozen=True)
class Hold:
    """A run that held a place of its job at an instant; microseconds since 1970 UTC.

    begun, ended: of the attempt that held it; `begun` is None if that had not begun by then, `ended` if it is
    not over. reserved: since when a process had it, None if it waited for one.
    """

    row: Any
    begun: int | None
    ended: int | None
    reserved: int | None = None


@dataclass
class Facts:
    """One job at one moment.

    row: the job in the ledger. declared: the job in the working tree's schedule. problem: why that schedule
    does not load. now: microseconds since 1970 UTC. code_is_known: whether the working tree was looked at.
    """

    connection: Connection
    job_id: str
    row: Any
    declared: Job | None
    problem: str | None
    settings: SchedulerSettings
    now: int
    code_is_known: bool = True

    @cached_property
    def schedule(self) -> Schedule | None:
        """The schedule in force: the ledger's, or the code's where the ledger lacks its data."""
        if self.row.schedule_data is not None:
            return schedule_of(self.row)
        same = self.declared is not None and self.declared.definition == self.row.definition
        return self.declared.schedule if self.declared and same else None

    @property
    def zone(self) -> tzinfo:
        """The job's zone; the scheduler's if it is not known."""
        known = self.schedule or (self.declared.schedule if self.declared else None)
        return known.zone if known else self.settings.zone

    @cached_property
    def job(self) -> Job | None:
        """The job as it would run: of the code, or added while running; None if it cannot."""
        return self.declared if self.row.call_data is None else self._loaded[0]

    @property
    def cannot_run(self) -> str | None:
        """Why a job that was added while running cannot run here."""
        return None if self.row.call_data is None else self._loaded[1]

    @cached_property
    def options(self) -> Options | None:
        """The options that the engine goes by; None of a job in the code while that is not looked at."""
        if self.row.call_data is None:
            return self.declared.options if self.declared else None
        return options_of(self.row, self._defaults)

    @cached_property
    def _loaded(self) -> tuple[Job | None, str | None]:
        return added_job(self.row, self._defaults)

    @property
    def _defaults(self) -> dict[str, Any]:
        return plain_defaults(self.settings)

    @property
    def kept_since(self) -> int:
        """Runs that ended before this instant are not kept."""
        return self.now - int(self.settings.scheduler_history_days * ticks.DAY)

    def is_tick(self, tick: int) -> bool | None:
        """Return whether an instant is a tick of the schedule in force; None if that is not known."""
        return None if self.schedule is None else self.schedule.next_tick(tick - 1) == tick

    def tick_before(self, instant: int) -> int | None:
        """Return the newest tick up to an instant."""
        return None if self.schedule is None else self.schedule.tick_before(instant)

    def is_paused(self, instant: int) -> bool:
        """Return whether the pause that is open now covers an instant."""
        begin, end = self.row.paused_us, self.row.paused_until_us
        return begin is not None and instant > begin and is_paused(begin, end, instant)

    # --- runs: by the unique index (job_id, tick_us), in which those without a tick are in order of run_id

    def run(self, run_id: int) -> Any:
        """Return a run by its number."""
        return self._first(select(schema.runs).where(runs.run_id == run_id))

    def at(self, tick: int) -> Any:
        """Return the row that accounts for a tick: its own, or the range in which it lies."""
        found = self.newest_until(tick)
        if found is None or max(found.tick_us, found.last_tick_us or 0) < tick:
            return None
        return found

    def newest_until(self, instant: int) -> Any:
        """Return the row of the newest tick up to an instant."""
        query = select(schema.runs).where(runs.job_id == self.job_id, runs.tick_us <= instant)
        return self._first(query.order_by(runs.tick_us.desc()).limit(1))

    def newest_without_tick(self) -> Any:
        """Return the newest run that has no tick: by hand, or of a start."""
        query = select(schema.runs).where(runs.job_id == self.job_id, runs.tick_us.is_(None))
        return self._first(query.order_by(runs.run_id.desc()).limit(1))

    def standing_in(self, tick: int) -> list[Any]:
        """Return the runs by hand that stand in for a tick."""
        query = select(schema.runs).where(runs.job_id == self.job_id, runs.tick_us.is_(None))
        return self._all(query.where(runs.for_tick_us == tick).order_by(runs.run_id))

    def earlier_attempts(self, run_id: int) -> list[Any]:
        """Return the attempts of a run before its latest."""
        return self._all(select(schema.attempts).where(attempts.run_id == run_id).order_by(attempts.attempt))

    def in_the_way(self, instant: int, tick: int, but: int) -> list[Hold]:
        """Return what held a place of the job at an instant, looking from a tick; run `but` is left out."""
        mine = select(schema.runs).where(runs.job_id == self.job_id, runs.run_id != but)
        near = mine.where(runs.tick_us <= tick).order_by(runs.tick_us.desc()).limit(_NEARBY)
        untimed = mine.where(runs.tick_us.is_(None)).order_by(runs.run_id.desc()).limit(_NEARBY)
        # A tick that was skipped before it was claimed or queued has no attempt, and held no slot.
        found = [row for row in self._all(near) + self._all(untimed) if row.state != "skipped" or row.attempt]
        held = [hold for row in found if (hold := self._hold(row, instant)) is not None]
        return held or [hold for row in found if (hold := _waiting(row, instant)) is not None]

    def _hold(self, row: Any, instant: int) -> Hold | None:
        """Return how a run held a place at an instant: by an earlier attempt, or by its latest."""
        for attempt in self.earlier_attempts(row.run_id):
            began, ended = attempt.started_us, attempt.finished_us
            if began is not None and began <= instant and (ended is None or instant <= ended):
                return Hold(row, began, ended)
        return _held_by_latest(row, instant)

    def held_by(self, process_id: str) -> int:
        """Return how many runs of any job a process has under way."""
        query = select(func.count()).where(_HELD, runs.process_id == process_id, runs.state == "running")
        return int(self.connection.execute(query).scalar_one())

    def held_of_job(self, but: int) -> list[Any]:
        """Return the runs of this job that are claimed or run, without run `but`."""
        query = select(schema.runs).where(_HELD, runs.job_id == self.job_id, runs.run_id != but)
        return self._all(query)

    def last_outcome(self, before: int) -> int | None:
        """Return when a scheduler last wrote down an outcome, of any job, before an instant."""
        return last_outcome(self.connection, before)

    def wrote_between(self, begin: int, end: int) -> bool:
        """Return whether a scheduler wrote down an outcome of any job between two instants."""
        last = self.last_outcome(end)
        return last is not None and last > begin

    # --- who asked, and who is there

    def asked(self, action: str, run_id: int | None = None, until: int | None = None) -> Any:
        """Return the newest entry of the audit trail about this job, or one of its runs."""
        query = select(schema.audit).where(audit.job_id == self.job_id, audit.action == action)
        if run_id is not None:
            query = query.where(audit.run_id == run_id)
        if until is not None:
            query = query.where(audit.at_us <= until)
        # By the index of at_us, from the newest on: it holds what people did, not what ran.
        return self._first(query.order_by(audit.at_us.desc(), audit.audit_id.desc()).limit(1))

    @cached_property
    def processes(self) -> dict[str, Process]:
        """The processes in the ledger by their ids, dead ones that are not reaped yet too."""
        return {process.process_id: process for process in read_processes(self.connection, self.now)}

    @property
    def up(self) -> list[Process]:
        """The processes that are up."""
        return [process for process in self.processes.values() if process.is_up]

    def _first(self, query: Select[Any]) -> Any:
        return self.connection.execute(query).first()

    def _all(self, query: Select[Any]) -> list[Any]:
        return list(self.connection.execute(query).all())


def _held_by_latest(row: Any, instant: int) -> Hold | None:
    """Return how the latest attempt of a run held a place at an instant: since it was reserved, or begun."""
    if row.state in ("queued", "retrying") or row.claimed_us is None:
        return None
    # A run that is claimed for a further attempt still has the beginning of the one before.
    began = None if row.state == "claimed" else row.started_us
    # A run that is reserved early, for its jitter, blocks no other run until it is due.
    since = max(row.claimed_us, row.due_us)
    if began is not None:
        since = min(since, began)
    if instant < since or (row.finished_us is not None and instant > row.finished_us):
        return None
    # A run that was given up held its slot until then, and not at the instant itself.
    if row.state == "skipped" and instant == row.finished_us:
        return None
    has_begun = began is not None and began <= instant
    return Hold(row, began if has_begun else None, row.finished_us, row.claimed_us)


def _waiting(row: Any, instant: int) -> Hold | None:
    """Return a run of a tick that waited in the queue for its first attempt at an instant."""
    if row.kind != "scheduled" or row.attempt != 1 or row.due_us > instant:
        return None
    if row.finished_us is not None and row.finished_us <= instant:
        return None
    return Hold(row, None, row.finished_us)
