"""The jobs that one process knows: those of its code, and those that were added while running.

A job whose function cannot be found is left in the ledger as it is, and told about: a version of the
application that has the function goes on with it (R8).
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any, NamedTuple

from everytick.masking import masked
from everytick.model import functions, ticks
from everytick.model.allowed_functions import AllowedFunctions, NotImported
from everytick.model.group_limits import SETTING, GroupLimits
from everytick.model.job import Job, Options
from everytick.model.job_filter import ALL_JOBS, JobFilter
from everytick.model.kept_data import KeptCall, read_call
from everytick.model.schedule import from_text
from everytick.store import definitions
from everytick.store import job_statements as job_sql
from everytick.store.connections import Connection
from everytick.store.records import AddedRow, Registration
from everytick.text.wording import counted, cut_list, one_line
from loguru import logger

# How many single runs that are over are looked at in one go.
_PIECE = 5_000
# Of how many jobs others are told why they cannot run, and in how many characters each.
_MOST_TOLD, _MOST_SAID = 100, 300


class Change(NamedTuple):
    """A job that is new, or other than it was; `job` None: it is not there any more.

    Of two changes of a job the one with the higher serial number holds. `problem`: why it cannot run here.
    """

    job_id: str
    job: Job | None
    watermark: int
    serial: int
    problem: str | None = None


class Registry:
    """The jobs by id. The other parts of a process look them up in this very dictionary, `jobs`."""

    def __init__(
        self,
        declared: Sequence[Job],
        defaults: Mapping[str, Any],
        allowed: AllowedFunctions,
        job_filter: JobFilter = ALL_JOBS,
    ) -> None:
        self.jobs = {job.id: job for job in declared}
        # Those that this process is set to run: it claims, and takes up, no others.
        self.enabled: Mapping[str, Job] = EnabledJobs(self.jobs, job_filter) if job_filter else self.jobs
        self._filter = job_filter
        self._declared = set(self.jobs)
        self._defaults, self._allowed = defaults, allowed
        self._serials: dict[str, int] = {}
        self._serial = 0
        # Why jobs cannot run that are in the ledger.
        self._problems: dict[str, str] = {}
        self._lock = threading.Lock()

    def tell_of_disabled(self, *, is_whole: bool) -> None:
        """Say in one line which jobs this process is set not to run, and which of the patterns names none.

        `is_whole`: the code declares no further jobs, which could have such an id.
        """
        reasons = {job_id: why for job_id in self.jobs if (why := self._filter.why_disabled(job_id))}
        if reasons:
            by = ", ".join(dict.fromkeys(reasons.values()))
            logger.info("{} disabled here by {}: {}", counted(len(reasons), "job"), by, cut_list(reasons))
        for setting, pattern in self._filter.without_a_job(self.jobs) if is_whole else ():
            logger.warning("{}: no job has the id {}", setting, pattern)

    def tell_of_groups(self, limits: GroupLimits, *, is_whole: bool) -> None:
        """Say which groups of jobs have no limit, and, if the code declares no further jobs, the reverse."""
        groups = {job.id: job.options.group for job in self.jobs.values()}
        for group, job_ids in limits.without_a_limit(groups).items():
            said = "the group {} has no limit in {}: {} run as if they had no group"
            logger.warning(said, group, SETTING, cut_list(job_ids))
        for group in limits.without_a_job(groups) if is_whole else ():
            logger.warning("{}: no job has the group {}", SETTING, group)

    def joined(self, registration: Registration) -> dict[str, int]:
        """Take in the jobs found at the start; return the watermarks of all jobs."""
        self._serial = registration.serial
        taken = [change for change in self.load(registration.jobs_added) if self.take(change)]
        return registration.watermarks | {change.job_id: change.watermark for change in taken if change.job}

    @property
    def serial(self) -> int:
        """The last change of an added job that this process has seen."""
        return self._serial

    def unseen(self, connection: Connection) -> list[AddedRow]:
        """Return the jobs that were added, changed or removed since the last call."""
        rows = definitions.added_since(connection, self._serial)
        if rows:
            self._serial = rows[-1].serial
        return rows

    def load(self, rows: Iterable[AddedRow]) -> list[Change]:
        """Return the changes that the ledger's rows describe. May import modules of the application."""
        changes = []
        for row in rows:
            job = problem = None
            if row.removed is None and row.call_data is not None:
                job, problem = loaded_or_told(row, self._defaults, self._allowed.load)
            changes.append(Change(row.job_id, job, row.watermark, row.serial, problem))
        return changes

    def with_other_options(self, rows: Iterable[AddedRow]) -> list[tuple[AddedRow, Job]]:
        """Return those of the ledger's rows that run here with other options than the rows say."""
        known = ((row, self.jobs.get(row.job_id)) for row in rows if row.call_data is not None)
        return [
            (row, job)
            for row, job in known
            if job is not None and job.added and definitions.call_data(job) != row.call_data
        ]

    def take(self, change: Change) -> bool:
        """Take in a change; False if it is old news. May be called from any thread."""
        job_id, job, _watermark, serial, problem = change
        with self._lock:
            if serial <= self._serials.get(job_id, 0) or job_id in self._declared:
                return False
            self._serials[job_id] = serial
            if job is not None:
                self.jobs[job_id] = job
            else:
                self.jobs.pop(job_id, None)
            if problem is not None:
                self._problems[job_id] = problem
            else:
                self._problems.pop(job_id, None)
        return True

    def cannot_run(self) -> str | None:
        """Return which jobs cannot run here, and why, as JSON for others to read; None if all can.

        Not more than a hundred: the log has them all.
        """
        with self._lock:
            some = dict(islice(self._problems.items(), _MOST_TOLD))
        return json.dumps(some) if some else None

    def problem_of(self, job_id: str) -> str | None:
        """Return why a job that is in the ledger cannot run here; None if it can, or is not known."""
        with self._lock:
            return self._problems.get(job_id)

    @contextmanager
    def declaring(self, job: Job) -> Iterator[None]:
        """Take in a job of the code, in the place of one added while running, unless the block raises.

        It counts as declared from the beginning of the block, in which it is written down: that may wait for
        the ledger, and nothing may remove the job meanwhile.
        """
        with self._lock:
            is_new = job.id not in self._declared
            self._declared.add(job.id)
        try:
            yield
        except BaseException:
            if is_new:
                with self._lock:
                    self._declared.discard(job.id)
            raise
        with self._lock:
            self.jobs[job.id] = job
            self._problems.pop(job.id, None)

    def take_back(self, job_id: str) -> None:
        """Let go of a job that the code no longer declares."""
        with self._lock:
            self._declared.discard(job_id)
            self.jobs.pop(job_id, None)

    def is_declared(self, job_id: str) -> bool:
        """Return whether the code declares a job."""
        return job_id in self._declared

    def forget_what_is_over(self, connection: Connection) -> None:
        """Let go of single runs that are over, of which there may be very many."""
        now = ticks.now()
        over = [job for job in list(self.jobs.values()) if job.added and (job.only_tick or now) < now]
        for job in over[:_PIECE]:
            values = {"job_id": job.id, "now": now}
            if connection.execute(job_sql.IS_OVER, values).fetchone():
                self.jobs.pop(job.id, None)
                self._serials.pop(job.id, None)


