"""The arguments and results of the ledger's operations."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from everytick.model import ticks
from everytick.model.group_limits import NO_LIMITS, GroupLimits
from everytick.model.job import Job
from everytick.model.job_filter import ALL_JOBS, JobFilter
from everytick.model.misfire import Decision
from everytick.model.roles import ALL, Role
from everytick.model.schedule import Schedule, known_from_text
from everytick.system import system

# The error of a run that was cancelled before it began, or by request.
CANCELLED = "its cancellation was requested"

# Of one that was asked to end, and whose process died before it did.
CANCELLED_WITH_ITS_PROCESS = f"{CANCELLED}, and its process died"
# More attempts than any run has; to each smaller number one can be added on a server.
TOO_MANY = 2**30
_INSTANT = (int, type(None))


@dataclass(frozen=True)
class Identity:
    """One start of one process. With attempt and time of a claim it is the token of every later write.

    schedule_digest: that of the jobs which its code declares; None for a process that declares none.
    job_filter: the jobs that it is set to run. group_limits: how many runs of a group it lets be under way.
    """

    process_id: str
    host: str
    pid: int
    role: Role = ALL
    schedule_digest: str | None = None
    job_filter: JobFilter = ALL_JOBS
    group_limits: GroupLimits = NO_LIMITS

    @staticmethod
    def new(
        role: Role = ALL,
        schedule_digest: str | None = None,
        job_filter: JobFilter = ALL_JOBS,
        group_limits: GroupLimits = NO_LIMITS,
    ) -> Identity:
        return Identity(
            system.new_id(), host_name(), system.pid(), role, schedule_digest, job_filter, group_limits
        )

    def begins_alone(self, job: Job) -> bool:
        """Return whether runs of a job begin here with their claim: else they wait in the queue first.

        There they wait for a process that serves them, and for a place in their group.
        """
        group = job.options.group
        is_limited = group is not None and group in self.group_limits
        return not is_limited and self.role.serves(job.options.queue)


@dataclass(slots=True)
class Claim:
    """A run that this process holds. `started`: the ledger has it as started already.

    claimed: when, as the ledger has it: tells this claim from a later one of the same process.
    at: when, in seconds of the monotonic clock.
    """

    run_id: int
    job_id: str
    kind: str
    tick: int | None
    due: int
    claimed: int
    attempt: int = 1
    crashes: int = 0
    started: bool = False
    at: float = field(default_factory=lambda: system.monotonic(), compare=False)


@dataclass
class Room:
    """How many more runs may begin in this process.

    free: at once. soon: within a moment, as others end. Only what survives a kill in that moment is recorded
    as started before there is a place for it. under_way: the runs of which an attempt goes on here, also one
    that others have taken over since: no further attempt of these may begin here.
    """

    free: int
    soon: int = 0
    under_way: Container[int] = ()

    @property
    def number(self) -> int:
        """How many there is place for."""
        return max(0, self.free) + max(0, self.soon)

    @property
    def is_any(self) -> bool:
        """Whether there is any."""
        return self.free > 0 or self.soon > 0

    def enter(self, job: Job) -> bool:
        """Give a place to a run that is recorded as started; False if there is none."""
        if self.free <= 0 and job.options.on_crash != "rerun":
            return False
        return self.reserve()

    def reserve(self) -> bool:
        """Give a place to a run that is only reserved; False if there is none."""
        if self.free > 0:
            self.free -= 1
        elif self.soon > 0:
            self.soon -= 1
        else:
            return False
        return True


class Report(NamedTuple):
    """What an attempt of a run said of itself, for the ledger: masked, and cut.

    share: how far it is, in ten-thousandths; note: in words; at: when it said so. result: what its function
    returned, as JSON if `is_json`, else described in words.
    """

    share: int | None = None
    note: str | None = None
    at: int | None = None
    result: str | None = None
    is_json: bool = False


@dataclass(slots=True)
class Outcome:
    """How the attempt of a claimed run ended.

    `retry_at`: when the next attempt is due, after a failure. `rerun_until`: until when a run that was cut
    off may begin its next attempt.
    """

    claim: Claim
    state: str
    reason: str | None = None
    started: int | None = None
    finished: int | None = None
    error: str | None = None
    traceback: str | None = None
    log: str | None = None
    retry_at: int | None = None
    rerun_until: int | None = None
    report: Report | None = None

    @property
    def is_plain(self) -> bool:
        """Whether there is nothing to write down but its state, its reason and its times."""
        has_words = self.error is not None or self.traceback is not None or self.log is not None
        has_more = has_words or self.report is not None
        return not has_more and self.retry_at is None and self.rerun_until is None


class JobState(NamedTuple):
    """A job as it is recorded in the ledger. Instants are microseconds."""

    job_id: str
    definition: str
    watermark: int
    paused: int | None
    paused_until: int | None
    removed: int | None
    schedule_data: str | None
    call_data: str | None
    exhausted: int | None
    # The setting that disables the job, which is paused then.
    disabled_by: str | None = None

    @staticmethod
    def of(row: Sequence[Any]) -> JobState:
        """Return the state that a row has. A file takes anything in any column (R8).

        Where its watermark is no number, no more ticks are accounted for, and where the begin of its pause is
        none, the pause begins at the watermark. A pause whose end is none, or beyond the calendar, has none.
        """
        state = JobState(*row)
        watermark, paused, until = state.watermark, state.paused, state.paused_until
        if type(watermark) is int and type(paused) in _INSTANT and _is_end(until):
            return state
        return state._replace(
            watermark=watermark if type(watermark) is int else ticks.FOREVER,
            paused=paused if type(paused) in _INSTANT else 0,
            paused_until=until if _is_end(until) else None,
        )

    def is_paused(self, now: int) -> bool:
        """Return whether the job is paused; a pause with an end is over then."""
        return is_paused(self.paused, self.paused_until, now)

    def is_pause_over(self, now: int) -> bool:
        """Return whether the job stands as paused although the end of its pause has come."""
        return self.paused is not None and not self.is_paused(now)

    def schedule(self) -> Schedule | None:
        """Return the schedule that is in force; None if it is not known without the code.

        That is so for a zone without a name or unknown to this machine, and for a job that was written by a
        version which kept no data and did not start since.
        """
        return known_from_text(self.schedule_data)


@dataclass(slots=True)
class Answer:
    """The ledger's answer to a decision.

    `verdict` is `claimed`, `moved` (another process was first, or a pause ended), `busy` (another process
    changes the job at this moment), `paused`, `early` (to be decided when it is due), `changed` (another
    definition is in force) or `removed`; `watermark` is where the ledger stands now. `queued`: how many runs
    are for others to take.
    """

    decision: Decision
    verdict: str
    watermark: int
    claims: list[Claim] = field(default_factory=list)
    overlapped: tuple[int, ...] = ()
    queued: int = 0


class AddedRow(NamedTuple):
    """A job that was added while running, as the ledger keeps it."""

    job_id: str
    name: str
    function: str
    schedule_data: str
    call_data: str | None
    watermark: int
    removed: int | None
    serial: int


@dataclass
class Registration:
    """The result of joining, for a process that starts.

    peers: the processes that were there and are not known to be dead, each with its last heartbeat, in
    microseconds UTC by the clock of then.
    """

    start_number: int
    peers: dict[str, int]
    lost: int
    watermarks: dict[str, int] = field(default_factory=dict)
    paused: set[str] = field(default_factory=set)
    claims: list[Claim] = field(default_factory=list)
    added: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    # The former id of each job that was renamed.
    renamed: dict[str, str] = field(default_factory=dict)
    # The same of those of which a part of the history is still to be moved.
    moving: dict[str, str] = field(default_factory=dict)
    # Of a schedule that is not whole yet: jobs of an earlier start that may still be declared.
    awaited: list[str] = field(default_factory=list)
    jobs_added: list[AddedRow] = field(default_factory=list)
    serial: int = 0
    # Jobs with rows that cannot be read: they do not run.
    unreadable: list[str] = field(default_factory=list)
    # When the process joined, in microseconds UTC.
    joined: int = 0


def is_paused(since: int | None, until: int | None, now: int) -> bool:
    """Return whether a job that was paused then, and until then if that is given, is paused at an instant.

    A pause with an end is over at that very instant, even if its end is not yet recorded in the ledger.
    """
    return since is not None and (until is None or not _is_end(until) or until > now)


def _is_end(until: object) -> bool:
    """Return whether the end of a pause is none, or an instant."""
    return until is None or (type(until) is int and ticks.FIRST <= until <= ticks.FOREVER)


def settled_until(watermark: int, paused_until: int | None) -> int:
    """Return up to where no tick of a job that is not paused is due: its watermark, or the end of its pause.

    The ticks of a pause with an end are written down together with the next tick after it.
    """
    return watermark if paused_until is None else max(watermark, paused_until - 1)


def replaced(tick: str) -> str:
    """Return the error of a run that was asked to end for a tick, given as text, that came due meanwhile."""
    return f"replaced by the tick of {tick}"


def host_name() -> str:
    """Return a name that differs between hosts, boots of a host, and containers on a host."""
    return system.host()
