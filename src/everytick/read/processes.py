"""The processes that keep the schedule: which are up, which are stuck, and which are gone.

One rule for commands, pages, API, `why`, `doctor` and `health`. A process is *gone* when
it is provably dead (of this host, and its pid is not there), *silent* when it has sent no heartbeat for
longer than a lease, and *stuck* when its event loop had not answered for a lease at its last heartbeat.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import tzinfo
from typing import Any

from everytick.engine.heartbeats import LEASE_SECONDS
from everytick.masking import masked
from everytick.model import ticks
from everytick.model.job_filter import ALL_JOBS, JobFilter
from everytick.model.roles import Role
from everytick.store import schema, workers
from everytick.store.database import Ledger
from everytick.store.querying import connect
from everytick.store.records import Identity
from everytick.text.instants import at
from everytick.text.wording import one_line
from sqlalchemy import ColumnElement, Connection, and_, exists, func, not_, select, text

from .run_filter import WAITING

# Of how many processes the reports are read at once, and the longest report: a longer one is only there if
# somebody wrote it.
_PIECE, _LONGEST_REPORT = 200, 200_000
# Requests that account for the ticks of a job up to then, as the audit trail calls them.
_ACCOUNTING = ("pause", "resume", "remove", "change")
# In microseconds.
LEASE = int(LEASE_SECONDS * ticks.SECOND)


@dataclass(frozen=True)
class Process:
    """A process as the ledger knows it at an instant. Instants are microseconds UTC, lengths microseconds.

    host: what tells apart its machine's boots and containers too; `machine` is for people.
    answered: when its event loop was last seen to answer; None if that was never looked at.
    job_filter: the jobs that it is set to run.
    is_gone: it is dead for certain, which only a process of the same host can tell.
    """

    process_id: str
    host: str
    pid: int
    role: Role
    started: int
    beat: int
    answered: int | None
    is_gone: bool
    now: int
    job_filter: JobFilter = ALL_JOBS

    @property
    def machine(self) -> str:
        """The machine on which it runs, as people call it."""
        return self.host.partition("/")[0]

    @property
    def name(self) -> str:
        """Which process it is, for people."""
        return f"process {self.pid} on {self.machine}"

    @property
    def silence(self) -> int:
        """For how long it has sent no heartbeat."""
        return self.now - self.beat

    @property
    def loop_silence(self) -> int:
        """For how long its event loop had not answered at its last heartbeat.

        Both instants are the process's own, so no two clocks are compared.
        """
        return max(0, self.beat - (self.started if self.answered is None else self.answered))

    @property
    def is_up(self) -> bool:
        """Whether it is there. By the clocks of two machines, hence never to take over its runs."""
        return not self.is_gone and self.silence <= LEASE

    @property
    def is_stuck(self) -> bool:
        """Whether it is up, and its event loop does not answer."""
        return self.is_up and self.loop_silence >= LEASE

    @property
    def lease_left(self) -> int:
        """How long it counts as up without a further heartbeat."""
        return 0 if self.is_gone else max(0, LEASE - self.silence)


@dataclass(frozen=True)
class Processes:
    """All processes in the ledger, the one with the newest heartbeat first.

    last_outcome: when a scheduler last wrote down an outcome; only looked for if none is up.
    """

    found: tuple[Process, ...]
    last_outcome: int | None = None

    @property
    def up(self) -> tuple[Process, ...]:
        """Those that are up."""
        return tuple(process for process in self.found if process.is_up)

    @property
    def state(self) -> str:
        """`up`, `stalled` (all that are up are stuck), or `down`."""
        if not self.up:
            return "down"
        return "stalled" if all(process.is_stuck for process in self.up) else "up"

    @property
    def last_answer(self) -> int | None:
        """When an event loop was last seen to answer."""
        return max((process.answered for process in self.found if process.answered), default=None)

    @property
    def last_trace(self) -> int | None:
        """The newest heartbeat, or the last outcome that a scheduler wrote down."""
        traces = [process.beat for process in self.found]
        return max([*traces, *filter(None, [self.last_outcome])], default=None)

    @property
    def is_last_a_heartbeat(self) -> bool:
        """Whether the last trace is a heartbeat: a process that stopped in order leaves none."""
        return self.last_trace in {process.beat for process in self.found}

    def nobody_up(self, zone: tzinfo) -> str:
        """Return the clause that no scheduler is up, and since when, as far as the ledger shows it."""
        last = self.last_trace
        if last is None:
            return "no scheduler is up"
        if self.is_last_a_heartbeat:
            return f"no scheduler is up since {at(last, zone)}, its last heartbeat"
        return f"no scheduler is up: its last trace is of {at(last, zone)}"


def read_processes(connection: Connection, now: int | None = None) -> tuple[Process, ...]:
    """Return the processes in the ledger, also dead ones that are not reaped yet.

    `now`: the instant at which they are judged, in microseconds UTC; by default the present.
    """
    rows = connection.execute(select(schema.processes)).mappings().all()
    return judged(rows, ticks.now() if now is None else now)


def judged(rows: Iterable[Mapping[Any, Any]], now: int) -> tuple[Process, ...]:
    """Return the processes in these rows of the ledger, judged at an instant, the newest heartbeat first."""
    me = Identity.new()
    found = [
        Process(
            row["process_id"],
            row["host"],
            row["pid"],
            Role.kept(row["role"], row["queues"]),
            row["started_us"],
            row["beat_us"],
            row["pass_us"],
            workers.is_provably_dead(me, row["process_id"], row["host"], row["pid"]),
            now,
            JobFilter.of(row["job_filter"]),
        )
        for row in rows
    ]
    return tuple(sorted(found, key=lambda process: -process.beat))


def died(connection: Connection, rows: Iterable[Any]) -> set[str]:
    """Return the ids of the processes that hold some of these runs and are dead for certain."""
    holding = {row.process_id for row in rows if row.finished_us is None and row.process_id is not None}
    found = read_processes(connection) if holding else ()
    return {process.process_id for process in found if process.is_gone and process.process_id in holding}


def reports(connection: Connection) -> dict[str, str]:
    """Return why processes that are up cannot run jobs that were added, by the ids of the jobs."""
    columns = schema.processes.c
    small = [column for column in schema.processes.columns if column is not columns.cannot_run]
    with_report = select(*small).where(columns.cannot_run.is_not(None))
    known = judged(connection.execute(with_report).mappings(), ticks.now())
    up = {process.process_id: process for process in known if process.is_up}
    found: dict[str, str] = {}
    # Most processes have the same code, and say the same.
    query = select(func.min(columns.process_id).label("process_id"), columns.cannot_run)
    query = query.where(columns.cannot_run.is_not(None)).group_by(columns.cannot_run)
    ids = list(up)
    for begin in range(0, len(ids), _PIECE):
        some = columns.process_id.in_(ids[begin : begin + _PIECE])
        for row in connection.execute(query.where(some)):
            for job_id, why in _reported(row.cannot_run).items():
                name = up[row.process_id].name
                found.setdefault(job_id, f"{one_line(masked(why))} (as {name} says)")
    return found


def _reported(text: str) -> dict[str, str]:
    """Return what a process wrote down, as far as it is what `Registry.cannot_run` writes."""
    try:
        found = json.loads(text) if len(text) <= _LONGEST_REPORT else None
    except (ValueError, RecursionError):
        return {}
    said = found.items() if isinstance(found, dict) else ()
    return {job_id: why for job_id, why in said if isinstance(why, str)}


def find_processes(connection: Connection) -> Processes:
    """Return the processes in the ledger and, if none is up, when one last wrote something down."""
    found = Processes(read_processes(connection))
    return found if found.up else Processes(found.found, last_outcome(connection, ticks.now()))


def processes_in(ledger: Ledger) -> Processes:
    """Return the same of a ledger.

    Raises:
        LedgerError: the ledger cannot be read.
    """
    with connect(ledger) as connection:
        return find_processes(connection)


def someone_is_up(ledger: Ledger) -> bool:
    """Return whether a process is up that keeps the schedule."""
    with connect(ledger) as connection:
        return any(process.is_up for process in read_processes(connection))


def last_outcome(connection: Connection, before: int) -> int | None:
    """Return when a scheduler last wrote an outcome, of any job, before an instant (microseconds UTC)."""
    runs, attempts = schema.runs.c, schema.attempts.c
    # By the index of finished_us.
    query = select(runs.finished_us).where(runs.finished_us < before, wrote_by_scheduler())
    newest = connection.scalar(query.order_by(runs.finished_us.desc()).limit(1))
    # A run that was tried again has no end until that is over; those that wait are few.
    waiting = select(runs.run_id).where(text(WAITING))
    retried = select(func.max(attempts.finished_us)).where(attempts.run_id.in_(waiting))
    of_attempt = connection.scalar(retried.where(attempts.finished_us < before))
    return max((int(end) for end in (newest, of_attempt) if end is not None), default=None)


def wrote_by_scheduler() -> ColumnElement[bool]:
    """Return the condition that a scheduler wrote down the end of a run, or that ticks were skipped.

    People cancel, pause and resume from elsewhere, also while none is up: that shows no scheduler.
    """
    runs, audit = schema.runs.c, schema.audit.c
    reason = func.coalesce(runs.reason, "")
    # Noted down behind the ticks that a command accounts for, in its transaction.
    asked = exists().where(
        audit.at_us.between(runs.finished_us, runs.finished_us + ticks.SECOND),
        audit.job_id == runs.job_id,
        audit.action.in_(_ACCOUNTING),
    )
    return and_(runs.state != "cancelled", reason != "paused", not_(and_(reason == "outage", asked)))


def last_end(connection: Connection) -> int | None:
    """Return the newest end of any run, or of skipped ticks, of all processes, in microseconds UTC."""
    # By the index of finished_us, whose condition this is.
    ended = schema.runs.c.finished_us
    newest: int | None = connection.scalar(select(func.max(ended)).where(ended.is_not(None)))
    return newest
