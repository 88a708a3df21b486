"""The processes that keep the schedule: which are up, which are stuck, and which are gone.

One rule for commands, pages, API, `why`, `doctor` and `health`. A process is *gone* when
it is provably dead (of this host, and its pid is not there), *silent* when it has sent no heartbeat for
longer than a lease, and *stuck* when its event loop had not answered for a lease at its last heartbeat.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import Any

from everytick.masking import masked
from everytick.model import ticks
from everytick.model.group_limits import NO_LIMITS, GroupLimits
from everytick.model.job_filter import ALL_JOBS, JobFilter
from everytick.model.roles import Role
from everytick.store import workers
from everytick.store.database import Ledger
from everytick.store.querying import Reader, among, connect
from everytick.store.records import Identity
from everytick.text.instants import at
from everytick.text.wording import one_line

from .run_filter import WAITING

# Of how many processes the reports are read at once, and the longest report: a longer one is only there if
# somebody wrote it.
_PIECE, _LONGEST_REPORT = 200, 200_000
# In microseconds.
LEASE = int(workers.LEASE_SECONDS * ticks.SECOND)

_PROCESSES = """
SELECT process_id, host, pid, role, queues, started_us, beat_us, pass_us, job_filter, group_limits
FROM scheduler_processes
"""
# Most processes have the same code, and say the same.
_REPORTS = """
SELECT min(process_id) AS process_id, cannot_run FROM scheduler_processes
WHERE cannot_run IS NOT NULL AND {} GROUP BY cannot_run
"""
_REPORT_OF_EACH = """
SELECT process_id, cannot_run FROM scheduler_processes WHERE cannot_run IS NOT NULL AND {}
"""
# Of the end of a run: a scheduler wrote it down, or that ticks were skipped. People cancel, pause and resume
# from elsewhere, also while none is up: that shows no scheduler. What they account for is noted down behind
# the ticks, in the same transaction.
WROTE_BY_SCHEDULER = f"""
state <> 'cancelled' AND COALESCE(reason, '') <> 'paused'
AND NOT (COALESCE(reason, '') = 'outage' AND EXISTS (
    SELECT 1 FROM scheduler_audit AS asked
    WHERE asked.at_us BETWEEN runs.finished_us AND runs.finished_us + {ticks.SECOND}
      AND asked.job_id = runs.job_id AND asked.action IN ('pause', 'resume', 'remove', 'change')))
