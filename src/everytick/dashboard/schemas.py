"""The JSON that the API takes and gives, as its description shows it. Times are ISO 8601, those given in UTC.

JSON that commands print too is in `read.schemas`; here is the rest, of the API alone.
"""

from __future__ import annotations

from typing import Annotated

from everytick.read.schemas import (
    Backfill,
    Entry,
    Fire,
    JobOptions,
    JobRow,
    LeftOutTick,
    RunDetails,
    RunOutline,
    Seconds,
    Time,
)
from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypedDict

# The largest number that the ledger takes.
LARGEST = 2**63 - 1


class Error(BaseModel):
    """An error, for people."""

    error: str


class Outcome(TypedDict):
    """How one run stands."""

    run_id: int
    state: str


class Unclaimed(TypedDict):
    """Ticks that are due and not claimed."""

    ticks: Annotated[int | None, Field(description="null: too many to count")]
    since: Annotated[Time, Field(description="the first of them")]


class Job(JobRow):
    """A job, when it is due, and what became of it lately."""

    added_while_running: bool
    removed: Annotated[
        bool, Field(description="true when it is in the schedule no more, or has no tick left")
    ]
    recent: Annotated[list[Outcome], Field(description="newest first, with what is under way")]
    unclaimed: Annotated[
        Unclaimed | None, Field(description="null unless ticks of it are due and not claimed")
    ]


class ResumePreview(TypedDict):
    """A preview of resuming a paused job now."""

    skipped_ticks: Annotated[
        int | None, Field(description="in the pause, will be recorded as skipped and not run")
    ]
    next_run: Time | None


class JobDetail(Job):
    """A job with its options and its coming ticks."""

    options: Annotated[
        JobOptions | None, Field(description="null where its code is not loaded, or if it cannot run here")
    ]
    next_fires: list[Fire]
    resume_preview: Annotated[ResumePreview | None, Field(description="null unless it is paused")]
    added: Annotated[
        Entry | None, Field(description="who added it; null of a job of the code, or where that is pruned")
    ]
    changed: Annotated[Entry | None, Field(description="who changed it last since then")]
    offered: Annotated[bool, Field(description="whether it can be changed and removed here")]
    version: Annotated[
        int | None, Field(description="of a job that was added: another one after each change")
    ]


class Jobs(TypedDict):
    """A part of the jobs, in the order of their ids."""

    jobs: list[Job]
    total: int


Late = Annotated[
    Seconds | None, Field(description="from when it was due to its start or, while it waits, to now; seconds")
]


class Run(RunOutline):
    """A run, or a tick or a range of ticks that was skipped."""

    due_at: Time | None
    late: Late
    process_id: str | None
    cancel_asked_at: Time | None


class RunDetail(RunDetails):
    """A run with its job, who asked for what about it, and all attempts that began, the first one first."""

    process_id: str | None
    late: Late


class StateCounts(TypedDict):
    """How many runs are in each state, whatever `state` asks for."""

    by_state: dict[str, int]
    skipped_ticks: Annotated[
        int, Field(description="how many ticks the skipped ones are: one may stand for many")
    ]
    complete: Annotated[
        bool, Field(description="false when only the newest 10,000 of those that ended were looked at")
    ]


class Runs(TypedDict):
    """A part of the runs, newest first. Go on with `before` = `next_before`, unless that is null."""

    runs: list[Run]
    next_before: int | None
    counts: StateCounts


class Plan(TypedDict):
    """Coming ticks, in order of time."""

    ticks: list[Fire]
    complete: Annotated[bool, Field(description="false when there are more than `limit`")]
    left_out: Annotated[
        list[LeftOutTick],
        Field(description="of each date that a job leaves out the first tick, at most 1,000"),
    ]


class Process(TypedDict):
    """A process that keeps the schedule."""

    process_id: str
    host: str
    pid: int
    started_at: Time
    last_heartbeat_at: Time
    last_pass_at: Annotated[Time | None, Field(description="when its event loop was last seen to answer")]
    alive: bool
    stalled: bool
    lease_seconds_left: float
    runs_held: int


class Processes(TypedDict):
    """Who keeps the schedule; `state` is up, stalled or down."""

    state: str
    last_trace_at: Annotated[
        Time | None, Field(description="the newest heartbeat, or the last outcome written")
    ]
    ledger_seconds: Annotated[float, Field(description="how long the ledger took to answer")]
    processes: list[Process]


class Audit(TypedDict):
    """A part of the audit trail, newest first. Go on with `before` = `next_before`, unless that is null."""

    entries: list[Entry]
    next_before: int | None


class _Body(BaseModel):
    # Only the right types, as in code: `true` is no hour, and "5" no number.
    model_config = ConfigDict(extra="forbid", strict=True)


# An empty text is no time, and must not mean the same as none: a pause would have no end.
_Moment = Annotated[str, Field(min_length=1, max_length=60)]
Note = Annotated[str | None, Field(max_length=500, description="why, for the audit trail")]


class RunNow(_Body):
    """How to run a job now."""

    tick: Annotated[_Moment | None, Field(description="the tick that the run stands in for")] = None
    note: Note = None


class Pause(_Body):
    """How to pause a job."""

    note: Note = None
    until: Annotated[_Moment | None, Field(description="when the pause ends by itself")] = None


class Noted(_Body):
    """Why."""

    note: Note = None


_From = Annotated[
    str, Field(alias="from", max_length=60, description="the first time, such as `yesterday 02:30` or `2h`")
]
_To = Annotated[_Moment | None, Field(description="the last time, included; null: now")]


class BackfillWanted(_Body):
    """Which past ticks of a job to run, and how."""

    job: Annotated[str, Field(max_length=1_000, description="the job's id")]
    start: _From
    to: _To = None
    only_missed: Annotated[bool, Field(description="only ticks that are on record and did not succeed")] = (
        False
    )
    rate: Annotated[int | None, Field(description="at most so many runs begin in a minute")] = None
    max_instances: Annotated[int, Field(description="so many of its runs may be under way at once")] = 1
    schedule: Annotated[
        str | None,
        Field(max_length=100, description="that of a preview: it is refused if the job has another by now"),
    ] = None
    note: Note = None


Span = TypedDict(
    "Span",
    {
        "from": Annotated[
            Time, Field(description="send it as `from`, to run the ticks that are counted here")
        ],
        "to": Annotated[Time, Field(description="the same as `to`")],
    },
)


class BackfillPreview(Span):
    """What a backfill would do."""

    job_id: str
    count: Annotated[int, Field(description="how many ticks, each of which gets a run")]
    first: Time | None
    last: Time | None
    schedule: Annotated[
        str, Field(description="send it, to be refused if the job has another schedule by then")
    ]


class Backfills(TypedDict):
    """The newest backfills, newest first."""

    backfills: list[Backfill]


class BackfillBegun(TypedDict):
    """A backfill that begins."""

    backfill_id: int
    said: str


class Begun(TypedDict):
    """A run that begins."""

    run_id: int
    said: str


class Done(TypedDict):
    """The result of an action; `changed` is false when there was nothing to do."""

    changed: bool
    said: str


class Cancelled(TypedDict):
    """`over` is true if the run is cancelled already, false if its process was asked to end it."""

    over: bool
    said: str
