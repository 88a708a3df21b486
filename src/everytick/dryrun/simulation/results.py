"""The results of a simulation, with a check that they add up. Instants and lengths are microseconds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta, tzinfo
from typing import Any

from everytick.errors import nearest
from everytick.model import ticks
from everytick.model.job import Job
from everytick.text.durations import duration
from everytick.text.instants import iso
from everytick.text.wording import counted


@dataclass
class OutageCost:
    """The effect on one job of one outage, in which no process was up.

    due: ticks that fell into it, those that waited for their jitter included. Each of them was caught up, or
        skipped for a reason, or was lost in a further outage.
    asked: how many of the missed ticks were chosen to run.
    caught_up_at: when the last of them began.
    cut: runs that were under way when it began; begun_again: those of them that got another attempt.
    replaced: runs that were ended, since the next tick was due.
    """

    begin: int
    end: int
    due: int = 0
    asked: int = 0
    caught_up: int = 0
    caught_up_at: int | None = None
    skipped: Counter[str] = field(default_factory=Counter)
    lost: int = 0
    cut: int = 0
    begun_again: int = 0
    replaced: int = 0


@dataclass
class JobResult:
    """The result for one job.

    begin, end: the span that is simulated.
    expected: its ticks, counted apart from what was simulated.
    ran, skipped, lost, replaced: what became of them; at_starts: runs that have no tick.
    first, last: when its first and its last run began. longest: the longest time in which none began.
    earliest, latest: how long after its due instant (tick and jitter) a first attempt began, at least and at
        most; None if none did.
    most_at_once: of its runs. duration: how long one takes.
    waited_for_group: how many runs were due and waited for a place in their group, and the longest of these
        waits.
    """

    job: Job
    expected: int
    begin: int = 0
    end: int = ticks.FOREVER
    duration: int = 0
    duration_from: str = "unknown"
    ran: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    lost: int = 0
    replaced: int = 0
    at_starts: int = 0
    first: int | None = None
    last: int | None = None
    longest: int = 0
    longest_from: int = 0
    earliest: int | None = None
    latest: int | None = None
    most_at_once: int = 0
    waited_for_group: int = 0
    longest_wait_for_group: int = 0
    outages: list[OutageCost] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def note_start(self, now: int) -> None:
        """Take in that a run begins."""
        self.note_gap(now)
        self.first = now if self.first is None else self.first
        self.last = now

    def note_starts(self, first: int, last: int, number: int, longest: int, longest_from: int) -> None:
        """Take in that runs begin at regular ticks, on time; `longest` lies between two of them."""
        self.note_start(first)
        if longest > self.longest:
            self.longest, self.longest_from = longest, longest_from
        self.last = last
        self.ran += number
        self.note_lateness(0)

    def note_gap(self, until: int) -> None:
        """Take in that no run began since the last one and until an instant."""
        since = self.begin if self.last is None else self.last
        until = min(until, self.end)
        if until - since > self.longest:
            self.longest, self.longest_from = until - since, since

    def note_lateness(self, late: int) -> None:
        """Take in how long after its due instant a first attempt began."""
        self.earliest = late if self.earliest is None else min(late, self.earliest)
        self.latest = late if self.latest is None else max(late, self.latest)

    def note_wait_for_group(self, waited: int) -> None:
        """Take in that a run begins that waited for a place in its group."""
        self.waited_for_group += 1
        self.longest_wait_for_group = max(self.longest_wait_for_group, waited)

    def note_skip(self, reason: str, outage: OutageCost | None) -> None:
        """Take in that a tick was skipped; `outage` is the one into which it fell, if it did."""
        self.skipped[reason] += 1
        if outage is not None:
            outage.skipped[reason] += 1

    def note_disabled(self, setting: str, outages: Sequence[tuple[int, int]]) -> None:
        """Take in that a setting disables the job: none of its ticks runs, and no outage costs it one."""
        self.skipped["disabled"] = self.expected
        self.outages = [OutageCost(down, up) for down, up in outages]
        self.note_gap(self.end)
        at_starts = "" if self.job.schedule.startup_delay is None else ", and none at a start"
        self.notes.append(f"disabled by {setting}: none of its ticks runs{at_starts}")

    def note_loss(self, outage: OutageCost | None) -> None:
        """Take in that a run was lost."""
        self.lost += 1
        if outage is not None:
            outage.lost += 1

    def note_replaced(self, outage: OutageCost | None) -> None:
        """Take in that a run was ended, since the next tick of its job was due."""
        self.replaced += 1
        if outage is not None:
            outage.replaced += 1

    def problems(self) -> list[str]:
        """Return a sentence for each rule that this account breaks."""
        options, found = self.job.options, []
        accounted = self.ran + self.skipped.total() + self.lost + self.replaced
        if accounted != self.expected:
            found.append(f"{counted(self.expected, 'tick')} due, but {accounted} are accounted for")
        most = self.job.most_caught_up
        for cost in self.outages:
            settled = cost.caught_up + cost.skipped.total() + cost.lost + cost.replaced
            if settled != cost.due:
                found.append(
                    f"{counted(cost.due, 'tick')} fell into an outage, but {settled} are accounted for"
                )
            if cost.asked > most:
                found.append(f"{cost.asked} missed ticks were to run after an outage: at most {most} may")
        if self.latest is not None and options.grace is not None and self.latest > options.grace:
            found.append(f"a run began {duration(self.latest)} late, beyond its grace time")
        if self.earliest is not None and self.earliest < 0:
            found.append("a run began before it was due")
        if self.most_at_once > options.max_instances:
            found.append(f"{self.most_at_once} runs were under way at once: at most {options.max_instances}")
        return [f"{self.job.id}: {sentence}" for sentence in found]


@dataclass
class BackfillResult:
    """The result for one backfill. Instants and lengths are microseconds.

    runs: how many are not over at the beginning. ran, lost: what became of them; left: those that did not
        begin within the span.
    cut: runs that were under way when an outage began; begun_again: those of them that got another attempt.
    first, last: when its first and its last run began. ended: when the last of all its runs was over.
    most_at_once: of its runs.
    """

    number: int
    job_id: str
    runs: int
    rate: int | None
    max_instances: int
    ran: int = 0
    lost: int = 0
    left: int = 0
    cut: int = 0
    begun_again: int = 0
    first: int | None = None
    last: int | None = None
    ended: int | None = None
    most_at_once: int = 0
    waited_for_group: int = 0
    longest_wait_for_group: int = 0
    notes: list[str] = field(default_factory=list)

    def problems(self) -> list[str]:
        """Return a sentence for each rule that this account breaks."""
        found = []
        accounted = self.ran + self.lost + self.left
        if accounted != self.runs:
            found.append(f"{counted(self.runs, 'run')} to come, but {accounted} are accounted for")
        if self.most_at_once > self.max_instances:
            found.append(f"{self.most_at_once} runs were under way at once: at most {self.max_instances}")
        return [f"backfill {self.number}: {sentence}" for sentence in found]

    def as_data(self) -> dict[str, Any]:
        """Return it as plain data: instants as ISO 8601 in UTC, lengths in seconds."""
        return {
            "backfill_id": self.number,
            "job_id": self.job_id,
            "runs": self.runs,
            "rate": self.rate,
            "max_instances": self.max_instances,
            "ran": self.ran,
            "lost": self.lost,
            "left": self.left,
            "cut": self.cut,
            "begun_again": self.begun_again,
            "first_run": iso(self.first),
            "last_run": iso(self.last),
            "ended": iso(self.ended),
            "waited_for_group": self.waited_for_group,
            "longest_wait_for_group": self.longest_wait_for_group / ticks.SECOND,
            "notes": self.notes,
        }


@dataclass(frozen=True)
class ClockChange:
    """A tick whose time of day is odd because the zone's clock was changed."""

    tick: int
    job_id: str
    note: str


