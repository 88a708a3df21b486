"""Everything that was recorded: faults, processes, the file that the tasks write, and the ledger's rows.

Instants of faults, processes and tasks are microseconds of the machine's monotonic clock; those in the
ledger are microseconds of the wall clock that the processes see. `WorldClock` converts between the two.
"""

from __future__ import annotations

import json
import time
from collections import defaultdict
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from everytick.store.opening import ledger_at

from torture.jobs import JobSpec, schedule_around

Row = dict[str, Any]
_ENDLESS = 2**62


def now() -> int:
    return time.monotonic_ns() // 1000


@dataclass(frozen=True)
class Fault:
    """Harm done to a process (`pid`) or to all (0)."""

    kind: str
    pid: int
    begin: int
    end: int


@dataclass(frozen=True)
class Life:
    """One process; `ready` is None if it ended before it said that it runs.

    version: the number of the deployment whose code it has. disabled: the jobs that it is set not to run.
    """

    pid: int
    begin: int
    ready: int | None
    end: int
    code: int
    log: str
    role: str = "all"
    version: int = 0
    disabled: tuple[str, ...] = ()


@dataclass(frozen=True)
class Command:
    """A person's `pause` or `resume` of a job; `done`: it said so."""

    what: str
    job: str
    begin: int
    end: int
    done: bool


@dataclass(frozen=True)
class Request:
    """What a person asked of one run: `run now`, `cancel` or `retry`.

    run: its number, 0 if that was not told. attempt: the run's own, right after it was done.
    answer: `done`; `refused`, nothing was changed; or `unknown`, the ledger did not say whether it was.
    """

    what: str
    job: str
    run: int
    attempt: int
    begin: int
    end: int
    answer: str


@dataclass(frozen=True)
class Act:
    """What a person did by the API about a job of a function on offer: `add`, `change` or `remove` it.

    step, number: with which step of its schedule, and with which argument; 0 where it is removed.
    answer: as of a `Request`.
    """

    what: str
    job: str
    step: int
    number: int
    begin: int
    end: int
    answer: str


@dataclass(frozen=True)
class Fill:
    """A backfill that a person asked for, and was promised.

    first, last: from when to when its ticks are. at: when it was asked for. rate: how many runs begin in a
    minute at most, 0 for as many as can. at_once: how many of its runs may be under way.
    only_missed: only ticks that are on record and did not succeed.
    """

    number: int
    job: str
    first: int
    last: int
    at: int
    rate: int = 0
    at_once: int = 1
    only_missed: bool = False


@dataclass(frozen=True)
class Start:
    """One entry of a body, as the body itself wrote it down; `end` is None if it never got there.

    said: how far it was, in ten-thousandths, and when it had said so.
    """

    run: int
    kind: str
    job: str
    tick: int
    attempt: int
    pid: int
    at: int
    end: int | None
    said: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class Violation:
    """A breach of the contract, and where to look: the job, the tick or the run, the process."""

    sentence: str
    job: str = ""
    tick: int | None = None
    pid: int = 0

    def __str__(self) -> str:
        return self.sentence


@dataclass
class WorldClock:
    """The clock that the processes see: `base` ahead of the monotonic one, and stepped now and then.

    steps: (instant, offset) in the order in which they were made.
    """

    base: int
    steps: list[tuple[int, int]] = field(default_factory=lambda: [(0, 0)])

    def shows(self, instant: int) -> int:
        """Return what the clock showed at an instant."""
        for begin, offset in reversed(self.steps):
            if begin <= instant:
                return instant + self.base + offset
        raise ValueError(f"{instant} is before the world began")

    def instants(self, shown: int) -> list[int]:
        """Return all instants at which the clock showed this, or at which it jumped over it."""
        if len(self.steps) == 1 and shown >= self.base:
            # As in most worlds: nobody has set it.
            return [shown - self.base]
        found = []
        ends = [begin for begin, _ in self.steps[1:]] + [_ENDLESS]
        for (begin, offset), end in zip(self.steps, ends, strict=True):
            instant = shown - self.base - offset
            # In the microsecond in which it was set it showed both.
            if begin <= instant <= end:
                found.append(instant)
        for (_, before), (step, after) in pairwise(self.steps):
            if step + self.base + before < shown < step + self.base + after:
                found.append(step)
        return sorted(found)


