"""The JSON of commands (`--json`) and of the API: one description of each thing, which mypy checks.

Times are ISO 8601 in UTC, lengths seconds.
"""

from __future__ import annotations

from typing import Annotated, Any, NotRequired

from pydantic import Field

# That of `typing` is not enough for pydantic before Python 3.12.
from typing_extensions import TypedDict

Time = Annotated[str, Field(description="ISO 8601, in UTC", examples=["2026-12-24T18:00:00+00:00"])]
Seconds = Annotated[float, Field(description="seconds")]


class JobOutcomes(TypedDict):
    """How the last runs of a job ended, and how long they took."""

    last_state: str | None
    last_finished_at: Time | None
    last_outcomes: Annotated[list[str], Field(description="states of the last ten, oldest first")]
    p50: Annotated[Seconds | None, Field(description="half of its last hundred runs took no longer; seconds")]
    p95: Annotated[Seconds | None, Field(description="95 of 100 of them took no longer; seconds")]


class JobPause(TypedDict):
    """Whether a job is paused, and since when, until when and why."""

    paused: bool
    paused_since: Time | None
    paused_until: Time | None
    pause_note: str | None
    disabled_by: Annotated[
        str | None, Field(description="the setting by which no process runs it, which counts as a pause")
    ]


class JobDefinition(JobPause):
    """A job, and when it is due."""

    id: str
    name: str
    function: str
    trigger: str
    schedule_in_words: Annotated[str, Field(description="as `trigger` where there are no words")]
    timezone: str
    next_run: Annotated[Time | None, Field(description="null while it is paused or when it has no tick left")]
    runs_at_each_start: bool
    max_instances: Annotated[
        int | None, Field(description="null of a job whose code is not loaded here, or that cannot run")
    ]
    declared_at: Annotated[
        str | None,
        Field(description="file and line; null where the code is not loaded, or it was added later"),
    ]
    problem: Annotated[str | None, Field(description="why a job that was added while running cannot run")]
    group: Annotated[str | None, Field(description="whose limit its runs share, over all processes")]


class JobOptions(TypedDict):
    """What was declared of a job beside its trigger. Lengths are seconds."""

    arguments: Annotated[list[str], Field(description="as the call in the code has them, without secrets")]
    misfire_grace_time: Annotated[float | None, Field(description="null: without limit")]
    coalesce: bool
    max_instances: int
    overlap: Annotated[str, Field(description="skip, wait, wait-one or replace")]
    max_catch_up: int
    timeout: float | None
    retries: int
    retry_delay: float
    on_crash: Annotated[str, Field(description="rerun or skip")]
    queue: str
    group: Annotated[str | None, Field(description="whose limit its runs share")]
    alert: bool
    ping: Annotated[bool, Field(description="whether an address is called; which one is a secret")]
    jitter: float


class JobRow(JobDefinition, JobOutcomes):
    """A job, when it is due, and what became of it lately: `jobs --json`."""

    waits_for: Annotated[
        str | None,
        Field(
            description="what a run of it waits for: `run 13 (max_instances=1)`, `group database (2 of 2)`"
        ),
    ]


class BeforeRetry(TypedDict):
    """How a run ended before its last retry."""

    attempt: int
    state: str
    finished_at: Time
    error: str | None
    retried_at: Annotated[Time, Field(description="when the latest attempt was due, or is")]


class RunProgress(TypedDict):
    """How far a run said that it is."""

    share: Annotated[float | None, Field(description="the part that is done, 0 to 1")]
    note: str | None
    at: Annotated[Time, Field(description="when it said so")]


class RunReport(TypedDict):
    """What the latest attempt of a run said of itself."""

    progress: NotRequired[
        Annotated[RunProgress, Field(description="only of a run that said how far it is, the last of it")]
    ]
    result: NotRequired[
        Annotated[
            Any, Field(description="only of a run whose function returned a small value: that, as JSON")
        ]
    ]
    result_described: NotRequired[
        Annotated[str, Field(description="only where it returned another value: its type and its size")]
    ]


class RunOutline(RunReport):
    """A run, or a tick or a range of ticks that was skipped."""

    run_id: int
    job_id: str
    kind: Annotated[str, Field(description="scheduled, manual, startup or backfill")]
    tick: Time | None
    last_tick: NotRequired[
        Annotated[Time | None, Field(description="only of a range of ticks: the last one")]
    ]
    count: NotRequired[
        Annotated[int | None, Field(description="only of a range of ticks: how many, if that is known yet")]
    ]
    for_tick: Annotated[
        Time | None, Field(description="the tick that a run by hand, or of a backfill, stands in for")
    ]
    backfill_id: NotRequired[
        Annotated[int, Field(description="only of a run of a backfill: the number of that")]
    ]
    state: str
    reason: str | None
    attempt: int
    started_at: Time | None
    finished_at: Time | None
    duration: Seconds | None
    error: Annotated[str | None, Field(description="in a list its beginning")]
    holder_died: NotRequired[
        Annotated[
            bool, Field(description="true of a run that is not over, and whose process is dead for certain")
        ]
    ]
    behind: NotRequired[
        Annotated[
            list[int],
            Field(description="of a tick that was skipped as overlap: the runs that were in its way"),
        ]
    ]
    before_retry: NotRequired[
        Annotated[
            BeforeRetry, Field(description="only of a run that is in a list for how it ended before a retry")
        ]
    ]


