"""Where the schedule of a scheduler object runs: here, in another process, or nowhere yet.

All that is asked of it goes there: to the process of the engine that this one has opened, or through the
ledger to one that runs elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import FrameType
from typing import TYPE_CHECKING, Any

from apscheduler.schedulers import SchedulerNotRunningError
from apscheduler.schedulers.base import STATE_RUNNING, STATE_STOPPED
from everytick.call_site import frames_above
from everytick.engine.registry import Change
from everytick.ledger import ledger_of
from everytick.model.job import Job
from everytick.model.schedule import Schedule
from everytick.store.database import Ledger
from everytick.store.requests import AT_EACH_START
from everytick.store.writer import Operation
from loguru import logger

from .client import SchedulerClient
from .control import JobControl
from .offers import JobOffers

if TYPE_CHECKING:
    from everytick.engine.process import Process

# Logged once in a process that was forked after the start: what it can do. A ledger in a file it cannot even
# open, see `errors.FORKED`.
_FORKED = (
    "the schedule runs in the process from which this one was forked; {}. To run the schedule here, start it"
    " after the fork: in gunicorn in post_fork, or without --preload"
)
_ON_SERVER = "this one adds and changes jobs through the ledger alone"
_IN_FILE = "the ledger is a file that is open there, so this one can neither add nor change jobs"
# Copies, after a fork, of objects that the parent uses. They are kept so that Python does not close the
# parent's connections, as it would when it frees them.
_LEFT_ALONE: list[object] = []


class Standing(JobOffers, JobControl):
    """The part of a scheduler that knows whether and where it runs."""

    state: int
    _declared: dict[str, Job]
    _own_process: Process | None = None
    # Acts through the ledger where the schedule runs in another process.
    _client: SchedulerClient | None = None
    # The calls that led to the start, and whether what they do after it is still a declaration.
    _started_by: Sequence[FrameType] = ()
    _declares_late = False

    @property
    def ledger(self) -> Ledger:
        """Where this schedule's ledger is."""
        process = self._process
        return ledger_of(self.settings) if process is None else process.ledger

    @property
    def _process(self) -> Process | None:
        """The process that runs the schedule here, or None.

        Look once in a method: another thread may shut it down between two looks.
        """
        process = self._own_process
        if process is not None and not process.is_here:
            self._become_client()
            logger.warning("{}", _FORKED.format(_ON_SERVER if process.ledger.is_on_server else _IN_FILE))
            return None
        return process

    def _runs_here(self) -> bool:
        process = self._own_process
        return process is not None and process.is_here

    def _become_client(self) -> None:
        """Go on in a process that does not run the schedule, although it was started."""
        _LEFT_ALONE.append(self._own_process)
        self._own_process, self._client = None, SchedulerClient(self.who)
        self.state = STATE_RUNNING

    def _forget_start_elsewhere(self) -> bool:
        """Be as before the start if that was in another process; return whether it was."""
        process = self._own_process
        if self._client is None and (process is None or process.is_here):
            return False
        _LEFT_ALONE.append(process)
        self._own_process = self._client = None
        self.state = STATE_STOPPED
        return True

    def _is_started(self) -> bool:
        return self._process is not None or self._client is not None

    def _is_stored(self) -> bool:
        return self._is_started() and not self._is_declaring()

    def _before_start(self) -> dict[str, Job] | None:
        return None if self._is_started() else self._declared

    def _is_declaring(self) -> bool:
        """Return whether this call declares a job after `start()`, as code does that starts first."""
        return self._declares_late and self._process is not None and self._is_setting_up()

    def _is_setting_up(self) -> bool:
        """Return whether this call comes from code that sets up the application.

        That is the top level of a module, and the functions that led to the start, with all that the
        application itself calls from there.
        """
        return any(it.f_code.co_name == "<module>" or it in self._started_by for it in frames_above())

    def _told_as_of_each_start(self, job: Job) -> str | None:
        """Say of a job that code adds at each start that it goes on when that code is gone.

        Return the note by which `doctor` finds that it is gone; None for another job.
        """
        if job.only_tick is not None or job.startup_delay is not None or not self._is_setting_up():
            return None
        logger.info(
            "{}: job {} is added by code that runs at each start, and goes on when that code is gone:"
            " declare it before the start",
            job.where,
            job.id,
        )
        return f"{AT_EACH_START}{job.where}"

    def get_jobs(self, jobstore: str | None = None, pending: bool | None = None) -> list[Job]:
        """Return the jobs in the order of their declaration; while running, also those added since."""
        return [self._owned(job) for job in list(self._jobs.values())]

    def get_job(self, job_id: str, jobstore: str | None = None) -> Job | None:
        """Return a job, or None."""
        known: Any = job_id
        # Another value than text may have no hash.
        job = self._jobs.get(known) if isinstance(known, str) else None
        return None if job is None else self._owned(job)

    @property
    def _jobs(self) -> dict[str, Job]:
        process, client = self._process, self._client
        if process is not None:
            return process.jobs
        added = [] if client is None else client.get_jobs()
        return self._declared | {job.id: job for job in added}

    def _execute(self, operation: Operation, *, creating: bool = False) -> Any:
        process, client = self._process, self._client
        if process is not None:
            return process.execute(operation)
        if client is None:
            # Shut down by another thread since it was asked for.
            raise SchedulerNotRunningError
        return client._execute(operation, creating=creating)

    def _changed(self, change: Change) -> None:
        process = self._process
        if process is not None:
            process.take_in([change])

    def _owned(self, job: Job) -> Job:
        # One that another process added came from the ledger.
        job.owner = self
        return job

    def _own_schedule(self, job_id: str) -> Schedule | None:
        job = self.get_job(job_id)
        return job.schedule if job else None