@dataclass
class History:
    """All that the checker looks at. `until`: what the world's clock showed when the quiet period ended.

    day: the one around whose end the world is, see `jobs.dated`.
    requested: one-off ticks that were asked for while the world ran: (job, tick, instant of the request);
        each must have exactly one outcome.
    fills: backfills that were asked for.
    asked: what was asked of single runs.
    acts: what people did about jobs of functions on offer.
    reports: what attempts said of themselves, as the ledger has it. audit: who did what.
    refused: jobs that could not be added, as was said: none of them may be there.
    oddities: what the nemesis itself saw and must not be.
    """

    schedule: list[JobSpec]
    clock: WorldClock
    until: int
    faults: list[Fault]
    lives: list[Life]
    starts: list[Start]
    runs: list[Row]
    attempts: list[Row]
    jobs: dict[str, Row]
    commands: list[Command] = field(default_factory=list)
    requested: list[tuple[str, int, int]] = field(default_factory=list)
    fills: list[Fill] = field(default_factory=list)
    asked: list[Request] = field(default_factory=list)
    acts: list[Act] = field(default_factory=list)
    reports: list[Row] = field(default_factory=list)
    audit: list[Row] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    oddities: list[str] = field(default_factory=list)
    day: int = 0

    def __post_init__(self) -> None:
        self.faults.sort(key=lambda fault: fault.begin)
        wanted: dict[str, set[int]] = {}
        for job, tick, _ in self.requested:
            wanted.setdefault(job, set()).add(tick)
        added = [JobSpec(job, once=frozenset(ticks)) for job, ticks in wanted.items()]
        self._go_by_one_id()
        declared = {spec.id for spec in self.schedule}
        self.by_people = [spec for spec in _by_people(self.acts) if spec.id not in declared]
        self.specs = {spec.id: spec for spec in [*self.schedule, *added, *self.by_people]}
        # Asked very often.
        self._by_job: dict[str, list[Row]] = defaultdict(list)
        for row in self.runs:
            self._by_job[row["job_id"]].append(row)
        self._asked_of: dict[tuple[str, int], list[Request]] = defaultdict(list)
        for it in self.asked:
            if it.answer != "refused":
                self._asked_of[it.what, it.run].append(it)

    def _go_by_one_id(self) -> None:
        """Let a job that is renamed have one id, whichever it had at the time."""
        ids = {former: spec.id for spec in self.schedule for former in spec.ids}
        if not ids:
            return
        self.runs = [{**row, "job_id": ids.get(row["job_id"], row["job_id"])} for row in self.runs]
        self.starts = [replace(start, job=ids.get(start.job, start.job)) for start in self.starts]
        self.asked = [replace(it, job=ids.get(it.job, it.job)) for it in self.asked]
        in_force = {job: row for job, row in self.jobs.items() if row.get("removed_us") is None}
        for former, job in ids.items():
            if former in in_force:
                self.jobs[job] = in_force[former]

    def asked_of(self, what: str, run: int) -> list[Request]:
        """Return what was asked of a run, also where it is not known whether that was done."""
        return self._asked_of.get((what, run), [])

    def acts_on(self, job: str, *what: str) -> list[Act]:
        """Return what was done about a job, also where it is not known whether it was."""
        return [it for it in self.acts if it.job == job and it.what in what and it.answer != "refused"]

    def there_since(self, job: str, by: int) -> int:
        """Return when somebody had added a job, or changed it last before an instant; 0 if nobody did."""
        added = [at for name, _tick, at in self.requested if name == job]
        return max(
            [*added, *(it.end for it in self.acts_on(job, "add", "change") if it.begin <= by)], default=0
        )

    def rows_of(self, job: str) -> list[Row]:
        """Return the rows of a job, in the order in which the ledger got them."""
        return list(self._by_job.get(job, ()))


