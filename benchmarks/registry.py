"""The list of the compared schedulers: which packages each needs, and how its program is started."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import application
from benchmarks.environments import environment
from benchmarks.running import PEERS, Running, started
from benchmarks.servers import Servers

_APSCHEDULER = ("apscheduler>=3.11,<4",)
_SQL = (*_APSCHEDULER, "sqlalchemy>=2", "psycopg[binary]>=3.3")


@dataclass(frozen=True)
class Peer:
    """One scheduler with one place for its jobs.

    guess: runs per second from which its highest number is looked for. adding: seconds that a job costs
    before the schedule is ready. place: where it keeps things: nothing, `sqlite`, `postgres` or `redis`.
    """

    key: str
    title: str
    requirements: tuple[str, ...]
    program: tuple[str, ...]
    guess: int
    adding: float
    place: str = ""
    lead: float = 1.5
    shown: tuple[str, ...] = ()
    # Whether its jobs can be spread over the second at all.
    spreads: bool = True
    # A remark on how it was measured.
    note: str = ""

    @property
    def ours(self) -> bool:
        """Whether it is an application of this template."""
        return self.key.startswith("ours")


OURS = Peer("ours", "this template, SQLite", (), ("-m", "app", "run"), 20_000, 0.0004, "sqlite")
OURS_POSTGRES = Peer(
    "ours-postgres", "this template, PostgreSQL", (), ("-m", "app", "run"), 15_000, 0.0006, "postgres"
)
BARE = Peer("bare", "bare asyncio (the limit)", (), ("bare_asyncio.py",), 60_000, 0.00001)
MEMORY = Peer(
    "apscheduler", "APScheduler 3.11, memory", _APSCHEDULER, ("apscheduler3.py",), 15_000, 0.0001,
    shown=("apscheduler",),
)  # fmt: skip
SQLITE = Peer(
    "apscheduler-sqlite", "APScheduler 3.11, SQLite", _SQL, ("apscheduler3.py",), 500, 0.003,
    "sqlite", shown=("apscheduler", "sqlalchemy"),
)  # fmt: skip
POSTGRES = Peer(
    "apscheduler-postgres", "APScheduler 3.11, PostgreSQL", _SQL, ("apscheduler3.py",), 450, 0.003,
    "postgres", shown=("apscheduler", "sqlalchemy", "psycopg"),
)  # fmt: skip
FOUR = Peer(
    "apscheduler4", "APScheduler 4 alpha, memory", ("apscheduler==4.0.0a6",), ("apscheduler4.py",),
    2500, 0.002, shown=("apscheduler",),
)  # fmt: skip
CELERY = Peer(
    "celery", "Celery beat and worker, Redis", ("celery[redis]>=5.5",),
    ("several.py", "celery -A celery_app worker", "celery -A celery_app beat -s beat-schedule"), 150, 0.002,
    "redis", 5.0, ("celery",),
)  # fmt: skip
TASKIQ = Peer(
    "taskiq", "taskiq, Redis", ("taskiq>=0.12", "taskiq-redis>=1"),
    ("several.py", "taskiq worker taskiq_app:broker", "taskiq scheduler taskiq_app:scheduler"), 900, 0.0005,
    "redis", 4.0, ("taskiq", "taskiq-redis"), spreads=False,
)  # fmt: skip
ARQ = Peer(
    "arq", "arq, Redis", ("arq>=0.26",), ("several.py", "arq arq_app.WorkerSettings"), 600, 0.0005,
    "redis", 2.0, ("arq",), note="looks for work twice a second",
)  # fmt: skip
HUEY = Peer(
    "huey", "huey, Redis", ("huey>=3", "redis"), ("huey_peer.py",), 600, 0.0015,
    "redis", 2.0, ("huey",), note="tasks with an ETA, since its periodic tasks know only minutes",
)  # fmt: skip
PROCRASTINATE = Peer(
    "procrastinate", "procrastinate, PostgreSQL", ("procrastinate>=3",), ("procrastinate_app.py",), 60, 0.002,
    "postgres", 3.0, ("procrastinate",), spreads=False,
)  # fmt: skip
ALL = (
    OURS, OURS_POSTGRES, BARE, MEMORY, SQLITE, POSTGRES, FOUR, CELERY, TASKIQ, ARQ, HUEY, PROCRASTINATE,
)  # fmt: skip
PEERS_BY_KEY = {peer.key: peer for peer in ALL}


class Field:
    """The peers on this machine: their environments and servers."""

    def __init__(self, servers: Servers) -> None:
        self._servers = servers
        self._pythons: dict[str, Path] = {}

    def python(self, peer: Peer) -> Path:
        """Return the Python of a peer's environment, made when first asked for."""
        if peer.key not in self._pythons:
            own = environment(peer.key, peer.requirements) if not peer.ours else application.python()
            self._pythons[peer.key] = own
        return self._pythons[peer.key]

    @contextmanager
    def place(self, kind: str) -> Iterator[str]:
        """Give an empty place on a server, for as long as the block lasts."""
        found = self._servers.fresh(kind)
        try:
            yield found
        finally:
            self._servers.forget(found)

    @contextmanager
    def running(
        self,
        peer: Peer,
        work: Mapping[str, Any],
        url: str | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> Iterator[Running]:
        """Start a peer with some work, in a place of its own unless one is given."""
        own = url is None and peer.place in ("postgres", "redis")
        place = self._servers.fresh(peer.place) if own else url
        try:
            with _started(self.python(peer), peer, work, place, settings or {}) as running:
                yield running
        finally:
            if own and place is not None:
                self._servers.forget(place)


@contextmanager
def _started(
    python: Path, peer: Peer, work: Mapping[str, Any], url: str | None, settings: Mapping[str, str]
) -> Iterator[Running]:
    if peer.ours:
        # Everything as shipped but where the ledger is, and a free port.
        variables = {"SCHEDULER_DASHBOARD_PORT": "0", **settings}
        command, where = [str(python), "-m", "app", "run"], application.FOLDER / "project"
    else:
        variables = dict(settings)
        command, where = [str(python), str(PEERS / peer.program[0]), *peer.program[1:]], None
    with started(command, work, variables, where=where, place=url or peer.place) as running:
        yield running
