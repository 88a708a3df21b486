"""The measured systems: the application of this project and its peers, as a user would start them."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from app_session import render
from benchmarks.environments import CACHE, environment, versions

from .processes import Command

PEERS = Path(__file__).parent / "peers"

OURS = "copier-scheduler"
PGQUEUER = "PgQueuer"
PGQUEUER_CRON = "PgQueuer, its cron"
CELERY = "Celery beat"
TASKIQ = "taskiq"

# The batch size of `pgq run` by default.
_BATCH = 10
_MAKE_TABLES = """
import sys
from everytick.store.database import Ledger
from everytick.store.opening import ledger_at
ledger_at(sys.argv[1]).prepare()
"""


@dataclass(frozen=True)
class Place:
    """Where a measurement takes place."""

    folder: Path
    database: str
    redis: str

    @property
    def environment(self) -> dict[str, str]:
        """The environment of every process."""
        return {
            "BENCH_LOAD": str(self.folder / "load.json"),
            "BENCH_RAN": str(self.folder / "ran"),
            "BENCH_DATABASE": self.database,
            "BENCH_REDIS": self.redis,
            "PYTHONPATH": str(PEERS),
        }


@dataclass(frozen=True)
class System:
    """A system in one arrangement of processes.

    store: `postgresql` or `redis`. preparing: what runs to its end before the others are started.
    """

    name: str
    arrangement: str
    store: str
    commands: Callable[[Place], list[Command]]
    preparing: Callable[[Place], list[Command]] = field(default=lambda _place: [])

    @property
    def title(self) -> str:
        """Its name and arrangement."""
        return f"{self.name}: {self.arrangement}"


class Programs:
    """The environment of each system; made when it is asked for first."""

    def __init__(self) -> None:
        self.application = CACHE / "cluster-application"
        self._pythons: dict[str, Path] = {}
        self.versions: dict[str, str] = {}

    def prepare(self, names: Sequence[str]) -> dict[str, str]:
        """Make the environments; return those that could not be made, with the reason."""
        missing = {}
        self._render()
        for name in names:
            requirements, shown = _REQUIREMENTS[name]
            if name == OURS:
                requirements = ["-e", str(self.application)]
            try:
                python = environment(f"cluster-{shown[0]}{self._digest(name)}", requirements)
            except Exception as problem:
                missing[name] = f"could not be installed ({type(problem).__name__})"
                continue
            self._pythons[name] = python
            self.versions |= versions(python, shown)
        return missing

    def python(self, name: str) -> str:
        """Return the Python of a system."""
        return str(self._pythons[name])

    def _digest(self, name: str) -> str:
        # An editable installation follows its code, but not what it requires.
        if name != OURS:
            return ""
        text = (self.application / "pyproject.toml").read_bytes()
        return "-" + hashlib.sha256(text).hexdigest()[:8]

    def _render(self) -> None:
        """Render the working tree, and write the schedule into it as a user would."""
        shutil.rmtree(self.application, ignore_errors=True)
        self.application.parent.mkdir(parents=True, exist_ok=True)
        render(self.application)
        shutil.copy(PEERS / "application_main.py", self.application / "app/components/scheduler/main.py")
        shutil.copy(PEERS / "application_work.py", self.application / "app/services/work.py")


_REQUIREMENTS: dict[str, tuple[list[str], list[str]]] = {
    OURS: ([], ["apscheduler", "psycopg"]),
    PGQUEUER: (["pgqueuer>=1.6,<2", "asyncpg"], ["pgqueuer", "asyncpg"]),
    CELERY: (["celery[redis]>=5.5"], ["celery"]),
    TASKIQ: (["taskiq", "taskiq-redis"], ["taskiq", "taskiq-redis"]),
}
INSTALLED = tuple(_REQUIREMENTS)


def ours(
    programs: Programs, roles: Sequence[str], workers: int | None = None, shards: Sequence[str] = ()
) -> System:
    """Our application: one process for each role, with `max_workers` if given, each on a shard if given."""

    def commands(place: Place) -> list[Command]:
        made = []
        for number, role in enumerate(roles):
            settings = {
                "SCHEDULER_DATABASE_URL": shards[number] if shards else place.database,
                "SCHEDULER_DASHBOARD": "false",
            }
            if workers:
                settings["SCHEDULER_MAX_WORKERS"] = str(workers)
            own = {**place.environment, **settings}
            del own["PYTHONPATH"]
            arguments = [programs.python(OURS), "-m", "app", "run", "--role", role]
            made.append(Command(role, arguments, "| zone ", own, programs.application))
        return made

    # One process alone makes the tables: that is not part of what is measured.
    def tables(place: Place) -> list[Command]:
        arguments = [programs.python(OURS), "-c", _MAKE_TABLES]
        urls = dict.fromkeys(shards or [place.database])
        return [Command("tables", [*arguments, url], "", {}, programs.application) for url in urls]

    return System(OURS, _arrangement(roles, workers), "postgresql", commands, tables)


def _arrangement(roles: Sequence[str], workers: int | None) -> str:
    number = {role: list(roles).count(role) for role in ("scheduler", "worker", "all")}
    parts = [
        f"{number[role]} {words if number[role] > 1 else word}"
        for role, word, words in (
            ("scheduler", "scheduler", "schedulers"),
            ("worker", "worker", "workers"),
            ("all", "process of both", "processes of both"),
        )
        if number[role]
    ]
    return " + ".join(parts) + (f", {workers} runs at once each" if workers else "")


def pgqueuer(programs: Programs, workers: int, batch: int | None = None) -> System:
    """PgQueuer alone: one process enqueues what is due, workers run it."""

    def commands(place: Place) -> list[Command]:
        run = [_pgqueuer(programs, place, "worker", batch) for _ in range(workers)]
        return [_pgqueuer(programs, place, "produce", batch), *run]

    told = f", batches of {batch}" if batch else ""
    arrangement = f"1 producer + {workers} worker{'s' if workers > 1 else ''}{told}"
    return System(PGQUEUER, arrangement, "postgresql", commands, lambda p: [_install(programs, p)])


def pgqueuer_cron(programs: Programs) -> System:
    """PgQueuer's own schedules: one process has them and runs them."""

    def commands(place: Place) -> list[Command]:
        return [_pgqueuer(programs, place, "cron", None)]

    return System(PGQUEUER_CRON, "1 process", "postgresql", commands, lambda p: [_install(programs, p)])


