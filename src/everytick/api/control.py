"""Jobs added, changed, paused and removed while the schedule runs: each is one transaction in the ledger."""

from __future__ import annotations

import functools
from abc import abstractmethod
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from typing import Any

from apscheduler.jobstores.base import ConflictingIdError, JobLookupError
from everytick.app import typed, typed_for
from everytick.call_site import call_site, fail, failing
from everytick.engine import registry
from everytick.engine.registry import Change
from everytick.errors import LedgerError, ScheduleError, nearest
from everytick.model import functions, ticks
from everytick.model.job import OPTION_NAMES, Job
from everytick.model.kept_data import read_call
from everytick.model.schedule import Schedule
from everytick.store import definitions, pauses, requests
from everytick.store.connections import UNAVAILABLE, Connection
from everytick.store.records import AddedRow, JobState
from everytick.text.instants import when
from everytick.text.wording import is_storable, no_job, not_for_requests
from loguru import logger

from . import exclusions
from .backfills import BackfillRequests
from .changes import CHANGEABLE, instead
from .dates import check_zone_is_clear, instant_of
from .declare import KNOWN_NAMES, JobDeclarations, shown_name
from .requests import check_note, refuse_if_disabled
from .unsupported import check_jobstore, refuse


class JobExistsError(ScheduleError, ConflictingIdError):
    """There is a job with this id already."""

    def __init__(self, sentence: str) -> None:
        Exception.__init__(self, sentence)

    __str__ = Exception.__str__


class NoSuchJobError(ScheduleError, JobLookupError):
    """There is no job with this id."""

    def __init__(self, sentence: str) -> None:
        Exception.__init__(self, sentence)

    __str__ = Exception.__str__