class RunRow(RunOutline):
    """A run with its traceback: `runs --json`."""

    traceback: str | None


class Request(TypedDict):
    """A request about a run."""

    at: Time
    who: str
    action: str
    note: str | None


Backfill = TypedDict(
    "Backfill",
    {
        "backfill_id": int,
        "job_id": str,
        "state": Annotated[str, Field(description="running, stopped or finished")],
        "why": Annotated[str | None, Field(description="why it was stopped, if nobody asked for that")],
        "waits_for_resume": Annotated[
            bool, Field(description="it goes on, and its job is paused or disabled")
        ],
        "disabled_by": Annotated[
            str | None, Field(description="the setting that disables its job, while it waits for that")
        ],
        "cannot_run": Annotated[
            str | None,
            Field(description="why its job cannot run, as a process that is up says"),
        ],
        "from": Annotated[Time, Field(description="the first time, included")],
        "to": Annotated[Time, Field(description="the last time, included")],
        "only_missed": Annotated[bool, Field(description="only ticks that did not succeed")],
        "rate": Annotated[int | None, Field(description="the most runs in a minute; null: as many as can")],
        "max_instances": Annotated[int, Field(description="the most of its runs under way at once")],
        "ticks": Annotated[int, Field(description="how many there were when it was asked for")],
        "made": Annotated[int, Field(description="how many runs it has made so far")],
        "runs": Annotated[dict[str, int], Field(description="its runs that are kept, by state")],
        "asked_at": Time,
        "asked_by": str,
        "note": str | None,
        "ended_at": Annotated[Time | None, Field(description="when it was stopped or finished")],
    },
)
"""A backfill, and how far it is: `backfill --json`."""


class Entry(TypedDict):
    """One line of the audit trail: `audit --json`."""

    audit_id: int
    at: Time
    who: str
    action: str
    job_id: str | None
    run_id: int | None
    note: str | None


class Attempt(TypedDict):
    """One attempt of a run."""

    attempt: int
    state: str
    process_id: str | None
    host: Annotated[str | None, Field(description="null when the process has ended, like `pid`")]
    pid: int | None
    started_at: Time | None
    finished_at: Time | None
    duration: Seconds | None
    error: str | None
    traceback: str | None
    log: str | None


class SuccessBefore(TypedDict):
    """The last run of a job that succeeded before one that failed."""

    run_id: int
    finished_at: Time


class RunDetails(RunRow):
    """A run with its job, who asked for what about it, and all attempts that began: `show --json`."""

    job_name: str | None
    function: str | None
    timezone: Annotated[str | None, Field(description="the job's")]
    due_at: Time | None
    claimed_at: Time | None
    cancel_asked_at: Time | None
    replaced_by: Annotated[
        Time | None, Field(description="the tick for which it was asked to end, with overlap='replace'")
    ]
    rerun_until: Annotated[
        Time | None, Field(description="until when a run that was cut off may begin its next attempt")
    ]
    added: Annotated[
        list[Request], Field(description="who added its job while running, and changed it last; else empty")
    ]
    asked: Annotated[list[Request], Field(description="oldest first")]
    ticks_behind: Annotated[int, Field(description="how many ticks were skipped as overlap because of it")]
    last_success: Annotated[
        SuccessBefore | None, Field(description="the one before it, of a run that failed; else null")
    ]
    attempts: list[Attempt]


class Fire(TypedDict):
    """A coming tick; `note` tells of a pause or an odd time of day, else it is empty: `plan --json`."""

    job_id: str
    tick: Time
    note: str


class LeftOutTick(TypedDict):
    """A tick that a job lacks since its day is excluded; `why` names the day."""

    job_id: str
    tick: Time
    why: str


class WhyEntry(TypedDict):
    """An entry of the audit trail on which an explanation rests."""

    at: Time
    who: str
    action: str
    run_id: int | None
    note: str | None


class Why(TypedDict):
    """Why a job ran at a time, or did not: `why --json`."""

    job_id: str
    tick: Annotated[
        Time | None, Field(description="the instant that is explained; null for a run without a tick")
    ]
    verdict: Annotated[str, Field(description="one stable word, as the command `why` gives it")]
    sentences: list[str]
    runs: Annotated[list[RunRow], Field(description="those on which the sentences rest")]
    audit: Annotated[list[WhyEntry], Field(description="entries of the audit trail on which they rest")]
