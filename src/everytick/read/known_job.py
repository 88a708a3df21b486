"""A job as the ledger knows it: one row, which means the same for all who ask.

Commands, pages, the API, `why`, `doctor`, health and metrics have their jobs from here. With which options a
job runs that is declared in the user's code, that code says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from everytick.engine.registry import load
from everytick.model import ticks
from everytick.model.allowed_functions import AllowedFunctions
from everytick.model.job import OPTION_NAMES, Job, Options
from everytick.model.kept_data import KeptCall, read_call
from everytick.model.offers import Offer
from everytick.model.schedule import Schedule, known_from_text
from everytick.settings import SchedulerSettings
from everytick.store import unreadable
from everytick.store.querying import ALWAYS, Condition, Reader, added_row, among
from everytick.store.records import is_paused
from everytick.text.schedules import in_words
from everytick.text.wording import one_line

from .job_ids import list_job_ids, no_such_job
from .processes import reports

# The condition for jobs that may still have ticks.
IN_FORCE = "removed_us IS NULL AND exhausted_us IS NULL"
_ORDER = "ORDER BY call_data IS NOT NULL, registered_us, job_id"
_COLUMNS = """
job_id, name, function, trigger, zone, definition, registered_us, changed_us, watermark_us, on_crash,
grace_us, paused_us, pause_note, removed_us, paused_until_us, schedule_data, call_data, serial, exhausted_us,
queue, disabled_by, group_name
"""
# Without arguments, which may be large. SQLite does not read past them for an `exhausted_us` that is not
# set.
_DUE = f"""
SELECT job_id, watermark_us, registered_us, paused_us, paused_until_us, removed_us, exhausted_us,
       schedule_data, queue, call_data IS NOT NULL AS was_added, disabled_by
FROM scheduler_jobs WHERE {IN_FORCE} {_ORDER}
"""


@dataclass(frozen=True)
class Declared:
    """The declarations of the user's schedule.

    jobs: those that stand in the code.
    defaults: the options of jobs that name none, where no process of this version has run them yet.
    allowed: the functions that jobs may call which were added while running.
    offers: those for which people may add jobs; None where the code is not loaded, which names them.
    """

    jobs: Sequence[Job]
    defaults: Mapping[str, Any]
    allowed: AllowedFunctions
    offers: Mapping[str, Offer] | None = None

    @cached_property
    def in_code(self) -> dict[str, Job]:
        """The jobs that stand in the code, by their ids: a schedule that runs has added ones, too."""
        return {job.id: job for job in self.jobs if not job.added}


def undeclared(settings: SchedulerSettings) -> Declared:
    """Return the declarations as far as they are known without the user's code: without jobs."""
    defaults = {"misfire_grace_time": settings.scheduler_misfire_grace_time}
    return Declared([], defaults, settings.allowed_functions)


@dataclass(frozen=True)
class DueJob:
    """When a job in the ledger is due, at an instant. Instants are microseconds UTC.

    Its row has no arguments, which may be large: pages and probes that look at all jobs need none.
    """

    row: Any
    now: int

    @property
    def id(self) -> str:
        """Its id."""
        return str(self.row.job_id)

    @cached_property
    def schedule(self) -> Schedule | None:
        """Its schedule; None if the ledger lacks it, or this machine does not know its zone."""
        return known_from_text(self.row.schedule_data)

    @property
    def gone(self) -> bool:
        """Whether it was removed, or has no tick left."""
        return self.row.removed_us is not None or self.row.exhausted_us is not None

    @property
    def was_added(self) -> bool:
        """Whether it was added while running, and does not stand in the code."""
        return bool(self.row.was_added)

    @property
    def paused(self) -> bool:
        """Whether it is paused now; a pause with an end is over then."""
        return is_paused(self.row.paused_us, self.row.paused_until_us, self.now)

    @property
    def held(self) -> str:
        """Why it does not run now: `paused`, or `disabled` by a setting; empty if it does."""
        if not self.paused:
            return ""
        return "paused" if self.row.disabled_by is None else "disabled"

    def held_at(self, instant: int) -> str:
        """Return the same of an instant that lies in the pause of now, its end left out; else ""."""
        begin, end = self.row.paused_us, self.row.paused_until_us
        return self.held if self.paused and instant > begin and is_paused(begin, end, instant) else ""

    @property
    def next_tick(self) -> int | None:
        """Its next tick; None while it is paused or when there is none."""
        if self.paused or self.gone or self.schedule is None:
            return None
        return self.schedule.next_tick(max(self.now, self.row.watermark_us))