class JobControl(BackfillRequests, JobDeclarations):
    """APScheduler's methods for a schedule that runs, in this process or in another."""

    def _changed(self, change: Change) -> None:
        """Take note of a change that is committed."""

    @abstractmethod
    def get_job(self, job_id: str, jobstore: str | None = None) -> Job | None:
        """Return a job, or None."""

    def _before_start(self) -> dict[str, Job] | None:
        """Return the jobs that are declared, of a schedule that has not started; None while it runs."""
        return None

    def paused_jobs(self) -> set[str]:
        """Return the ids of the jobs that are paused now; before the start, of those that will be at first.

        Raises:
            LedgerError: the ledger cannot be read.
        """
        declared = self._before_start()
        if declared is not None:
            return {job.id for job in declared.values() if job.paused_at_first}
        if not self.ledger.exists():
            return set()
        try:
            with closing(self.ledger.connect(read_only=True)) as connection:
                return pauses.paused_jobs(connection, ticks.now())
        except UNAVAILABLE as problem:
            raise LedgerError(self.ledger.unusable(problem)) from None

    def remove_job(self, job_id: str, jobstore: str | None = None, *, note: str | None = None) -> None:
        """Remove a job that was added while running: it never runs again. Its history stays.

        Before the start this takes back a declaration.

        Args:
            note: why, for the audit trail.

        Raises:
            ScheduleError: there is no such job, or it stands in the code of a schedule that runs.
        """
        check_jobstore(jobstore)
        check_note(note)
        declared = self._before_start()
        if declared is not None:
            declared_job(declared, job_id)
            del declared[job_id]
            return

        def remove(connection: Connection) -> AddedRow:
            state = _existing(connection, job_id)
            if state.call_data is None:
                raise ScheduleError(f"job {job_id!r} stands in the schedule's code: delete it there")
            definitions.remove(connection, job_id, ticks.now())
            requests.note_down(connection, self.who, "remove", job_id, note=note)
            return definitions.read_added(connection, job_id)

        row = self._execute(remove)
        self._changed(Change(job_id, None, row.watermark, row.serial))

    def modify_job(self, job_id: str, jobstore: str | None = None, **changes: Any) -> Job:
        """Change a job that was added while running; return it as it is then.

        Args:
            changes: func, args, kwargs, name, trigger (an object), exclude, shift, or any option of
                `add_job`.

        Raises:
            ScheduleError: there is no such job, it stands in the code, or it cannot be changed like this.
        """
        check_jobstore(jobstore)
        self._need_running("modify_job()", "change the job's add_job() call")
        where = call_site()
        for name in changes:
            if name not in CHANGEABLE:
                raise self._takes_no(where, "modify_job", job_id, name, changes)

        def change(job: Job) -> Job:
            job = replace(job, schedule=self._other_schedule(job.schedule, changes))
            given = {**job.given, **{name: changes[name] for name in OPTION_NAMES & changes.keys()}}
            function = self._function(changes.get("func", job.func))
            args, kwargs = functions.call_arguments(
                changes.get("args", job.args), changes.get("kwargs", job.kwargs)
            )
            functions.check_arguments(function, args, kwargs)
            job = replace(job, func=function, args=args, kwargs=kwargs, given=given)
            return replace(job, name=shown_name(changes.get("name", job.name)), options=self._options(given))

        return self._change(where, job_id, change)

    def reschedule_job(
        self, job_id: str, jobstore: str | None = None, trigger: Any = None, **trigger_args: Any
    ) -> Job:
        """Give a job that was added while running another trigger; return it as it is then.

        Nothing is caught up for the time before. The days that it leaves out, and `shift`, stay unless other
        ones are among the arguments. What the new trigger cannot have goes: a date leaves out no days, and a
        workday of a month is not moved. The log says so. Raises as `modify_job` does.
        """
        check_jobstore(jobstore)
        self._need_running("reschedule_job()", "change the job's add_job() call")
        where = call_site()
        for name in trigger_args:
            if name not in exclusions.NAMES and (name in CHANGEABLE or name in KNOWN_NAMES):
                raise self._takes_no(where, "reschedule_job", job_id, name, trigger_args)

        def change(job: Job) -> Job:
            kept = exclusions.of(job.schedule, trigger_args)
            return replace(job, schedule=self._schedule(trigger, trigger_args | kept))

        return self._change(where, job_id, change)

    def pause_job(
        self,
        job_id: str,
        jobstore: str | None = None,
        *,
        note: str | None = None,
        until: datetime | None = None,
    ) -> bool:
        """Pause a job until it is resumed or, with `until`, until then; over restarts too.

        Before the start: paused when it is first registered.

        Args:
            note: why, for others.
            until: when the pause ends by itself; without a zone it is in the scheduler's.

        A job that is paused already gets the note and the end that are given, and else stays as it was.

        Returns:
            False if nothing was changed.
        """
        check_jobstore(jobstore)
        check_note(note)
        declared = self._before_start()
        if declared is not None:
            job = declared_job(declared, job_id)
            if until is not None or note is not None:
                refuse(call_site(), "pause_job(note=, until=) before the start", "pause the running schedule")
            job.paused_at_first = True
            return True
        end = None if until is None else self._end_of_pause(until)

        def pause(connection: Connection) -> bool:
            refuse_if_disabled(connection, _existing(connection, job_id))
            changed = pauses.pause(connection, job_id, note, end)
            if changed:
                requests.note_down(connection, self.who, "pause", job_id, note=self._with_end(note, end))
            return changed

        return bool(self._execute(pause))

    def resume_job(self, job_id: str, jobstore: str | None = None, *, note: str | None = None) -> bool:
        """Resume a paused job. Its ticks during the pause are recorded as skipped, and do not run later.

        Args:
            note: why, for the audit trail.

        Returns False if it was not paused.
        """
        check_jobstore(jobstore)
        check_note(note)
        self._need_running(
            "resume_job()",
            f"a pause lasts until it is ended: {typed_for(str(job_id), 'resume')}",
        )
        schedule = self._own_schedule(job_id)

        def resume(connection: Connection) -> bool:
            refuse_if_disabled(connection, _existing(connection, job_id))
            changed = pauses.resume(connection, job_id, schedule)
            if changed:
                requests.note_down(connection, self.who, "resume", job_id, note=note)
            return changed

        return bool(self._execute(resume))

    def _other_schedule(self, known: Schedule, changes: Mapping[str, Any]) -> Schedule:
        if "trigger" in changes:
            return self._schedule(changes["trigger"], exclusions.of(known, changes))
        return exclusions.changed(known, changes) if exclusions.NAMES & changes.keys() else known

    def _takes_no(
        self, where: str, method: str, job_id: str, name: str, given: Mapping[str, Any]
    ) -> ScheduleError:
        """Return the error for an argument that a method does not take, with what to use instead.

        Or raise that of a job for which that is refused as well.
        """
        # Also a job that stands in the code can be paused, or run now.
        self._execute(
            lambda connection: (_existing if name == "next_run_time" else added_row)(connection, job_id)
        )
        return fail(where, job_id, f"{method} takes no {name}={instead(job_id, name, given)}")

    def _need_running(self, what: str, instead: str) -> None:
        if self._before_start() is not None:
            refuse(call_site(), f"{what} before the start", instead)

    def _with_end(self, note: str | None, end: int | None) -> str | None:
        """Return the note of a pause as it is put on record, with its end in the scheduler's zone."""
        if end is None:
            return note
        until = f"until {when(end, self.timezone)}"
        return f"{until}: {note}" if note else until

    def _end_of_pause(self, until: Any) -> int:
        if not isinstance(until, datetime):
            raise ScheduleError(f"until={until!r} must be a datetime, such as datetime(2027, 1, 31, 9, 30)")
        with failing(call_site(), None):
            check_zone_is_clear(until, "until", self.timezone)
            end = instant_of(until, "until", self.timezone)
        if end <= ticks.now():
            end_in_words = when(end, self.timezone)
            raise ScheduleError(f"a pause until {end_in_words} would be over already: give a time to come")
        return end

    def _existing(self, connection: Connection, job_id: Any) -> JobState:
        return _existing(connection, job_id)

    def _own_schedule(self, job_id: str) -> Schedule | None:
        return None

    def _change(self, where: str, job_id: str, change: Callable[[Job], Job]) -> Job:
        """Change a job as the ledger keeps it; once more if another's change comes between."""
        while True:
            row = self._execute(lambda connection: added_row(connection, job_id))
            try:
                call = read_call(row.call_data)
                job = registry.load(row, call, self.defaults, self.settings.allowed_functions.load)
            except ValueError:
                raise ScheduleError(
                    f"job {job_id!r} cannot run here, so it cannot be changed ({typed('jobs')} says why):"
                    " add it anew with replace_existing=True, or remove it"
                ) from None
            with failing(where, job_id):
                changed = self._write(change(job), functools.partial(may_change, row))
            if changed is not None:
                return changed

    def _check_time_to_come(self, job: Job) -> None:
        now = ticks.now()
        if job.startup_delay is not None:
            return
        if job.only_tick is None and job.next_tick(now) is None:
            raise ValueError("its trigger has no time to come, so it would never run")
        # Whether it ran could not be told any more, once its history is pruned.
        oldest = now - int(self.settings.scheduler_history_days * ticks.DAY)
        if job.only_tick is not None and job.only_tick < oldest:
            raise ValueError("its date is older than SCHEDULER_HISTORY_DAYS: leave it out to run now")

    def _keep(self, job: Job, *, named: bool, replace_existing: bool, note: str | None = None) -> Job:
        def may(connection: Connection) -> str | None:
            return _may_take(connection, job, named, replace_existing)

        return self._write(job, may, note) or self.get_job(job.id) or job

    def _write(
        self, job: Job, may: Callable[[Connection], str | None], note: str | None = None
    ) -> Job | None:
        """Record a job if `may`, in the same transaction, returns `add` or `change`; else return None.

        `note`: for the audit trail, also where the very same job is there already.
        """
        functions.stable_reference(job.func)
        self.settings.allowed_functions.check(job.func)
        functions.check_plain(list(job.args), "args")
        functions.check_plain(job.kwargs, "kwargs")
        functions.check_size(list(job.args), job.kwargs)
        self._check_time_to_come(job)
        if job.schedule.remark:
            logger.warning("{}: job {}: {}", job.where, job.id, job.schedule.remark)
        first_at = None if job.startup_delay is None else ticks.now() + job.startup_delay
        job = replace(job, startup_delay=None, owner=self)

        def write(connection: Connection) -> AddedRow | None:
            action = may(connection)
            if action is not None or note is not None:
                requests.note_down(connection, self.who, action or "add", job.id, note=note)
            return None if action is None else definitions.keep(connection, job, first_at)

        row = self._execute(write, creating=True)
        if row is None:
            return None
        self._changed(Change(job.id, job, row.watermark, row.serial))
        return job