class EnabledJobs(Mapping[str, Job]):
    """Those of a process's jobs that it is set to run, as they are at each moment."""

    def __init__(self, jobs: Mapping[str, Job], job_filter: JobFilter) -> None:
        self._jobs, self._filter = jobs, job_filter

    def __getitem__(self, job_id: str) -> Job:
        if self._filter.why_disabled(job_id) is not None:
            raise KeyError(job_id)
        return self._jobs[job_id]

    def __iter__(self) -> Iterator[str]:
        return (job_id for job_id in list(self._jobs) if self._filter.why_disabled(job_id) is None)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def loaded_or_told(
    row: AddedRow, defaults: Mapping[str, Any], find: Callable[[str], Callable[..., Any]]
) -> tuple[Job | None, str | None]:
    """Return the job that the ledger keeps, as `load` does, or why it cannot run, which is logged too."""
    try:
        return load(row, read_call(row.call_data), defaults, find), None
    except Exception as problem:
        # Not only ValueError: whatever a row holds, it is that row's trouble alone (R8).
        shown, said = one_line(row.job_id), one_line(str(problem))
        logger.bind(job=shown).error("job {} is kept, but cannot run: {}", shown, said)
        return None, masked(said)[:_MOST_SAID] or type(problem).__name__


def load(
    row: AddedRow, call: KeptCall, defaults: Mapping[str, Any], find: Callable[[str], Callable[..., Any]]
) -> Job:
    """Return the job that the ledger keeps.

    Args:
        call: the row's call, as `read_call` gives it.
        defaults: the options that it did not name.
        find: returns the function of a reference: to run it, or only to show it (see `AllowedFunctions`).

    Raises:
        ValueError: it cannot run here.
    """
    if not isinstance(row.name, str):
        raise ValueError("its name is no text")
    function = find(row.function)
    if not isinstance(function, NotImported):
        functions.check_arguments(function, call.args, call.kwargs)
    options = Options.of({**defaults, **call.options})
    options.check()
    return Job(
        id=row.job_id,
        name=row.name,
        func=function,
        args=tuple(call.args),
        kwargs=call.kwargs,
        schedule=from_text(row.schedule_data),
        options=options,
        where="added while running",
        given=call.options,
        added=True,
        annotated=call.annotated,
    )
