"""The sentences about outages, and what they cost, below a list of jobs or runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from everytick.app import typed

from .table import print_sentence

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import tzinfo

    from everytick.store.database import Ledger

# More of them are not read by anybody.
_MOST_SHOWN = 3


def print_outages(ledger: Ledger, zone: tzinfo, since: int | None = None, until: int | None = None) -> None:
    """Print a sentence for each of the newest outages between two instants, by default within a day.

    Raises:
        LedgerError: the ledger cannot be read.
    """
    from everytick.model import ticks
    from everytick.read.outages import outages
    from everytick.store.querying import connect_checked
    from everytick.text.wording import counted

    if not ledger.exists():
        return
    print_nobody_up(ledger, zone, until)
    now = ticks.now()
    end = now if until is None else until
    with connect_checked(ledger) as connection:
        found = outages(connection, end - ticks.DAY if since is None else since, end)
    for outage in found[-_MOST_SHOWN:]:
        listing = typed(f"runs --missed --since {outage.since_typed(zone)}")
        print_sentence(f"{outage.sentence(zone, now)} ({listing})")
    if len(found) > _MOST_SHOWN:
        print_sentence(f"and {counted(len(found) - _MOST_SHOWN, 'outage')} before")


def print_nobody_up(ledger: Ledger, zone: tzinfo, until: int | None = None) -> None:
    """Print that no scheduler is up, and since when, unless none ever was, or only past runs are listed.

    Raises:
        LedgerError: the ledger cannot be read.
    """
    from everytick.model import ticks
    from everytick.read.processes import processes_in

    if not ledger.exists() or (until is not None and until <= ticks.now()):
        return
    found = processes_in(ledger)
    if found.state == "down" and found.last_trace is not None:
        print_sentence(found.nobody_up(zone))


def print_missed(ledger: Ledger, zone: tzinfo, job_ids: Collection[str]) -> None:
    """Print a sentence for each of these jobs whose newest tick did not run; of many, for three.

    Raises:
        LedgerError: the ledger cannot be read.
    """
    from everytick.model import ticks
    from everytick.read.known_job import jobs_due
    from everytick.read.missed import find_missed
    from everytick.store.querying import connect_checked
    from everytick.text.wording import counted

    if not ledger.exists():
        return
    with connect_checked(ledger) as connection:
        due = [job for job in jobs_due(connection) if job.id in job_ids]
        found = [missed for missed in find_missed(connection, due) if missed.job_id in job_ids]
    for missed in found[:_MOST_SHOWN]:
        print_sentence(f"{missed.job_id}: {missed.sentence(zone, ticks.now())}", [missed.job_id])
    if len(found) > _MOST_SHOWN:
        print_sentence(f"and of {counted(len(found) - _MOST_SHOWN, 'more job')}")
