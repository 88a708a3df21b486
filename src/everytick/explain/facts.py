"""The facts about one job, read from the ledger as an explanation needs them. Reads only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import tzinfo
from functools import cached_property
from typing import Any

from everytick.model import ticks
from everytick.model.job import Job, Options
from everytick.model.schedule import Schedule
from everytick.read import runs_of_job
from everytick.read.audit import newest_request
from everytick.read.groups import Group, limited_groups
from everytick.read.in_the_way import Hold, in_the_way
from everytick.read.known_job import Declared, KnownJob, undeclared
from everytick.read.not_in_force import who_claims
from everytick.read.outages import Outage, outage_of
from everytick.read.processes import Process, last_outcome, read_processes, with_traces
from everytick.read.run_details import earlier_attempts
from everytick.read.runs import find_run
from everytick.read.under_way import HeldCounts, count_held, held_runs, waiting_before
from everytick.settings import SchedulerSettings
from everytick.store import unreadable
from everytick.store.querying import Reader


@dataclass
class Facts:
    """One job at one moment.

    known: the job in the ledger. declared: the job in the working tree's schedule. problem: why that schedule
    does not load. code_is_known: whether the working tree was looked at. shown_in: the zone of all times that
    are told, where it is not the job's.
    """

    connection: Reader
    known: KnownJob
    declared: Job | None
    problem: str | None
    settings: SchedulerSettings
    code_is_known: bool = True
    shown_in: tzinfo | None = None

    @property
    def job_id(self) -> str:
        """The id of the job."""
        return self.known.id

    @property
    def row(self) -> Any:
        """The job's row in the ledger."""
        return self.known.row

    @property
    def now(self) -> int:
        """The moment, in microseconds UTC."""
        return self.known.now

    @cached_property
    def schedule(self) -> Schedule | None:
        """The schedule in force: the ledger's, or the code's where the ledger lacks its data."""
        if self.row.schedule_data is not None:
            return self.known.schedule
        same = self.declared is not None and self.declared.definition == self.row.definition
        return self.declared.schedule if self.declared and same else None

    @property
    def zone(self) -> tzinfo:
        """The zone of all times: the job's, the scheduler's if that is not known, or one that is wanted."""
        if self.shown_in is not None:
            return self.shown_in
        known = self.schedule or (self.declared.schedule if self.declared else None)
        return known.zone if known else self.settings.zone

    @cached_property
    def job(self) -> Job | None:
        """The job as it would run: of the code, or added while running; None if it cannot."""
        return self._loaded[0] if self.known.was_added else self.declared

    @property
    def cannot_run(self) -> str | None:
        """Why a job that was added while running cannot run here."""
        return self._loaded[1]

    @cached_property
    def options(self) -> Options | None:
        """The options that the engine goes by; None of a job in the code while that is not looked at."""
        if self.known.was_added:
            return self.known.options(self._undeclared)
        return self.declared.options if self.declared else None

    @cached_property
    def _loaded(self) -> tuple[Job | None, str | None]:
        return self.known.load(self._undeclared)

    @property
    def _undeclared(self) -> Declared:
        return undeclared(self.settings)

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

    # --- runs

    def run(self, run_id: int) -> Any:
        """Return a run by its number, or None."""
        return find_run(self.connection, run_id)

    def at(self, tick: int) -> Any:
        """Return the row that accounts for a tick: its own, or the range in which it lies."""
        return runs_of_job.run_at(self.connection, self.job_id, tick)

    def unreadable_at(self, tick: int) -> str | None:
        """Return what makes the row of a tick unreadable, if it is there and cannot be read."""
        found = unreadable.find(self.connection.plain, 1, "scheduler_runs", job_id=self.job_id, tick_us=tick)
        return str(found[0]) if found else None

    def newest_until(self, instant: int) -> Any:
        """Return the row of the newest tick up to an instant."""
        return runs_of_job.newest_until(self.connection, self.job_id, instant)

    def newest_without_tick(self) -> Any:
        """Return the newest run that has no tick: by hand, or of a start."""
        return runs_of_job.newest_without_tick(self.connection, self.job_id)

    def standing_in(self, tick: int) -> list[Any]:
        """Return the runs by hand, and of backfills, that stand in for a tick."""
        return runs_of_job.standing_in(self.connection, self.job_id, tick)

    def earlier_attempts(self, run_id: int) -> list[Any]:
        """Return the attempts of a run before its latest."""
        return earlier_attempts(self.connection, run_id)

    def in_the_way(self, instant: int, tick: int, but: int) -> list[Hold]:
        """Return the runs that held a place of the job at an instant, near a tick; run `but` is left out."""
        return in_the_way(self.connection, self.job_id, instant, tick, but)

    def held_by(self, process_id: str) -> int:
        """Return how many runs of any job a process has under way."""
        return sum(self._held.running_in(process_id).values())

    @cached_property
    def _held(self) -> HeldCounts:
        return count_held(self.connection)

    def held_of_job(self, but: int) -> list[Any]:
        """Return the runs of this job that are claimed or run, without run `but` and those of backfills."""
        held = held_runs(self.connection, job_id=self.job_id)
        return [row for row in held if row.run_id != but and row.kind != "backfill"]

    @property
    def disabled_next(self) -> str | None:
        """The setting here that disables the job at the next start, where no process is up that claims."""
        if self.row.disabled_by is not None or who_claims(self.up):
            return None
        return self.settings.job_filter.why_disabled(self.job_id)

    def waiting_before(self, row: Any) -> int:
        """Return how many runs of this job begin before one that waits."""
        return waiting_before(self.connection, row)

    @cached_property
    def full_group(self) -> Group | None:
        """The group of the job, if as many of its runs are under way as may be."""
        name = self.row.group_name
        group = limited_groups(self.connection, self.now).get(name) if name is not None else None
        return group if group is not None and group.is_full else None

    def last_outcome(self, before: int) -> int | None:
        """Return when a scheduler last wrote down an outcome, of any job, before an instant."""
        return last_outcome(self.connection, before)

    def outage_of(self, row: Any) -> Outage | None:
        """Return the outage into which the skipped ticks of a row fell, if it is over and can be told."""
        return outage_of(self.connection, row)

    def wrote_between(self, begin: int, end: int) -> bool:
        """Return whether a scheduler wrote down an outcome of any job between two instants."""
        last = self.last_outcome(end)
        return last is not None and last > begin

    # --- who asked, and who is there

    def asked(self, action: str, run_id: int | None = None, until: int | None = None) -> Any:
        """Return the newest entry of the audit trail about this job, or one of its runs."""
        return newest_request(self.connection, self.job_id, action, run_id, until)

    @cached_property
    def processes(self) -> dict[str, Process]:
        """The processes in the ledger by their ids, dead ones that are not reaped yet too."""
        return {process.process_id: process for process in read_processes(self.connection, self.now)}

    @cached_property
    def nobody_up(self) -> str:
        """The clause that no scheduler is up, and since when."""
        found = tuple(self.processes.values())
        return with_traces(self.connection, found, self.now).nobody_up(self.zone)

    @property
    def up(self) -> list[Process]:
        """The processes that are up."""
        return [process for process in self.processes.values() if process.is_up]
