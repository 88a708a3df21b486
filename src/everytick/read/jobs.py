"""A job as it is shown: what the ledger knows of it, what the code declares, and how its last runs ended.

Some facts only the user's code has: the options of a job that is declared there, and its line. A caller that
has loaded the code hands them in as declared jobs; this module never loads it.
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from everytick.model import ticks
from everytick.model.job import Job, Options
from everytick.model.job_filter import ALL_JOBS, JobFilter
from everytick.model.schedule import Schedule
from everytick.store.database import Ledger
from everytick.store.querying import Reader, connect, connect_checked
from everytick.text.instants import iso
from everytick.text.schedules import in_words

from .known_job import Declared, KnownJob, jobs_due, read_jobs
from .last_runs import Recent, recent
from .late import Late, find_late
from .processes import read_processes
from .standings import STANDINGS, Place, in_order, read_standings
from .waits import waits_of_jobs

if TYPE_CHECKING:
    from .schemas import JobDefinition, JobOutcomes, JobPause, JobRow


@dataclass(frozen=True)
class ShownJob:
    """A job of the schedule: as the code declares it, as the ledger knows it, or both; and its last runs."""

    declared: Job | None
    known: KnownJob | None
    last: Recent

    @property
    def id(self) -> str:
        """Its id."""
        return self.declared.id if self.declared else self._in_ledger.id

    @property
    def schedule(self) -> Schedule | None:
        """Its schedule, that of the code first; None if it is not known here."""
        return self.declared.schedule if self.declared else self._in_ledger.schedule

    def options(self, declared: Declared) -> Options | None:
        """Return the options that it runs with; None if they are not known here."""
        return self.declared.options if self.declared else self._in_ledger.options(declared)

    @property
    def group(self) -> str | None:
        """The group whose limit its runs share."""
        return self.declared.options.group if self.declared else self._in_ledger.row.group_name

    def held_at(self, instant: int) -> str:
        """Return why it would not run at an instant (microseconds UTC): `paused`, `disabled`, or ""."""
        if self.known is not None:
            return self.known.held_at(instant)
        return "paused" if self.declared is not None and self.declared.paused_at_first else ""

    def definition(self, declared: Declared) -> JobDefinition:
        """Return its definition as it is shown."""
        if self.declared is not None:
            return _declared_row(self.declared, self.known)
        return _ledger_row(self._in_ledger, declared)

    @property
    def _in_ledger(self) -> KnownJob:
        assert self.known is not None
        return self.known


def shown_jobs(ledger: Ledger, declared: Declared) -> list[ShownJob]:
    """Return the jobs that are declared, and those that were added while running and are not over.

    Raises:
        LedgerError: the ledger cannot be read.
    """
    jobs, known = {job.id: job for job in declared.jobs}, _jobs(ledger)
    both: list[tuple[Job | None, KnownJob | None]] = [(job, known.get(job.id)) for job in jobs.values()]
    both += [(None, job) for job in _added(known.values(), jobs)]
    if not known:
        return [ShownJob(job, None, Recent()) for job, _nothing in both]
    with connect(ledger) as connection:
        last = recent(connection, [job.id for _declared, job in both if job is not None])
    return [ShownJob(job, there, last[there.id] if there else Recent()) for job, there in both]


def job_rows(ledger: Ledger, declared: Declared, job_filter: JobFilter = ALL_JOBS) -> list[JobRow]:
    """Return one row for each of `shown_jobs`, those of the code first; times are ISO 8601 in UTC.

    `next_run` is null while the job is paused and when it has no ticks left. `problem` tells why a job that
    was added while running cannot run. `last_outcomes` are states, oldest first; `p50` and `p95` are seconds,
    see `last_runs.Recent`.

    job_filter: the jobs that the next start would run. While a process is up that claims ticks, the ledger
    says which are disabled; while none is, these settings do as well.

    Raises:
        LedgerError: the ledger cannot be read.
    """
    shown, waits = shown_jobs(ledger, declared), _waits(ledger)
    rows: list[JobRow] = [
        {**job.definition(declared), **_outcomes(job.last), "waits_for": waits.get(job.id)} for job in shown
    ]
    if job_filter and not _someone_claims(ledger):
        for row in rows:
            # A start leaves a job paused that a person has paused.
            if not row["paused"] and (why := job_filter.why_disabled(row["id"])):
                row["next_run"], row["disabled_by"] = None, why
    return rows


def sorted_rows(ledger: Ledger, rows: Iterable[JobRow], order: str) -> list[JobRow]:
    """Return jobs in one of `standings.ORDERS`.

    Raises:
        LedgerError: the ledger cannot be read.
    """
    rows = list(rows)
    # All times are in UTC and to the second or finer, so that the texts are in order of time.
    places = [(Place(row["id"], row["next_run"]), row) for row in rows]
    return in_order(places, order, _standings(ledger, rows) if order == "state" else {})


def late_by_id(ledger: Ledger) -> dict[str, Late]:
    """Return the jobs that are late by their ids.

    Raises:
        LedgerError: the ledger cannot be read.
    """
    if not ledger.exists():
        return {}
    with connect_checked(ledger) as connection:
        return {late.job_id: late for late in find_late(connection, jobs_due(connection), ticks.now())}


def _standings(ledger: Ledger, rows: Iterable[JobRow]) -> dict[str, set[str]]:
    """Return how jobs stand, with what the code says of those that the ledger does not know yet."""
    standings: dict[str, set[str]] = {name: set() for name in STANDINGS}
    if ledger.exists():
        with connect_checked(ledger) as connection:
            standings = read_standings(connection, jobs_due(connection))
    standings["cannot run"] |= {row["id"] for row in rows if row["problem"]}
    standings["paused"] |= {row["id"] for row in rows if row["paused"]}
    return standings


def job_row(connection: Reader, job: KnownJob, declared: Declared) -> JobRow:
    """Return a job as `job_rows` does, as the ledger has it.

    `max_instances` and `declared_at` of the code's jobs, which the ledger does not know, are those of
    `declared`; null if that lacks them.
    """
    definition = _ledger_row(job, declared)
    if (in_code := declared.in_code.get(job.id)) is not None:
        definition["max_instances"], definition["declared_at"] = in_code.options.max_instances, in_code.where
    waits = waits_of_jobs(connection, ticks.now())
    return {
        **definition,
        **_outcomes(recent(connection, [job.id])[job.id]),
        "waits_for": waits.get(job.id),
    }


def added_jobs(
    ledger: Ledger, declared: Declared, begin: int, end: int, *, also: Container[str] = ()
) -> list[Job]:
    """Return the jobs that were added while running and have a tick in [begin, end), in order of their ids.

    also: the ids of those that are returned without a tick, too.

    Those that cannot run here are left out, and so is what the code declares by now. Instants are
    microseconds UTC.

    Raises:
        LedgerError: the ledger cannot be read.
    """
    known = _jobs(ledger)
    found = []
    for added in _added((known[job_id] for job_id in sorted(known)), {job.id for job in declared.jobs}):
        job, _problem = added.load(declared)
        tick = None if job is None else job.next_tick(begin - 1)
        if job is not None and (job.id in also or (tick is not None and tick < end)):
            found.append(job)
    return found


def _jobs(ledger: Ledger) -> dict[str, KnownJob]:
    """Return all jobs in the ledger by their ids."""
    if not ledger.exists():
        return {}
    with connect_checked(ledger) as connection:
        return {job.id: job for job in read_jobs(connection)}


def _someone_claims(ledger: Ledger) -> bool:
    if not ledger.exists():
        return False
    with connect_checked(ledger) as connection:
        return any(process.is_up and process.role.claims for process in read_processes(connection))


def _waits(ledger: Ledger) -> dict[str, str]:
    """Return what the runs of jobs wait for that are due."""
    if not ledger.exists():
        return {}
    with connect_checked(ledger) as connection:
        return waits_of_jobs(connection, ticks.now())


def _outcomes(last: Recent) -> JobOutcomes:
    return {
        "last_state": last.outcomes[-1] if last.outcomes else None,
        "last_finished_at": iso(last.finished),
        "last_outcomes": list(last.outcomes),
        "p50": last.p50,
        "p95": last.p95,
    }


def _added(jobs: Iterable[KnownJob], declared: Container[str]) -> list[KnownJob]:
    """Return the jobs that were added while running and are not over."""
    return [job for job in jobs if job.was_added and not job.gone and job.id not in declared]


def _declared_row(job: Job, known: KnownJob | None) -> JobDefinition:
    now = ticks.now()
    paused = known.paused if known else job.paused_at_first
    seen = known.row.watermark_us if known and known.row.definition == job.definition else now
    words = in_words(job.schedule)
    if job.startup_delay is not None and job.schedule.startup_delay is None:
        words += "; also at each start"
    return {
        "id": job.id,
        "name": job.name,
        "function": job.reference,
        "trigger": job.schedule.text,
        "schedule_in_words": words,
        "timezone": job.schedule.zone_name,
        "next_run": None if paused else iso(job.next_tick(max(now, seen))),
        **_pause(known, paused),
        "runs_at_each_start": job.startup_delay is not None,
        "max_instances": job.options.max_instances,
        "declared_at": job.where,
        "problem": None,
        "group": job.options.group,
    }


def _ledger_row(job: KnownJob, declared: Declared) -> JobDefinition:
    loaded, problem = job.load(declared)
    return {
        "id": job.id,
        "name": job.row.name,
        "function": job.row.function,
        "trigger": job.row.trigger,
        "schedule_in_words": job.words,
        "timezone": job.zone_name,
        "next_run": iso(job.next_tick),
        **_pause(job, job.paused),
        "runs_at_each_start": job.at_each_start,
        "max_instances": loaded.options.max_instances if loaded else None,
        "declared_at": None,
        "problem": None if job.gone else problem,
        "group": job.row.group_name,
    }


def _pause(job: KnownJob | None, paused: bool) -> JobPause:
    row = job.row if job is not None and paused else None
    return {
        "paused": paused,
        "paused_since": iso(row.paused_us) if row else None,
        "paused_until": iso(row.paused_until_us) if row else None,
        "pause_note": row.pause_note if row else None,
        "disabled_by": row.disabled_by if row else None,
    }
