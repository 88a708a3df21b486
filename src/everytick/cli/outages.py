"""The sentences about outages, and what they cost, below a list of jobs or runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from everytick.app import typed

from .table import print_sentence

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import tzinfo

    from everytick.read.missed import Missed
    from everytick.store.database import Ledger
    from everytick.store.querying import Reader

# More of them are not read by anybody.
_MOST_SHOWN = 3


def print_below_jobs(ledger: Ledger, zone: tzinfo, job_ids: Collection[str]) -> None:
    """Print what stands below a list of jobs: those whose newest tick did not run, and in which outage.

    An outage behind which all of these jobs ran again is not told: `troubles` has it.

    Raises:
        LedgerError: the ledger cannot be read.
    """
    from everytick.model import ticks
    from everytick.store.querying import connect_checked

    if not ledger.exists():
        return
    with connect_checked(ledger) as connection:
        missed = _print_missed(connection, zone, job_ids)
        _print_nobody_up(connection, zone)
        in_outages = [it.tick for it in missed if it.reason == "outage"]
        if in_outages:
            _print_outages(connection, zone, min(in_outages), ticks.now(), {it.job_id for it in missed})


def print_below_runs(
    ledger: Ledger,
    zone: tzinfo,
    since: int | None,
    until: int | None,
    job_ids: Collection[str],
    *,
    outages: bool,
) -> None:
    """Print what stands below a list of runs: that no scheduler is up, and outages between two instants.

    Args:
        ledger: where they are.
        zone: of all times.
        since: when the list begins; None if it has nothing.
        until: when it ends; None for now.
        job_ids: the jobs that it is about; without any, all.
        outages: whether they are told.

    Raises:
        LedgerError: the ledger cannot be read.
    """
    from everytick.model import ticks
    from everytick.store.querying import connect_checked

    now = ticks.now()
    is_past = until is not None and until <= now
    if not ledger.exists() or (is_past and not outages):
        return
    with connect_checked(ledger) as connection:
        if not is_past:
            _print_nobody_up(connection, zone)
        if outages and since is not None:
            _print_outages(connection, zone, since, now if until is None else until, job_ids)


def _print_outages(
    connection: Reader, zone: tzinfo, since: int, until: int, job_ids: Collection[str]
) -> None:
    """Print a sentence for each of the newest outages in which these jobs, or any, missed ticks."""
    from everytick.model import ticks
    from everytick.read.outages import affecting, outages
    from everytick.text.wording import counted

    found = outages(connection, since, until)
    if job_ids:
        found = affecting(connection, found, job_ids)
    for outage in found[-_MOST_SHOWN:]:
        print_sentence(f"{outage.sentence(zone, ticks.now())} ({typed(outage.listing(zone))})")
    if len(found) > _MOST_SHOWN:
        print_sentence(f"and {counted(len(found) - _MOST_SHOWN, 'outage')} before")


def _print_nobody_up(connection: Reader, zone: tzinfo) -> None:
    """Print that no scheduler is up, and since when, unless none ever was."""
    from everytick.read.processes import find_processes

    found = find_processes(connection)
    if found.state == "down" and found.last_trace is not None:
        print_sentence(found.nobody_up(zone))


def _print_missed(connection: Reader, zone: tzinfo, job_ids: Collection[str]) -> list[Missed]:
    """Print a sentence for each of these jobs whose newest tick did not run; of many, for three."""
    from everytick.model import ticks
    from everytick.read.known_job import jobs_due
    from everytick.read.missed import find_missed
    from everytick.text.wording import counted

    due = [job for job in jobs_due(connection) if job.id in job_ids]
    found = [missed for missed in find_missed(connection, due) if missed.job_id in job_ids]
    for missed in found[:_MOST_SHOWN]:
        print_sentence(f"{missed.job_id}: {missed.sentence(zone, ticks.now())}", [missed.job_id])
    if len(found) > _MOST_SHOWN:
        print_sentence(f"and of {counted(len(found) - _MOST_SHOWN, 'more job')}")
    return found
