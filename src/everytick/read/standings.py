"""How jobs stand, and in which orders they are listed: the same at the terminal, on pages and in the API."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

from everytick.model import ticks
from everytick.store.not_begun import NotBegun
from everytick.store.querying import Reader

from .endings import newest_endings
from .job_ids import natural
from .known_job import DueJob, jobs_due
from .late import Late, find_late, late_jobs, runs_not_begun
from .missed import Missed, find_missed
from .processes import Processes, find_processes, read_processes, reports
from .run_filter import FAILING
from .trouble_counts import LOOKED_AT, count_troubles
from .under_way import count_held

# How a job may stand that needs a look, what needs it most first; a job may stand in several ways.
# Missed: its newest tick did not run.
TROUBLES = ("cannot run", "failing", "late", "missed", "paused")
# Troubled: something went wrong within a day, more than an outage; it may be over.
STANDINGS = (*TROUBLES, "running", "troubled")
# state: by their troubles. next: by the next run, those without one last. Jobs that are alike in that, and
# all jobs by `id`, are in the order of their ids, `sync_2` before `sync_10`. Lists for people have the first
# one unless another is asked for.
ORDERS = ("state", "next", "id")

T = TypeVar("T")
Standings = Mapping[str, set[str]]


class Place(NamedTuple):
    """What a job's place in a list depends on. `next_run`: None if it has none, else what can be compared."""

    job_id: str
    next_run: Any


@dataclass(frozen=True)
class Present:
    """How the jobs stand at an instant, in microseconds UTC. `due`: all jobs in force.

    cannot_run: why processes that are up cannot run jobs. endings: `newest_endings`. not_begun: the runs
    that are due and have not begun.
    """

    now: int
    due: Sequence[DueJob]
    cannot_run: Mapping[str, str]
    endings: Mapping[str, Any]
    not_begun: Sequence[NotBegun]
    late: Sequence[Late]
    missed: Sequence[Missed]
    processes: Processes

    @property
    def failing(self) -> dict[str, Any]:
        """The newest runs of the jobs that fail, by the ids of the jobs."""
        return {job_id: row for job_id, row in self.endings.items() if row.state in FAILING}


def read_present(connection: Reader) -> Present:
    """Return how the jobs stand now. The cost is that of the jobs, however long the history is."""
    now, due, endings = ticks.now(), jobs_due(connection), newest_endings(connection)
    not_begun = runs_not_begun(connection, due, now)
    return Present(
        now,
        due,
        reports(connection),
        endings,
        not_begun,
        late_jobs(connection, due, not_begun, now),
        find_missed(connection, due, endings),
        find_processes(connection),
    )


def read_standings(connection: Reader, due: Sequence[DueJob]) -> dict[str, set[str]]:
    """Return, by each of STANDINGS, the ids of the jobs that stand so; `due`: all jobs in force."""
    endings, now = newest_endings(connection), ticks.now()
    held = count_held(connection).rows
    dead = {process.process_id for process in read_processes(connection) if process.is_gone}
    return {
        "cannot run": set(reports(connection)),
        "failing": {job_id for job_id, newest in endings.items() if newest.state in FAILING},
        "late": {late.job_id for late in find_late(connection, due, now)},
        "missed": {missed.job_id for missed in find_missed(connection, due)},
        "paused": {job.id for job in due if job.paused},
        "running": {row.job_id for row in held if row.state == "running" and row.process_id not in dead},
        "troubled": count_troubles(connection, now - ticks.DAY, most=LOOKED_AT).troubled,
    }


def in_order(jobs: Iterable[tuple[Place, T]], order: str, standings: Standings) -> list[T]:
    """Return jobs in one of ORDERS, with a minus before it the other way round.

    `standings` may be empty unless the order is `state`.
    """

    def key(job: tuple[Place, T]) -> Any:
        place, _job = job
        if order.removeprefix("-") == "state":
            ways = (number for number, name in enumerate(TROUBLES) if place.job_id in standings[name])
            return next(ways, len(TROUBLES))
        if order.removeprefix("-") == "next":
            return (place.next_run is None, 0 if place.next_run is None else place.next_run)
        return natural(place.job_id)

    by_id = sorted(jobs, key=lambda job: natural(job[0].job_id))
    return [job for _place, job in sorted(by_id, key=key, reverse=order.startswith("-"))]