def declared_job(declared: dict[str, Job], job_id: str) -> Job:
    """Return a job that is declared; raise NoSuchJobError if there is none."""
    if job_id not in declared:
        raise NoSuchJobError(f"{call_site()}: no job {job_id!r} is declared{nearest(job_id, declared)}")
    return declared[job_id]


def _may_take(connection: Connection, job: Job, named: bool, replace_existing: bool) -> str | None:
    """Return whether recording a job is an `add` or a `change`; None if the very same is there already."""
    state = pauses.read(connection, job.id)
    if state is None or state.removed is not None:
        return "add"
    taken = f"{job.where}: the id {job.id!r} is taken by a job"
    if state.call_data is None:
        raise JobExistsError(f"{taken} in the schedule's code: give another id=")
    if state.exhausted is not None:
        return "add"
    if replace_existing:
        return "change"
    if named:
        raise JobExistsError(f"{taken} that was added before: give another id=, or replace_existing=True")
    return None


def may_change(row: AddedRow, connection: Connection) -> str | None:
    """Return `change`; None if the job is not any more as this row says."""
    return "change" if added_row(connection, row.job_id).serial == row.serial else None


def added_row(connection: Connection, job_id: str) -> AddedRow:
    """Return a job that was added while running, as the ledger keeps it."""
    if _existing(connection, job_id).call_data is None:
        raise ScheduleError(f"job {job_id!r} stands in the schedule's code: change it there")
    return definitions.read_added(connection, job_id)


def _existing(connection: Connection, job_id: Any) -> JobState:
    if not isinstance(job_id, str):
        raise NoSuchJobError(no_job(job_id, ()))
    if not is_storable(job_id):
        raise NoSuchJobError(not_for_requests(job_id))
    state = pauses.read(connection, job_id)
    if state is None or state.removed is not None:
        known = pauses.read_every(connection)
        names = [other.job_id for other in known if other.removed is None]
        raise NoSuchJobError(no_job(job_id, names, " in the schedule"))
    return state