@dataclass(frozen=True)
class Simulation:
    """The results of all jobs from `begin` (included) to `end` (not included).

    backfills: those of the backfills that went on at the beginning.
    """

    begin: int
    end: int
    zone: tzinfo
    outages: Sequence[tuple[int, int]]
    jobs: Mapping[str, JobResult]
    clock_changes: Sequence[ClockChange]
    backfills: Sequence[BackfillResult] = ()

    def job(self, job_id: str) -> JobResult:
        """Return all that is known of a job. Raises LookupError if it was not simulated."""
        if job_id not in self.jobs:
            raise LookupError(f"no job {job_id!r} was simulated{nearest(job_id, self.jobs)}")
        return self.jobs[job_id]

    def runs(self, job_id: str) -> int:
        """Return how many of a job's ticks ran to their end."""
        return self.job(job_id).ran

    def skipped(self, job_id: str) -> dict[str, int]:
        """Return how many of a job's ticks were skipped, by reason; reasons that did not occur are absent."""
        return dict(self.job(job_id).skipped)

    def longest_without(self, job_id: str) -> timedelta:
        """Return the longest time in which no run of a job began, from the first instant to the end."""
        return timedelta(microseconds=self.job(job_id).longest)

    def problems(self) -> list[str]:
        """Return a sentence for each rule that the account breaks; none if it balances."""
        found = [sentence for result in self.jobs.values() for sentence in result.problems()]
        return found + [sentence for result in self.backfills for sentence in result.problems()]

    def check(self) -> None:
        """Raise AssertionError, with a sentence for each, if anything breaks what the schedule promises.

        Each tick has exactly one outcome; after an outage no more ticks run than were asked for; nothing
        begins early, or beyond its grace time, or beside more than `max_instances` allows.
        """
        problems = self.problems()
        if problems:
            raise AssertionError("\n".join(problems))

    def as_data(self) -> dict[str, Any]:
        """Return everything as plain data: instants as ISO 8601 in UTC, lengths in seconds."""
        return {
            "from": iso(self.begin),
            "to": iso(self.end),
            "timezone": str(self.zone),
            "outages": [{"from": iso(begin), "to": iso(end)} for begin, end in self.outages],
            "jobs": [_job_data(result) for result in self.jobs.values()],
            "backfills": [result.as_data() for result in self.backfills],
            "clock_changes": [
                {"job_id": change.job_id, "tick": iso(change.tick), "note": change.note}
                for change in self.clock_changes
            ],
            "problems": self.problems(),
        }