def _pgqueuer(programs: Programs, place: Place, what: str, batch: int | None) -> Command:
    program = [programs.python(PGQUEUER), str(PEERS / "pgqueuer_peer.py"), what, str(batch or _BATCH)]
    return Command(what, program, "ready", place.environment)


def _install(programs: Programs, place: Place) -> Command:
    arguments = [programs.python(PGQUEUER), "-m", "pgqueuer", "--pg-dsn", place.database, "install"]
    return Command("install", arguments, "")


def celery(programs: Programs, workers: int) -> System:
    """Celery: one beat, one worker with a number of processes."""

    def commands(place: Place) -> list[Command]:
        python, told = programs.python(CELERY), place.environment
        base = [python, "-m", "celery", "-A", "celery_peer"]
        beat = [*base, "beat", "-l", "info", "-s", str(place.folder / "beat")]
        work = [*base, "worker", "-l", "warning", "--concurrency", str(workers)]
        return [
            Command("worker", work, "", told),
            Command("beat", beat, "beat: Starting", {**told, "BENCH_BEAT": "1"}),
        ]

    return System(CELERY, f"1 beat + {workers} worker{'s' if workers > 1 else ''}", "redis", commands)


def taskiq(programs: Programs, workers: int) -> System:
    """taskiq: one scheduler, a number of workers."""

    def commands(place: Place) -> list[Command]:
        python, told = programs.python(TASKIQ), place.environment
        work = [python, "-m", "taskiq", "worker", "--workers", str(workers), "taskiq_peer:broker"]
        plan = [python, "-m", "taskiq", "scheduler", "taskiq_peer:scheduler"]
        return [
            Command("worker", work, "", told),
            Command("scheduler", plan, "Startup completed", {**told, "BENCH_BEAT": "1"}),
        ]

    return System(TASKIQ, f"1 scheduler + {workers} worker{'s' if workers > 1 else ''}", "redis", commands)
