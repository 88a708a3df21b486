"""The overview, as its page and the API show it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import tzinfo
from typing import Any

from everytick.model import ticks
from everytick.read import trouble_words
from everytick.read.outages import Outage
from everytick.read.overview import Overview, read_overview
from everytick.read.run_filter import FAILING
from everytick.read.trouble_counts import SKIPPED_BADLY
from everytick.read.troubles import Trouble
from everytick.settings import settings
from everytick.store.querying import Reader
from everytick.text.instants import iso

from .addresses import url

# How long a page waits for what a long day's runs are counted; it is complete when it is made anew.
_PATIENCE_SECONDS = 0.25


def current(state: Any, connection: Reader) -> Overview:
    """Return how the schedule stands. `state`: that of the application, which keeps what was counted."""
    return read_overview(connection, state.declared(), settings(), state.hourly, _PATIENCE_SECONDS)


def address_of(standing: str) -> str:
    """Return the address of the list with those that stand in a way that the sentence counts."""
    return url("/running") if standing == "running" else url("/jobs", state=standing)


def runs_that_ended(since: str | int, until: int | None = None, *, failed: bool = False) -> str:
    """Return the address of the list with the runs that ended in a time, as the chart counts them."""
    begin = since if isinstance(since, str) else _at(since)
    end = None if until is None else _at(until)
    return url("/runs", **{"failed" if failed else "ended": "true"}, since=begin, until=end)


def all_that_ended(since: int, until: int) -> str:
    """Return the address of the list with the runs that ended in a time, and what was skipped in it."""
    return url("/runs", since=_at(since), until=_at(until))


def skipped_ticks(since: int, until: int) -> str:
    """Return the address of the list with the ticks that were missed, or skipped as overlap."""
    return url("/runs", reason=[*SKIPPED_BADLY], since=_at(since), until=_at(until))


_WENT_WRONG = (*FAILING, "skipped")
# Why ticks are skipped that fell into an outage.
_IN_OUTAGES = ("outage", "coalesced")


def told(outage: Outage, zone: tzinfo) -> tuple[str, str]:
    """Return an outage as a sentence, and the address of the list of what was missed."""
    sentence = outage.sentence(zone, ticks.now())
    span = {"since": _at(outage.end), "until": _at(outage.recorded_until)}
    return f"{sentence[0].upper()}{sentence[1:]}", url("/runs", reason=[*_IN_OUTAGES], **span)


@dataclass(frozen=True)
class GoneWrong:
    """A job with which something went wrong in the last day, in words. runs: where its runs are listed."""

    job_id: str
    label: str
    since: str
    what: str
    details: str
    error: str
    run_id: int | None
    runs: str


def gone_wrong(found: Overview, zone: tzinfo) -> list[GoneWrong]:
    """Return what went wrong in the last day, without what the lists above it on the page say of a job."""
    lists = (found.failing, found.cannot_run, found.missed, found.long)
    told = {one.job_id for listed in lists for one in listed.rows}
    return [
        _gone_wrong(one, zone, found.now, is_told=one.job_id in told) for one in found.gone_wrong.jobs.rows
    ]


def _gone_wrong(trouble: Trouble, zone: tzinfo, now: int, *, is_told: bool) -> GoneWrong:
    run_id = trouble.run_id
    if is_told:
        trouble = replace(trouble, why=None, long=None)
    return GoneWrong(
        trouble.job_id,
        trouble_words.label(trouble),
        trouble_words.since(trouble, zone, now),
        trouble_words.happened(trouble, zone, now),
        "; ".join(trouble_words.details(trouble, now)),
        "" if is_told else trouble_words.error(trouble),
        run_id,
        runs_that_went_wrong(trouble.job_id),
    )


def runs_that_went_wrong(job_id: str) -> str:
    """Return the address of the list of a job's failed runs and skipped ticks of a day."""
    return url("/runs", job=job_id, state=_WENT_WRONG, since="24h")


def _at(instant: int) -> str:
    return iso(instant, settings().zone)
