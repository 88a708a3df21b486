"""What the API takes and gives, as its description shows it. Times are ISO 8601, those given in UTC."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

# The largest number that the ledger takes.
LARGEST = 2**63 - 1

Time = Annotated[str, Field(description="ISO 8601, in UTC", examples=["2026-12-24T18:00:00+00:00"])]
Seconds = Annotated[float, Field(description="seconds")]


class Error(BaseModel):
    """What went wrong, for people."""

    error: str


class Outcome(BaseModel):
    """How one run stands."""

    run_id: int
    state: str


class Unclaimed(BaseModel):
    """Ticks that are due, and that nobody has claimed."""

    ticks: int | None = Field(description="null: too many to count")
    since: Time = Field(description="the first of them")


class Job(BaseModel):
    """A job, when it is due, and what became of it lately."""

    id: str
    name: str
    function: str
    trigger: str
    schedule_in_words: str = Field(description="as `trigger` where there are no words")
    timezone: str
    next_run: Time | None = Field(description="null while it is paused or when it has no tick left")
    runs_at_each_start: bool
    added_while_running: bool
    removed: bool = Field(description="true when it is in the schedule no more, or has no tick left")
    paused: bool
    paused_since: Time | None
    paused_until: Time | None
    pause_note: str | None
    last_state: str | None
    last_finished_at: Time | None
    last_outcomes: list[str] = Field(description="states of the last ten, oldest first")
    max_instances: int | None = Field(description="only of a job that was added while running and can run")
    declared_at: str | None = Field(description="null: the ledger does not know it")
    problem: str | None = Field(description="why a job that was added while running cannot run")
    p50: Seconds | None = Field(description="half of its last hundred runs took no longer; seconds")
    p95: Seconds | None = Field(description="95 of 100 of them took no longer; seconds")
    recent: list[Outcome] = Field(description="newest first, with what is under way")
    unclaimed: Unclaimed | None = Field(description="null unless ticks of it are due and not claimed")


class Fire(BaseModel):
    """A coming tick; `note` says what is odd about it, if anything is."""

    job_id: str
    tick: Time
    note: str


class ResumePreview(BaseModel):
    """What resuming a paused job now would do."""

    skipped_ticks: int | None = Field(description="fell into the pause, are recorded and not caught up")
    next_run: Time | None


class JobDetail(Job):
    """A job with its coming ticks."""

    next_fires: list[Fire]
    resume_preview: ResumePreview | None = Field(description="null unless it is paused")


class Jobs(BaseModel):
    """A part of the jobs, in the order of their ids."""

    jobs: list[Job]
    total: int


class Run(BaseModel):
    """A run, or a tick or a range of ticks that was skipped."""

    run_id: int
    job_id: str
    kind: str = Field(description="scheduled, manual or startup")
    tick: Time | None
    last_tick: Time | None = Field(None, description="only of a range of ticks: the last one")
    count: int | None = Field(None, description="only of a range of ticks: how many, if that is known yet")
    for_tick: Time | None = Field(description="the tick that a run by hand stands in for")
    state: str
    reason: str | None
    attempt: int
    due_at: Time | None
    started_at: Time | None
    finished_at: Time | None
    duration: Seconds | None
    error: str | None = Field(description="in a list its beginning")
    process_id: str | None
    cancel_asked_at: Time | None


class Request(BaseModel):
    """What somebody asked for about a run."""

    at: Time
    who: str
    action: str
    note: str | None


class Why(BaseModel):
    """Why a job ran at a time, or did not."""

    job_id: str
    tick: Time | None = Field(description="the instant that is explained; null for a run without a tick")
    verdict: str = Field(description="one stable word, as the command `why` gives it")
    sentences: list[str]
    runs: list[dict[str, Any]] = Field(
        description="those on which the sentences rest, as `runs --json` gives"
    )
    audit: list[dict[str, Any]] = Field(description="entries of the audit trail on which they rest")


class Attempt(BaseModel):
    """One attempt of a run."""

    attempt: int
    state: str
    process_id: str | None
    host: str | None = Field(description="null when the process has ended, like `pid`")
    pid: int | None
    started_at: Time | None
    finished_at: Time | None
    duration: Seconds | None
    error: str | None
    traceback: str | None
    log: str | None


class RunDetail(Run):
    """A run with its job, who asked for what about it, and all attempts that began, the first one first."""

    traceback: str | None
    job_name: str | None
    function: str | None
    timezone: str | None = Field(description="the job's")
    claimed_at: Time | None
    rerun_until: Time | None = Field(
        description="until when a run that was cut off may begin its next attempt"
    )
    asked: list[Request] = Field(description="oldest first")
    attempts: list[Attempt]


class Runs(BaseModel):
    """A part of the runs, newest first. Go on with `before` = `next_before`, unless that is null."""

    runs: list[Run]
    next_before: int | None


class Plan(BaseModel):
    """What is due, in order of time."""

    ticks: list[Fire]
    complete: bool = Field(description="false when there are more than `limit`")


class Process(BaseModel):
    """A process that keeps the schedule."""

    process_id: str
    host: str
    pid: int
    started_at: Time
    last_heartbeat_at: Time
    last_pass_at: Time | None = Field(description="when its event loop was last seen to answer")
    alive: bool
    stalled: bool
    lease_seconds_left: float
    runs_held: int


class Processes(BaseModel):
    """Who keeps the schedule; `state` is up, stalled or down."""

    state: str
    last_trace_at: Time | None = Field(description="the newest sign of life, or the last outcome written")
    ledger_seconds: float = Field(description="how long the ledger took to answer")
    processes: list[Process]


class Entry(BaseModel):
    """Who did what."""

    audit_id: int
    at: Time
    who: str
    action: str
    job_id: str | None
    run_id: int | None
    note: str | None


class Audit(BaseModel):
    """A part of the audit trail, newest first. Go on with `before` = `next_before`, unless that is null."""

    entries: list[Entry]
    next_before: int | None


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


_Note = Annotated[str | None, Field(max_length=500, description="why, for the audit trail")]


class RunNow(_Body):
    """How to run a job now."""

    tick: Annotated[str | None, Field(max_length=60, description="the tick that the run stands in for")] = (
        None
    )
    note: _Note = None


class Pause(_Body):
    """How to pause a job."""

    note: _Note = None
    until: Annotated[str | None, Field(max_length=60, description="when the pause ends by itself")] = None


class Noted(_Body):
    """Why."""

    note: _Note = None


class Begun(BaseModel):
    """A run that begins."""

    run_id: int
    said: str


class Done(BaseModel):
    """What was done; `changed` is false when there was nothing to do."""

    changed: bool
    said: str


class Cancelled(BaseModel):
    """`over` is true if the run is cancelled already, false if its process was asked to end it."""

    over: bool
    said: str
