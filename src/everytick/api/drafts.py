"""What people ask of jobs of offered functions, and what would be kept of it: see `offered_jobs`."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import islice
from typing import Any

from everytick.errors import ScheduleError
from everytick.model import ticks
from everytick.model.job import Job
from everytick.model.kept_data import fingerprint
from everytick.model.schedule import Schedule
from everytick.store.records import AddedRow

from .requests import NotNowError

_YEAR = 366 * ticks.DAY


class WrongFieldError(ScheduleError):
    """Something that a person gave is wrong. `field` is where it stands, such as `id` or `arguments.day`."""

    def __init__(self, field: str, problem: object) -> None:
        super().__init__(str(problem))
        self.field = field


class TakenError(NotNowError):
    """The id is one of another job."""


@dataclass(frozen=True)
class HolidaysOf:
    """The public holidays of a country, or of a part of it, as days to leave out: by their codes."""

    country: str
    subdivision: str | None = None


@dataclass(frozen=True)
class Wanted:
    """A job as a person asks for it; None keeps, of a change, what there is.

    schedule: `trigger`, with the trigger's arguments, `exclude` and `shift`. `crontab` is a trigger here too,
    with its `line`. Public holidays stand in `exclude` as a `HolidaysOf`. In a change `exclude` and `shift`
    may stand alone: the trigger stays. arguments: by parameter. options: those of `add_job` that are given.
    without: options that a job had, and has no more: the schedule's defaults hold.
    """

    schedule: Mapping[str, Any] | None
    arguments: Mapping[str, Any] | None
    job_id: str | None = None
    name: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    without: Collection[str] = ()


@dataclass(frozen=True)
class Draft:
    """A job as it would be kept.

    row: what the ledger has of it, for a change. warnings: what a person should know before it is kept.
    note: on the date of a job with one tick, if that is at an odd time of the clock. is_same: a change that
    changes nothing. is_now: its date is when it is kept, whenever that is.
    """

    job: Job
    row: AddedRow | None
    is_named: bool
    warnings: Sequence[str]
    note: str = ""
    is_same: bool = False
    is_now: bool = False

    @property
    def fingerprint(self) -> str:
        """A text that is the same of two drafts only if the very same job would be kept."""
        job, options = self.job, asdict(self.job.options)
        call = [job.reference, job.args, job.kwargs, job.annotated]
        data = job.schedule.data
        if self.is_now:
            # Nor is it in an id that is derived from the date.
            data = {"trigger": "now", "zone": job.schedule.zone_name}
        job_id = job.id if self.is_named or not self.is_now else ""
        said = [job_id, job.name, call, data, job.given, options]
        return fingerprint(json.dumps(said, sort_keys=True))

    def fires(self, limit: int) -> list[tuple[int, str]]:
        """Return its coming ticks, in microseconds UTC, with notes on those at odd times of the clock."""
        if self.job.only_tick is not None:
            return [(self.job.only_tick, self.note)]
        known = self.job.schedule
        return [(tick, known.ticks.note(tick)) for tick in islice(_ticks(known), limit)]

    def left_out(self, limit: int) -> list[tuple[int, str]]:
        """Return the first ticks of a year that it lacks by their dates, or that are moved, and why."""
        known, now = self.job.schedule.ticks, ticks.now()
        if not isinstance(known, ticks.ExcludingTicks):
            return []
        return list(islice(known.left_out_between(now + 1, now + _YEAR, moved=True), limit))


def _ticks(schedule: Schedule) -> Iterator[int]:
    tick = schedule.next_tick(ticks.now())
    while tick is not None:
        yield tick
        tick = schedule.next_tick(tick)