def read_starts(file: Path) -> list[Start]:
    """Read the bodies' file; an entry ends with the next `end` of the same run, attempt and process.

    A line `said=5000` tells how far it is.
    """
    found: list[Start] = []
    begun: dict[tuple[str, ...], int] = {}
    said: dict[int, list[tuple[int, int]]] = {}
    for line in file.read_text().splitlines():
        word, run, kind, job, tick, attempt, pid, at = line.split()
        key = (run, attempt, pid)
        if word == "start":
            begun[key] = len(found)
            found.append(Start(int(run), kind, job, int(tick), int(attempt), int(pid), int(at), None))
        elif word == "end":
            index = begun[key]
            found[index] = replace(found[index], end=int(at))
        else:
            said.setdefault(begun[key], []).append((int(word.removeprefix("said=")), int(at)))
    return [replace(start, said=tuple(said.get(index, ()))) for index, start in enumerate(found)]


def _by_people(acts: list[Act]) -> list[JobSpec]:
    """Return the jobs that people added, or may have: with each step that they had."""
    steps: dict[str, list[int]] = {}
    for act in acts:
        if act.what != "remove" and act.answer != "refused":
            steps.setdefault(act.job, []).append(act.step)
    return [
        JobSpec(job, min(found), "tell", steps=tuple(dict.fromkeys(found)), added=True)
        for job, found in steps.items()
    ]


def read_ledger(url: str) -> tuple[list[Row], list[Row], dict[str, Row], list[Row], list[Row]]:
    """Return runs, earlier attempts, jobs by id, what attempts said of themselves, and the audit trail."""
    with closing(ledger_at(url).connect(read_only=True)) as connection:

        def rows(table: str, order: str) -> list[Row]:
            cursor: Any = connection.execute(f"SELECT * FROM {table} ORDER BY {order}")
            names = [column[0] for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

        runs = rows("scheduler_runs", "run_id")
        attempts = rows("scheduler_attempts", "run_id, attempt")
        jobs = {row["job_id"]: row for row in rows("scheduler_jobs", "job_id")}
        reports = rows("scheduler_reports", "run_id, attempt")
        audit = rows("scheduler_audit", "audit_id")
    return runs, attempts, jobs, reports, audit


_ROWS = ("runs", "attempts", "jobs", "reports", "audit")
_HARM = (
    "clock",
    "until",
    "faults",
    "lives",
    "commands",
    "requested",
    "fills",
    "acts",
    "refused",
    "oddities",
    "day",
)


def save(history: History, folder: Path) -> None:
    """Keep what the nemesis did and saw, and the ledger's rows, beside the bodies' file."""
    known = asdict(replace(history, schedule=[]))
    (folder / "nemesis.json").write_text(json.dumps({name: known[name] for name in (*_HARM, *_ROWS)}))


def load(folder: Path) -> History:
    """Read again what a torture left in its folder."""
    known = json.loads((folder / "nemesis.json").read_text())
    clock = WorldClock(known["clock"]["base"], [(at, offset) for at, offset in known["clock"]["steps"]])
    return History(
        schedule=schedule_around(known["day"]),
        clock=clock,
        until=known["until"],
        faults=[Fault(**each) for each in known["faults"]],
        lives=[Life(**{**each, "disabled": tuple(each["disabled"])}) for each in known["lives"]],
        starts=read_starts(folder / "marks.txt"),
        runs=known["runs"],
        attempts=known["attempts"],
        jobs=known["jobs"],
        commands=[Command(**each) for each in known["commands"]],
        requested=[(job, tick, at) for job, tick, at in known["requested"]],
        fills=[Fill(**each) for each in known["fills"]],
        acts=[Act(**each) for each in known["acts"]],
        reports=known["reports"],
        audit=known["audit"],
        refused=known["refused"],
        oddities=known["oddities"],
        day=known["day"],
    )