def _job_data(result: JobResult) -> dict[str, Any]:
    return {
        "id": result.job.id,
        "trigger": result.job.trigger,
        "timezone": str(result.job.schedule.zone),
        "ticks": result.expected,
        "ran": result.ran,
        "skipped": dict(result.skipped),
        "lost": result.lost,
        "replaced": result.replaced,
        "runs_at_starts": result.at_starts,
        "first_run": iso(result.first),
        "last_run": iso(result.last),
        "longest_without": result.longest / ticks.SECOND,
        "longest_without_from": iso(result.longest_from),
        "waited_for_group": result.waited_for_group,
        "longest_wait_for_group": result.longest_wait_for_group / ticks.SECOND,
        "duration": result.duration / ticks.SECOND,
        "duration_from": result.duration_from,
        "outages": [_cost_data(cost) for cost in result.outages],
        "notes": result.notes,
    }


def _cost_data(cost: OutageCost) -> dict[str, Any]:
    return {
        "from": iso(cost.begin),
        "to": iso(cost.end),
        "due": cost.due,
        "caught_up": cost.caught_up,
        "caught_up_at": iso(cost.caught_up_at),
        "skipped": dict(cost.skipped),
        "lost": cost.lost,
        "cut": cost.cut,
        "begun_again": cost.begun_again,
        "replaced": cost.replaced,
    }