"""
# By the index of finished_us.
_LAST_OUTCOME = f"""
SELECT finished_us FROM scheduler_runs AS runs WHERE finished_us < :before AND {WROTE_BY_SCHEDULER}
ORDER BY finished_us DESC LIMIT 1
"""
# A run that was tried again has no end until that is over; those that wait are few.
_LAST_ATTEMPT = f"""
SELECT max(finished_us) FROM scheduler_attempts
WHERE run_id IN (SELECT run_id FROM scheduler_runs WHERE {WAITING}) AND finished_us < :before
"""
_LAST_END = (
    "SELECT max(ended_us) FROM scheduler_past_processes WHERE ended_us < :now AND has_died = :has_died"
)


@dataclass(frozen=True)
class Process:
    """A process as the ledger knows it at an instant. Instants are microseconds UTC, lengths microseconds.

    host: what tells apart its machine's boots and containers too; `machine` is for people.
    answered: when its event loop was last seen to answer; None if that was never looked at.
    job_filter: the jobs that it is set to run. group_limits: the limits of groups that it goes by.
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
    group_limits: GroupLimits = NO_LIMITS

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

    last_outcome, last_stop: when a scheduler last wrote down an outcome, and when one last stopped in order;
    only looked for if none is up.
    last_death: the last heartbeat of the last one that is known to have died.
    """

    found: tuple[Process, ...]
    last_outcome: int | None = None
    last_stop: int | None = None
    last_death: int | None = None

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
    def last_trace(self) -> int | None:
        """When one last stopped, showed a heartbeat, or wrote down an outcome."""
        return max(filter(None, [self.last_outcome, self.last_stop, *self._beats]), default=None)

    @property
    def is_last_an_end(self) -> bool:
        """Whether none was up since the last trace: a stop or a heartbeat shows that, an outcome does not."""
        return self.last_trace == self.last_stop or self.last_trace in self._beats

    @property
    def _beats(self) -> list[int]:
        beats = [process.beat for process in self.found]
        return beats if self.last_death is None else [*beats, self.last_death]

    def nobody_up(self, zone: tzinfo) -> str:
        """Return the clause that no scheduler is up, and since when, as far as the ledger shows it."""
        last = self.last_trace
        if last is None:
            return "no scheduler is up"
        if last == self.last_stop:
            return f"no scheduler is up since {at(last, zone)}, when it was stopped"
        if last in self._beats:
            return f"no scheduler is up since {at(last, zone)}, its last heartbeat"
        return f"no scheduler is up: its last trace is of {at(last, zone)}"


def read_processes(connection: Reader, now: int | None = None) -> tuple[Process, ...]:
    """Return the processes in the ledger, also dead ones that are not reaped yet.

    `now`: the instant at which they are judged, in microseconds UTC; by default the present.
    """
    return _read(connection, _PROCESSES, ticks.now() if now is None else now)


def _read(connection: Reader, query: str, now: int) -> tuple[Process, ...]:
    return judged((dict(zip(row._fields, row, strict=True)) for row in connection.rows(query)), now)


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
            GroupLimits.of(row["group_limits"]),
        )
        for row in rows
    ]
    return tuple(sorted(found, key=lambda process: -process.beat))


def died(connection: Reader, rows: Iterable[Any]) -> set[str]:
    """Return the ids of the processes that hold some of these runs and are dead for certain."""
    holding = {row.process_id for row in rows if row.finished_us is None and row.process_id is not None}
    found = read_processes(connection) if holding else ()
    return {process.process_id for process in found if process.is_gone and process.process_id in holding}


def reports(connection: Reader) -> dict[str, str]:
    """Return why processes that are up cannot run jobs that were added, by the ids of the jobs."""
    known = _read(connection, f"{_PROCESSES} WHERE cannot_run IS NOT NULL", ticks.now())
    up = {process.process_id: process for process in known if process.is_up}
    found: dict[str, str] = {}
    ids = list(up)
    for begin in range(0, len(ids), _PIECE):
        some = among("process_id", ids[begin : begin + _PIECE], "process")
        for row in connection.rows(_REPORTS.format(some.text), some.values):
            for job_id, why in _reported(row.cannot_run).items():
                found.setdefault(job_id, _as_said(why, up[row.process_id]))
    return found


def reports_on(connection: Reader, job_id: str, processes: Sequence[Process]) -> list[str]:
    """Return why those of some processes cannot run a job that was added which say so."""
    found = []
    names = {process.process_id: process for process in processes}
    for begin in range(0, len(names), _PIECE):
        some = among("process_id", list(names)[begin : begin + _PIECE], "process")
        for row in connection.rows(_REPORT_OF_EACH.format(some.text), some.values):
            why = _reported(row.cannot_run).get(job_id)
            found += [] if why is None else [_as_said(why, names[row.process_id])]
    return found


def _as_said(why: str, process: Process) -> str:
    return f"{one_line(masked(why))} (as {process.name} says)"


def _reported(text: str) -> dict[str, str]:
    """Return what a process wrote down, as far as it is what `Registry.cannot_run` writes."""
    try:
        found = json.loads(text) if len(text) <= _LONGEST_REPORT else None
    except (ValueError, RecursionError):
        return {}
    said = found.items() if isinstance(found, dict) else ()
    return {job_id: why for job_id, why in said if isinstance(why, str)}


def find_processes(connection: Reader) -> Processes:
    """Return the processes in the ledger and, if none is up, when one was last there."""
    found = read_processes(connection)
    return Processes(found) if Processes(found).up else with_traces(connection, found, ticks.now())


def with_traces(connection: Reader, found: tuple[Process, ...], now: int) -> Processes:
    """Return these processes, with when those that are gone were last there before an instant."""
    stop, death = (connection.value(_LAST_END, {"now": now, "has_died": died}) for died in (0, 1))
    return Processes(found, last_outcome(connection, now), stop, death)


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


def last_outcome(connection: Reader, before: int) -> int | None:
    """Return when a scheduler last wrote an outcome, of any job, before an instant (microseconds UTC)."""
    ends = (connection.value(query, {"before": before}) for query in (_LAST_OUTCOME, _LAST_ATTEMPT))
    return max((int(end) for end in ends if end is not None), default=None)


def last_end(connection: Reader) -> int | None:
    """Return the newest end of any run, or of skipped ticks, of all processes, in microseconds UTC."""
    # By the index of finished_us, whose condition this is.
    newest: int | None = connection.value(
        "SELECT max(finished_us) FROM scheduler_runs WHERE finished_us IS NOT NULL"
    )
    return newest