@dataclass(frozen=True)
class KnownJob(DueJob):
    """A job in the ledger with all that is known of it.

    reported: why a process that is up cannot run it, as that process says.

    `declared` of its methods: what the user's code says, or `undeclared` where nobody looks at it.
    """

    reported: str | None = None

    @property
    def zone_name(self) -> str:
        """Its zone: an IANA name, or an offset such as `UTC+05:30`; as it was kept if it is not known."""
        return self.schedule.zone_name if self.schedule else str(self.row.zone)

    @property
    def words(self) -> str:
        """The schedule as a sentence, where there is an honest one."""
        return in_words(self.schedule) if self.schedule else str(self.row.trigger)

    @property
    def was_added(self) -> bool:
        """Whether it was added while running, and does not stand in the code."""
        return self.row.call_data is not None

    @property
    def at_each_start(self) -> bool:
        """Whether it has no ticks, but a run at each start."""
        data = self.schedule.data if self.schedule else None
        return data is not None and data["trigger"] == "date" and data["at"] is None

    def options(self, declared: Declared) -> Options | None:
        """Return its options, as the process has them that runs it.

        None if it stands in code that is not loaded here, or if they cannot be read; `load` says why.
        """
        if (in_code := declared.in_code.get(self.id)) is not None:
            return in_code.options
        if not self.was_added:
            return None
        try:
            call = read_call(self.row.call_data)
            return Options.of({**_filled_in(call, declared), **_known(call.options)})
        except ValueError:
            return None

    def is_offered(self, declared: Declared) -> bool:
        """Return whether people may change and remove it: it was added, and calls what the code offers."""
        is_there = self.was_added and self.row.removed_us is None and self.id not in declared.in_code
        return is_there and self.row.function in (declared.offers or {})

    def load(self, declared: Declared) -> tuple[Job | None, str | None]:
        """Return it as it would run, or why it cannot run here. Nothing is imported for it.

        Both, if only the process that runs can tell why it cannot. Both are None of a job in the code.
        """
        if not self.was_added:
            return None, None
        try:
            call = read_call(self.row.call_data)
            job = load(added_row(self.row), call, _filled_in(call, declared), declared.allowed.look_up)
            return job, self.reported
        except Exception as problem:
            # Not only ValueError: whatever a row holds, it is that row's trouble alone (R8).
            return None, one_line(str(problem)) or type(problem).__name__

    def problem(self, declared: Declared) -> str | None:
        """Return why it cannot run here, unless it is gone anyway."""
        return None if self.gone else self.load(declared)[1]


def _filled_in(call: KeptCall, declared: Declared) -> dict[str, Any]:
    """Return the options that a job did not name."""
    kept = declared.defaults if call.defaults is None else call.defaults
    return {name: value for name, value in _known(kept).items() if name not in call.options}


def _known(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options without those of a newer version, which are not known here."""
    return {name: value for name, value in options.items() if name in OPTION_NAMES}


def find_job(connection: Reader, job_id: str) -> KnownJob | None:
    """Return a job, also one that is gone; None if the ledger never heard of it."""
    found = read_jobs(connection, Condition("job_id = :job_id", {"job_id": job_id}))
    return found[0] if found else None


def read_job(connection: Reader, job_id: str) -> KnownJob:
    """Return a job, also one that is gone.

    Raises:
        NotFoundError: the ledger never heard of it, or its row cannot be read.
    """
    found = find_job(connection, job_id)
    if found is None:
        unreadable.refuse(connection.plain, "scheduler_jobs", job_id=job_id)
        raise no_such_job(job_id, list_job_ids(connection))
    return found


def read_jobs(connection: Reader, wanted: Condition = ALWAYS) -> list[KnownJob]:
    """Return all jobs, also those that are gone; those of the code first, then as they were registered."""
    # The whole table: it has one row for each job.
    query = f"SELECT {_COLUMNS} FROM scheduler_jobs WHERE {wanted.text} {_ORDER}"
    rows = connection.rows(query, wanted.values)
    # With what the processes that are up say of them.
    now, reported = ticks.now(), reports(connection) if rows else {}
    return [KnownJob(row, now, reported.get(row.job_id)) for row in rows]


def jobs_due(connection: Reader) -> list[DueJob]:
    """Return when the jobs are due that may still have ticks, in the order of `read_jobs`."""
    now = ticks.now()
    return [DueJob(row, now) for row in connection.rows(_DUE)]


def jobs_in_force(connection: Reader) -> list[KnownJob]:
    """Return the jobs that may still have ticks, in the order of `read_jobs`."""
    return read_jobs(connection, Condition(IN_FORCE))


def jobs_named(connection: Reader, job_ids: set[str]) -> dict[str, KnownJob]:
    """Return those of some jobs that the ledger knows, also if they are gone, by their ids."""
    found = read_jobs(connection, among("job_id", sorted(job_ids), "job")) if job_ids else []
    return {job.id: job for job in found}
