"""Whether the schedule is kept: the processes, what they hold, and how quickly the ledger answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from everytick.errors import LedgerError, NotFoundError
from everytick.model import ticks
from everytick.read.processes import Process, Processes, find_processes
from everytick.read.under_way import count_held
from everytick.store.database import Ledger
from everytick.store.querying import Reader, connect_checked
from everytick.system import system
from everytick.text.instants import iso

from . import schemas
from .problems import UNAVAILABLE, Problem


@dataclass(frozen=True)
class ScheduleState:
    """Who keeps the schedule, as the head of each page says it.

    held: how many runs each process holds. latency: seconds that the ledger took to answer.
    """

    processes: Processes
    held: Mapping[str, int]
    latency: float

    @property
    def dead(self) -> set[str]:
        """The ids of the processes that are dead for certain, and still in the ledger."""
        return {process.process_id for process in self.processes.found if process.is_gone}


@contextmanager
def reading(ledger: Ledger) -> Iterator[Reader]:
    """Give a connection that only reads.

    Raises:
        Problem: there is no ledger yet, it does not answer, or it lacks the job or run that is asked for.
    """
    try:
        with connect_checked(ledger) as connection:
            yield connection
    except NotFoundError as problem:
        raise Problem(404, str(problem)) from None
    except LedgerError as problem:
        raise Problem(UNAVAILABLE, str(problem)) from None


def schedule_state(connection: Reader) -> ScheduleState:
    """Return who keeps the schedule, and how long the ledger took to say so."""
    began = system.monotonic()
    processes = find_processes(connection)
    latency = system.monotonic() - began
    return ScheduleState(processes, count_held(connection).by_process() if processes.found else {}, latency)


def shown(found: ScheduleState) -> schemas.Processes:
    """Return the processes as the API shows them."""
    return schemas.Processes(
        state=found.processes.state,
        last_trace_at=iso(found.processes.last_trace),
        ledger_seconds=found.latency,
        processes=[_process(process, found.held) for process in found.processes.found],
    )


def _process(process: Process, held: Mapping[str, int]) -> schemas.Process:
    return schemas.Process(
        process_id=process.process_id,
        host=process.machine,
        pid=process.pid,
        started_at=iso(process.started),
        last_heartbeat_at=iso(process.beat),
        last_pass_at=iso(process.answered),
        alive=process.is_up,
        stalled=process.is_stuck,
        lease_seconds_left=process.lease_left / ticks.SECOND,
        runs_held=held.get(process.process_id, 0),
    )
