"""The JSON of the overview and of what went wrong: see `schemas`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

# That of `typing` is not enough for pydantic before Python 3.12.
from typing_extensions import TypedDict

from .schemas import Seconds, Time


class FailingJob(TypedDict):
    """A job whose newest run failed."""

    job_id: str
    since: Annotated[Time, Field(description="when the first of the runs that fail in a row failed first")]
    in_a_row: int
    at_least: Annotated[bool, Field(description="true where more may have failed than were counted")]
    run_id: Annotated[int, Field(description="the newest run, like `state`, `error` and `ended_at`")]
    state: str
    error: str | None
    ended_at: Time


class MissedJob(TypedDict):
    """A job whose newest tick did not run."""

    job_id: str
    tick: Time
    reason: Annotated[str, Field(description="`outage` if no scheduler was up, else `missed`")]
    run_id: Annotated[int, Field(description="the row that accounts for the tick")]


class CannotRun(TypedDict):
    """A job that was added and that a process which is up cannot load."""

    job_id: str
    why: str


class LateJob(TypedDict):
    """A job of which something is due and has not begun."""

    job_id: str
    since: Time
    ticks: Annotated[
        int | None, Field(description="not claimed; 0: a run that was claimed waits; null: too many to count")
    ]


class PausedJob(TypedDict):
    """A paused job."""

    job_id: str
    since: Time
    until: Time | None
    note: str | None


class LongRun(TypedDict):
    """A run that goes on for longer than most of its job, or for most of its timeout."""

    run_id: int
    job_id: str
    started_at: Time
    usual: Annotated[Seconds | None, Field(description="95 of 100 runs took no longer; seconds")]
    timeout: Annotated[
        Seconds | None, Field(description="seconds; null where there is none or it is not known")
    ]


class Queue(TypedDict):
    """A queue in which runs are due and wait for a slot."""

    name: str
    waiting: int
    oldest_due_at: Time


class Hour(TypedDict):
    """The runs that ended from `begin` until before `end`; skipped ticks are no runs."""

    begin: Time
    end: Time
    runs: Annotated[int | None, Field(description="null: not counted yet, like the others; ask again")]
    failed: int | None
    skipped: Annotated[
        int | None, Field(description="ticks that were missed, or skipped as overlap; not among the runs")
    ]


class LastDay(TypedDict):
    """The runs that ended since `begin`, as the list of runs has them; skipped ticks are no runs."""

    begin: Time
    runs: int
    failed: int
    skipped: Annotated[int, Field(description="ticks that were missed, or skipped as overlap")]


class Outage(TypedDict):
    """A time in which no scheduler was running, and ticks were missed or late."""

    begin: Time
    end: Time
    missed: Annotated[int, Field(description="how many ticks did not run")]
    at_least: Annotated[bool, Field(description="true while some are not counted yet")]
    coalesced: Annotated[int, Field(description="how many of them were coalesced, since a newer one ran")]
    jobs: Annotated[int, Field(description="how many jobs they are of")]
    late: Annotated[int, Field(description="how many others ran once a scheduler was back")]
    first_tick: Annotated[
        Time | None, Field(description="the first that was missed; it may have been due before `begin`")
    ]


class TroubleCount(TypedDict):
    """How many runs of a job ended in one way, or how many of its ticks were skipped for one reason."""

    kind: Annotated[str, Field(description="failed, timed_out, lost, or missed, outage, overlap")]
    number: int
    at_least: Annotated[bool, Field(description="true while some ticks are not counted yet")]
    first: Annotated[Time, Field(description="of runs when they ended, of ticks when they were due")]
    last: Time


class LastFailure(TypedDict):
    """The last run of a job that failed."""

    run_id: int
    state: str
    error: str | None


class InTheWay(TypedDict):
    """The run behind which the last ticks were skipped as overlap."""

    run_id: int
    took: Annotated[Seconds, Field(description="so far, if it goes on; seconds")]
    goes_on: bool
    usual: Annotated[Seconds | None, Field(description="half of the runs of its job took no longer; seconds")]


class Trouble(TypedDict):
    """What went wrong with a job, and whether it still does."""

    job_id: str
    still: Annotated[
        str | None,
        Field(description="cannot run, failing, late, missed or long (a run goes on); null: not now"),
    ]
    still_since: Time | None
    why: str | None
    counts: Annotated[list[TroubleCount], Field(description="empty of what began before the time")]
    last_failure: LastFailure | None
    in_the_way: InTheWay | None
    long_run: Annotated[int | None, Field(description="the run that goes on for long")]
    well_since: Annotated[
        Time | None, Field(description="when a run first succeeded behind the last trouble")
    ]
    succeeded_since: Annotated[int, Field(description="how many did, counted up to a thousand")]
    next_tick: Time | None


class Troubles(TypedDict):
    """What went wrong since an instant: `troubles --json`."""

    since: Time
    until: Time
    complete: Annotated[
        bool, Field(description="false: only the newest outcomes were looked at, back to `since`")
    ]
    scheduler: Annotated[str, Field(description="up, stalled or down")]
    jobs: Annotated[list[Trouble], Field(description="those still in trouble first, then the newest")]
    total: Annotated[int, Field(description="how many there are, also those left out of `jobs`")]
    in_outages_only: Annotated[
        int, Field(description="how many other jobs missed ticks in an outage, and are well since")
    ]
    outages: list[Outage]


class Overview(TypedDict):
    """Whether all is well. Of each list at most twenty; `counts` has how many there are."""

    well: Annotated[
        bool, Field(description="a scheduler is up; no job fails, is late, or missed its last tick")
    ]
    sentence: str
    jobs: int
    counts: Annotated[dict[str, int], Field(description="cannot_run, failing, late, missed, paused, long")]
    cannot_run: list[CannotRun]
    failing: list[FailingJob]
    late: list[LateJob]
    missed: list[MissedJob]
    paused: list[PausedJob]
    long: list[LongRun]
    running: Annotated[int, Field(description="runs that go on now")]
    slots: Annotated[
        int, Field(description="runs that could go on at once, if all processes have the setting of this one")
    ]
    next_tick: Time | None
    queues: list[Queue]
    last_day: LastDay
    hours: Annotated[
        list[Hour],
        Field(description="those of the clock, the oldest first; of the first and the last a part"),
    ]
    outages: Annotated[list[Outage], Field(description="those of the last day that are over, oldest first")]
    troubles: Annotated[list[Trouble], Field(description="what went wrong in the last day, still so or over")]
