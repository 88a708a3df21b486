"""Requests about runs while the schedule runs: a run now, one more attempt, the cancellation of one.

Each is one transaction in the ledger, which also records who asked; it is carried out within a second.
"""

from __future__ import annotations

from abc import abstractmethod
from datetime import datetime, tzinfo
from typing import Any

from everytick.call_site import call_site, failing
from everytick.errors import ScheduleError
from everytick.model import ticks
from everytick.model.schedule import Schedule
from everytick.store import disabled, pauses, requests
from everytick.store.connections import Connection
from everytick.store.records import JobState
from everytick.store.writer import Operation
from everytick.system import system
from everytick.text.instants import when
from everytick.text.wording import no_run, not_a_run

from .dates import instant_of

# How a run in each state is spoken of.
STANDS = {
    "queued": "waits to begin",
    "claimed": "is about to begin",
    "running": "is running",
    "retrying": "waits for its next attempt",
    "succeeded": "has succeeded",
    "failed": "has failed",
    "timed_out": "has timed out",
    "cancelled": "was cancelled",
    "interrupted": "was interrupted",
    "lost": "was lost",
    "skipped": "was skipped",
}


class NotNowError(ScheduleError):
    """It cannot be done as things are, though nothing that was given is wrong: the job is disabled, ..."""


class RunRequests:
    """Requests about runs; each is on record with who made it."""

    # Who asks, as the audit trail shows it.
    who: str = "the application"

    @property
    @abstractmethod
    def timezone(self) -> tzinfo:
        """The zone in which times without one are read."""

    @abstractmethod
    def _execute(self, operation: Operation, *, creating: bool = False) -> Any:
        """Return what `operation(connection)` returns, after its commit.

        `creating`: a ledger that is not there yet is made. Raises LedgerError; then nothing was done.
        """

    @abstractmethod
    def _existing(self, connection: Connection, job_id: Any) -> JobState:
        """Return a job's row in the ledger; raise ScheduleError if there is none."""

    @abstractmethod
    def _own_schedule(self, job_id: str) -> Schedule | None:
        """Return the schedule of a job whose data the ledger may lack."""

    def run_job_now(self, job_id: str, *, tick: datetime | None = None, note: str | None = None) -> int:
        """Run a job now, beside its schedule, also while it is paused; return the number of the run.

        Args:
            tick: the tick that the run stands in for: `current_run().tick` will be that. It must be one of
                the job's, and past; without a zone it is in the scheduler's.
            note: why, for the audit trail.

        Raises:
            ScheduleError: there is no such job, or no such tick, or the tick is still to come; or the job is
                disabled by a setting.
            LedgerError: the ledger cannot be used; nothing was asked.
        """
        if tick is not None and not isinstance(tick, datetime):
            raise ScheduleError(f"tick={tick!r} must be a datetime, such as datetime(2027, 1, 31, 9, 30)")
        check_note(note)
        with failing(call_site(), None):
            instant = None if tick is None else instant_of(tick, "tick", self.timezone)

        def ask(connection: Connection) -> int:
            state = self._existing(connection, job_id)
            refuse_if_disabled(connection, state)
            if instant is not None:
                schedule = state.schedule() or self._own_schedule(job_id)
                check_tick(schedule, job_id, instant, self.timezone)
            run_id = requests.run_now(connection, job_id, instant)
            requests.note_down(connection, self.who, "run now", job_id, run_id, note)
            return run_id

        return int(self._execute(ask))

    def retry_run(self, run_id: int, *, note: str | None = None) -> None:
        """Give a run that failed, or was cut off, one more attempt, now.

        If its job is paused the attempt waits until that is resumed, unless the run was asked for by hand.

        Raises:
            ScheduleError: there is no such run, or it is in no state for that; or its job is removed or
                disabled.
            LedgerError: the ledger cannot be used; nothing was asked.
        """

        check_note(note)

        def ask(connection: Connection) -> None:
            job_id, state = self._run(connection, run_id)
            if (job := pauses.read(connection, job_id)) is not None:
                if job.removed is not None:
                    raise ScheduleError(
                        f"run {run_id} is of job {job_id!r}, which is removed: nothing of it runs any more"
                    )
                refuse_if_disabled(connection, job)
            if not requests.retry(connection, run_id):
                raise ScheduleError(
                    f"run {run_id} {STANDS[state]}: only a run that failed, timed out,"
                    " or was cancelled, interrupted or lost can be tried again"
                )
            requests.note_down(connection, self.who, "retry", job_id, run_id, note)

        self._execute(ask)

    def cancel_run(self, run_id: int, *, note: str | None = None) -> bool:
        """Cancel a run: one that waits at once, a coroutine that runs within about a second.

        A plain function cannot be stopped; it may look at `current_run().cancel_requested` and end by itself.
        A run that waits for a retry is again as it ended before, such as `failed`, with its error.

        Returns:
            True if it is cancelled already, False if its process was asked to.

        Raises:
            ScheduleError: there is no such run, or it is over.
            LedgerError: the ledger cannot be used; nothing was asked.
        """

        check_note(note)

        def ask(connection: Connection) -> bool:
            job_id, state = self._run(connection, run_id)
            answer = requests.cancel(connection, run_id, f"cancelled by {self.who}")
            if answer == "over":
                raise ScheduleError(f"run {run_id} is over: it {STANDS[state]}")
            requests.note_down(connection, self.who, "cancel", job_id, run_id, note)
            return answer == "cancelled"

        return bool(self._execute(ask))

    @staticmethod
    def _run(connection: Connection, run_id: int) -> tuple[str, str]:
        if not isinstance(run_id, int):
            raise ScheduleError(not_a_run(str(run_id)))
        # No ledger has a number of more than 64 bits.
        found = requests.read(connection, run_id) if 0 < run_id < 2**63 else None
        if found is None:
            raise ScheduleError(no_run(run_id))
        return found


def refuse_if_disabled(connection: Connection, state: JobState) -> None:
    """Refuse what would run, pause or resume a job that no process is set to run."""
    setting = disabled.why(connection, state)
    if setting is not None:
        raise NotNowError(
            f"job {state.job_id!r} is disabled by {setting}: change that setting, and start the"
            " processes anew"
        )


def check_note(note: Any) -> None:
    """Refuse a note that is no text."""
    if note is not None and not isinstance(note, str):
        raise ScheduleError(f"note={note!r:.200} must be text")


def check_tick(schedule: Schedule | None, job_id: str, instant: int, zone: tzinfo) -> None:
    """Refuse an instant that is no tick of the schedule, or one that is still to come.

    `zone` is the one to name it in where the schedule is not known.
    """
    zone = zone if schedule is None else schedule.zone
    if schedule is not None and schedule.next_tick(instant - 1) != instant:
        near = _nearest_ticks(schedule, instant)
        raise ScheduleError(f"{when(instant, zone)} is no tick of the job {job_id!r}: {near}")
    if instant > ticks.now():
        raise ScheduleError(
            f"the tick {when(instant, zone)} of the job {job_id!r} is still to come, and comes at its time"
            " anyway: leave it out to run the job now"
        )


def _nearest_ticks(schedule: Schedule, instant: int) -> str:
    before, after = schedule.tick_before(instant), schedule.next_tick(instant)
    near = [
        None if before is None else f"the one before is {when(before, schedule.zone)}",
        None if after is None else f"the next one is {when(after, schedule.zone)}",
    ]
    return ", ".join(filter(None, near)) or "it has none"


def person() -> str:
    """Return who is at the keyboard, as the audit trail shows it."""
    return f"{system.user_name()}@{system.host_name()}"
