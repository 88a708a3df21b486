"""What becomes of a run that somebody has asked for: it begins, or waits, and for what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import Any

from everytick.model import ticks
from everytick.model.job_filter import ALL_JOBS, JobFilter
from everytick.model.roles import DEFAULT_QUEUE
from everytick.settings import SchedulerSettings
from everytick.store.database import Ledger
from everytick.store.querying import Reader, connect_checked

from .known_job import KnownJob, find_job
from .processes import Process, find_processes, reports_on
from .resuming import keeps_waiting
from .runs import find_run
from .waits import waits_of_jobs


@dataclass(frozen=True)
class Prospect:
    """What becomes of a run that was just asked for.

    sentence: to stand behind its number, such as `begins`. is_held: whether somebody has to do something
    before it can begin, such as resume its job.
    """

    sentence: str
    is_held: bool = False


def prospect(
    connection: Reader, run_id: int, zone: tzinfo, here: JobFilter = ALL_JOBS, begins: str = "begins"
) -> Prospect:
    """Return what becomes of a run.

    Args:
        connection: to the ledger.
        run_id: the number of the run.
        zone: that of the times in the sentence.
        here: the jobs that a process with the settings of this place would run.
        begins: the words about a run that nothing keeps from beginning.

    Raises:
        LedgerError: the ledger cannot be read.
    """
    run = find_run(connection, run_id)
    job = None if run is None else find_job(connection, run.job_id)
    if run is None or job is None or not _waits(run):
        return Prospect(begins)
    if keeps_waiting(job, run):
        until = "resumed" if job.held == "paused" else "enabled"
        return Prospect(f"waits until the job {job.id} is {until}", is_held=True)
    processes = find_processes(connection)
    if not processes.up:
        why = here.why_disabled(job.id)
        start = "a scheduler is started" if why is None else "one is started that is set to run its job"
        nobody = processes.nobody_up(zone)
        because = "" if why is None else f", and {why} disables the job here"
        return Prospect(f"{begins} when {start}; {nobody}{because}", is_held=True)
    if obstacle := _obstacle(connection, job, processes.up):
        return Prospect(f"waits: {obstacle}", is_held=True)
    others = None if run.kind == "backfill" else waits_of_jobs(connection, ticks.now()).get(job.id)
    # It may have begun meanwhile, and be among those that hold the places.
    is_behind = others is not None and _waits(find_run(connection, run_id))
    return Prospect(f"waits for {others}" if is_behind else begins)


def _waits(run: Any) -> bool:
    return run is not None and run.state in ("queued", "retrying")


def prospect_in(ledger: Ledger, run_id: int, chosen: SchedulerSettings, begins: str = "begins") -> Prospect:
    """Return the same of a ledger, for a process with these settings.

    Raises:
        LedgerError: the ledger cannot be read.
    """
    with connect_checked(ledger) as connection:
        return prospect(connection, run_id, chosen.zone, chosen.job_filter, begins)


def _obstacle(connection: Reader, job: KnownJob, up: Sequence[Process]) -> str:
    """Return why none of the processes that are up takes a run of a job; empty if one does."""
    queue = job.row.queue or DEFAULT_QUEUE
    serving = [process for process in up if process.role.serves(queue)]
    if not serving:
        return f"no process that is up serves its queue, {queue}"
    why = {process.process_id: process.job_filter.why_disabled(job.id) for process in serving}
    if all(why.values()):
        by = ", ".join(dict.fromkeys(filter(None, why.values())))
        return f"no process that is up and serves its queue, {queue}, is set to run the job {job.id}: {by}"
    able = [process for process in serving if why[process.process_id] is None]
    said = reports_on(connection, job.id, able)
    if len(said) == len(able):
        return f"the job {job.id} cannot run: {said[0]}"
    return ""
