"""Is the schedule alive? Judged from the ledger, so that any process may ask; `check_here` asks this machine.

Ready means: the ledger can be read, a scheduler sends heartbeats, its event loop answers, and its clock
moves. One process whose loop is stuck does not make the schedule unready as long as another one carries it.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC
from typing import Any

from everytick import liveness
from everytick.errors import LedgerError, LedgerUnavailable
from everytick.model import ticks
from everytick.model.roles import unserved
from everytick.read.known_job import DueJob, jobs_due
from everytick.read.overdue import overdue_since
from everytick.read.processes import Process, find_processes, read_processes
from everytick.store.database import Ledger
from everytick.store.querying import connect_checked, why_unused
from everytick.store.records import host_name
from everytick.store.workers import LEASE_SECONDS
from everytick.system import on_thread
from everytick.text.durations import duration, duration_of_seconds, exact_seconds
from everytick.text.instants import at, iso
from everytick.text.wording import counted

# The engine's clock looks at the time at least every 30 seconds, and tries again every second while the
# ledger does not answer. A tick that is not claimed after twice that time shows that the clock stands still.
OVERDUE_SECONDS = 60.0

# How long who asks for a probe waits for a ledger, in seconds: a third of what the manifests grant one, of
# which a slow processor needs most for the start of the command.
PATIENCE = 5.0

_OVERDUE = int(OVERDUE_SECONDS * ticks.SECOND)


@dataclass(frozen=True)
class Finding:
    """Something that is wrong: `sentence` for those who may know all, `outline` without names and places."""

    sentence: str
    outline: str


@dataclass(frozen=True)
class Health:
    """The health at one instant. `remarks` name problems with which the schedule still goes on.

    schedulers, workers: how many processes that are up claim ticks, and run them; most do both.
    heartbeat_age: seconds since the newest heartbeat of a process that is up; None if none is.
    loop_silence: seconds between the last answer of an event loop and its process's last heartbeat: the
        longest of all that are up; None if none is.
    overdue: the ids of the jobs whose tick is due and not claimed.
    """

    checked: int
    problems: tuple[Finding, ...] = ()
    remarks: tuple[Finding, ...] = ()
    schedulers: int = 0
    workers: int = 0
    heartbeat_age: float | None = None
    loop_silence: float | None = None
    overdue: tuple[str, ...] = ()

    @property
    def ready(self) -> bool:
        """Whether the schedule can go on."""
        return not self.problems

    def as_data(self, *, outline: bool = False) -> dict[str, Any]:
        """Return it for JSON. With `outline`, without the names of jobs, how many, and the ledger's place."""

        def said(findings: Sequence[Finding]) -> list[str]:
            if outline:
                # Each kind once: anybody may ask.
                return list(dict.fromkeys(found.outline for found in findings))
            return [found.sentence for found in findings]

        return {
            "ready": self.ready,
            "problems": said(self.problems),
            "remarks": said(self.remarks),
            "schedulers": self.schedulers,
            "workers": self.workers,
            "heartbeat_age": self.heartbeat_age,
            "checked_at": iso(self.checked // ticks.SECOND * ticks.SECOND),
        }


def check(ledger: Ledger) -> Health:
    """Look into the ledger and judge. Raises nothing: a ledger that cannot be read is a problem found.

    Blocks for some milliseconds; for up to five seconds if another program has locked the ledger.
    """
    try:
        with connect_checked(ledger) as connection:
            if (sentence := why_unused(connection, ledger.application)) is not None:
                return Health(ticks.now(), (Finding(sentence, "the ledger is not the one in use"),))
            processes = find_processes(connection)
            if not processes.found:
                # Its outline has no instant: a probe that anybody may ask tells nothing of the past.
                nobody = Finding(processes.nobody_up(UTC), "no scheduler is up")
                return Health(ticks.now(), (nobody,))
            return judge(jobs_due(connection), processes.found)
    except LedgerError as problem:
        return unreadable(problem)


def check_here(ledger: Ledger) -> Health:
    """Judge this machine's own processes alone (in a container: its own), by what a restart of them mends.

    Not ready: none of them is up, or the event loops of all are stuck. That they say themselves, see
    `liveness`; where they cannot, their heartbeats in the ledger do. A ledger that does not answer, or takes
    no heartbeats, is a remark: no restart helps there. Raises nothing, and blocks for PATIENCE seconds at
    most.
    """
    if signs := liveness.find(ledger.full_place):
        return _judge_by_signs(ledger, signs)
    try:
        found = _processes_here(ledger)
    except LedgerError as problem:
        return Health(ticks.now(), remarks=unreadable(problem).problems)
    return _judge_here(found)


def _processes_here(ledger: Ledger) -> list[Process]:
    """Return the processes of this machine that the ledger knows, if it says so in time.

    Who asks has a time limit too, and takes an answer that comes late for a process that does not live: a
    name that nobody resolves, several servers that are tried one after another, or a table that is locked
    would have all processes restarted.

    Raises:
        LedgerError: it does not answer in time, or cannot be read.
    """

    def read() -> list[Process]:
        with connect_checked(ledger) as connection:
            return [process for process in read_processes(connection) if process.host == host_name()]

    try:
        # The end of the program does not wait for it.
        return on_thread(read, daemon=True).result(PATIENCE)
    except TimeoutError:
        raise no_answer() from None


def no_answer() -> LedgerUnavailable:
    """Return the error of a ledger that has said nothing for PATIENCE."""
    return LedgerUnavailable(f"the ledger has not answered for {exact_seconds(PATIENCE)}")


def _judge_by_signs(ledger: Ledger, signs: Sequence[liveness.Sign]) -> Health:
    stuck = [
        _blocked(f"process {sign.pid}", duration_of_seconds(round(sign.silence)))
        for sign in signs
        if sign.silence >= LEASE_SECONDS
    ]
    is_stuck = len(stuck) == len(signs)
    least = min(sign.silence for sign in signs)
    return Health(
        ticks.now(),
        tuple(stuck) if is_stuck else (),
        (*(() if is_stuck else stuck), *_on_heartbeats(ledger, {sign.pid for sign in signs})),
        schedulers=len(signs),
        heartbeat_age=least,
        loop_silence=max(sign.silence for sign in signs),
    )


def _on_heartbeats(ledger: Ledger, pids: Container[int]) -> tuple[Finding, ...]:
    """Tell of processes that live, and whose heartbeats do not come into the ledger."""
    try:
        found = [process for process in _processes_here(ledger) if process.pid in pids]
    except LedgerError as problem:
        return unreadable(problem).problems
    return tuple(
        Finding(
            f"{process.name} lives, but the ledger has had no heartbeat of it for"
            f" {duration(process.silence)}",
            "the ledger takes no heartbeats",
        )
        for process in found
        if not process.is_up
    )


def _judge_here(processes: Sequence[Process]) -> Health:
    """Judge by heartbeats and event loops alone: what a process is for does not matter."""
    now = ticks.now()
    up = [process for process in processes if process.is_up]
    if not up:
        sentence = "no process of this machine is up"
        return Health(now, (Finding(sentence, sentence),))
    problems, remarks = _on_loops(up)
    return Health(
        now,
        tuple(problems),
        tuple(remarks),
        schedulers=len(up),
        heartbeat_age=_heartbeat_age(up),
        loop_silence=_loop_silence(up),
    )


def unreadable(problem: LedgerError) -> Health:
    """Return the judgement on a ledger that cannot be read."""
    return Health(ticks.now(), (Finding(str(problem), "the ledger cannot be read"),))


def judge(jobs: Sequence[DueJob], processes: Sequence[Process]) -> Health:
    """Judge what `jobs_due` and `read_processes` returned, by this machine's clock."""
    now = ticks.now()
    up = [process for process in processes if process.is_up]
    if not up:
        return Health(now, (_no_process_up(processes),))
    overdue = _overdue(jobs, now, min(process.started for process in up))
    problems, remarks = _on_loops(up)
    late_problems, late_remarks = _on_clocks(overdue, jobs, now)
    schedulers = sum(process.role.claims for process in up)
    workers = sum(process.role.runs for process in up)
    queue_problems, queue_remarks = _on_queues(jobs, up) if workers else ([], [])
    return Health(
        now,
        (
            *_on_roles(schedulers, workers),
            *queue_problems,
            *problems,
            *late_problems,
            *_on_used_ticks(jobs, now),
        ),
        (*queue_remarks, *remarks, *late_remarks),
        schedulers=schedulers,
        workers=workers,
        heartbeat_age=_heartbeat_age(up),
        loop_silence=_loop_silence(up),
        overdue=tuple(overdue),
    )


def _no_process_up(processes: Sequence[Process]) -> Finding:
    silent = [process for process in processes if not process.is_gone]
    if silent:
        age = duration(min(process.silence for process in silent))
        sentence = f"no scheduler has sent a heartbeat for {age}"
        return Finding(sentence, sentence)
    if not processes:
        return Finding("no scheduler is up", "no scheduler is up")
    last = min(processes, key=lambda process: process.silence)
    age = duration(last.silence)
    return Finding(
        f"no scheduler is up: {last.name} is gone, its last heartbeat was {age} ago",
        f"no scheduler is up: the last heartbeat was {age} ago",
    )


def _heartbeat_age(up: Sequence[Process]) -> float:
    return max(0, min(process.silence for process in up)) / ticks.SECOND


def _loop_silence(up: Sequence[Process]) -> float:
    return max(process.loop_silence for process in up) / ticks.SECOND


def _on_roles(schedulers: int, workers: int) -> list[Finding]:
    """Where the work is split, each half needs the other."""
    if not schedulers:
        only = counted(workers, "worker")
        sentence = f"no scheduler is up, only {only}: what one has claimed is run, and no more"
    elif not workers:
        sentence = f"no worker is up, only {counted(schedulers, 'scheduler')}: ticks are claimed, and not run"
    else:
        return []
    return [Finding(sentence, sentence)]


def _on_queues(jobs: Sequence[DueJob], up: Sequence[Process]) -> tuple[list[Finding], list[Finding]]:
    """Tell of queues that nothing serves: a problem if that are all which jobs have, else a remark."""
    queues = {job.id: job.row.queue for job in jobs}
    lacking = unserved(queues, [process.role for process in up])
    found = [
        Finding(
            f"no process that is up serves the queue {queue}: the runs of {counted(len(job_ids), 'job')} wait"
            " there",
            "no process that is up serves the queue of a job",
        )
        for queue, job_ids in lacking.items()
    ]
    waiting = sum(map(len, lacking.values()))
    return (found, []) if waiting == len(queues) else ([], found)


def _blocked(process: str, silence: str) -> Finding:
    return Finding(
        f"the event loop of {process} has not answered for {silence}: something blocks it",
        "the event loop of a scheduler does not answer",
    )


def _on_loops(up: Sequence[Process]) -> tuple[list[Finding], list[Finding]]:
    """Tell of loops that are stuck: a problem if all are, else a remark."""
    found = [_blocked(process.name, duration(process.loop_silence)) for process in up if process.is_stuck]
    return (found, []) if len(found) == len(up) else ([], found)


def _overdue(jobs: Sequence[DueJob], now: int, up_since: int) -> dict[str, int]:
    """Return the first unclaimed tick of each job that is behind, by job id.

    A tick that became due before a process was up gets the same time, counted from the start of the process.
    """
    found: dict[str, int] = {}
    if now - up_since <= _OVERDUE:
        return found
    for job in jobs:
        tick = overdue_since(job, now - _OVERDUE)
        if tick is not None:
            found[job.id] = tick
    return found


def _on_used_ticks(jobs: Sequence[DueJob], now: int) -> Iterator[Finding]:
    """Tell of jobs whose ticks up to some instant to come are used up: none of these runs (R10)."""
    for job in jobs:
        until = job.row.watermark_us
        if until <= now + _OVERDUE or job.paused or job.schedule is None:
            continue
        tick = job.schedule.next_tick(now)
        if tick is not None and tick <= until:
            yield Finding(
                f"the clock was set back: job {job.id} is silent until {at(until, UTC)}, since its ticks up"
                " to then are used up already",
                "the clock was set back, and a job is silent",
            )


def _on_clocks(
    overdue: dict[str, int], jobs: Sequence[DueJob], now: int
) -> tuple[list[Finding], list[Finding]]:
    """Tell a clock that stands still from one job that cannot run while the others go on.

    The latter happens to a job that was added while running and whose function is gone: it is kept, and its
    ticks wait.
    """
    problems: list[Finding] = []
    remarks: list[Finding] = []
    for job in jobs:
        tick = overdue.get(job.id)
        if tick is None:
            continue
        found = Finding(
            f"job {job.id} is behind: no process has claimed its tick of"
            f" {at(tick, UTC)}, {duration(now - tick)} ago",
            "the tick of a job is overdue",
        )
        others_go_on = any(other.row.watermark_us > tick + _OVERDUE for other in jobs)
        (remarks if job.was_added and others_go_on else problems).append(found)
    return problems, remarks
