"""The measurements. Each starts what it measures, and leaves nothing behind."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from servers import Server

from .load import Lateness, Load, lateness, read_records, throughput
from .processes import Group, cpu_of_tree, run_all
from .servers import Database, commands, flush
from .systems import Place, System
from .watching import Seen, Watch

NOT_READY = "it was not ready in time"


@dataclass(frozen=True)
class Scene:
    """The servers. `redis_port` is None where there is no Redis."""

    server: Server
    redis_port: int | None

    @property
    def redis(self) -> str:
        """The address of the Redis."""
        return f"redis://127.0.0.1:{self.redis_port}/0"


@dataclass
class Result:
    """The result of one measurement; `failed` says why there is none.

    cpu: seconds of processor time of the processes, and of the server, for each run.
    """

    title: str
    failed: str | None = None
    jobs: int = 0
    runs: int = 0
    ready: float | None = None
    per_second: float = 0.0
    bursts: list[Lateness] = field(default_factory=list)
    statements: float | None = None
    commits: float | None = None
    commands: float | None = None
    cpu: float = 0.0
    cpu_server: float = 0.0
    seen: Seen = field(default_factory=Seen)

    def as_data(self) -> dict[str, Any]:
        """Return it as plain data."""
        return asdict(self)


@contextmanager
def placed(scene: Scene) -> Iterator[tuple[Place, Database]]:
    """Give a folder and a database that go with the measurement, and an empty Redis."""
    folder = Path(tempfile.mkdtemp(prefix="bench-cluster-"))
    database = Database(scene.server)
    if scene.redis_port is not None:
        flush(scene.redis_port)
    try:
        yield Place(folder, database.url, scene.redis), database
    finally:
        database.drop()
        shutil.rmtree(folder, ignore_errors=True)


def measure_bursts(
    scene: Scene,
    system: System,
    bursts: tuple[tuple[float, int], ...],
    lead: float,
    length: float,
    copies: int = 1,
) -> Result:
    """Let ever more jobs be due at one instant; the last burst is more than can be done at once.

    lead: seconds that the processes have to be ready. length: seconds that the last burst is watched.
    """
    with placed(scene) as (place, database):
        try:
            run_all(system.preparing(place))
        except Exception as problem:
            return Result(system.title, failed=str(problem))
        load = Load(float(int(time.time() + lead) + 1), bursts, copies=copies)
        load.write(place.folder / "load.json")
        group = Group(system.commands(place), place.folder)
        try:
            return _watch_bursts(scene, system, load, length, group, place, database)
        finally:
            group.end()


def _watch_bursts(
    scene: Scene, system: System, load: Load, length: float, group: Group, place: Place, database: Database
) -> Result:
    ready = group.wait_until_ready(max(0.0, load.begin - 0.5 - group.began))
    if ready is None:
        return Result(system.title, failed=group.trouble() or NOT_READY, jobs=load.jobs)
    sleep_until(load.begin - 0.3)
    before, asked = database.counters(), _commands(scene, system)
    used, served = group.cpu(), _server_cpu(scene)
    last = load.begin + load.bursts[-1][0]
    with Watch(scene.server, database.name) as watch:
        wait_for_all(place.folder, load, last + length)
    # The server's counters of a session come up to date about once a second.
    time.sleep(1.0)
    after, found = database.counters(), read_records(place.folder)
    result = Result(system.title, group.trouble(), load.jobs, len(found), ready, seen=watch.seen)
    result.per_second = throughput(found, load, length)
    result.bursts = [lateness(found, load, number) for number in range(len(load.bursts))]
    runs = max(1, len(found))
    result.cpu, result.cpu_server = (group.cpu() - used) / runs, (_server_cpu(scene) - served) / runs
    if system.store == "postgresql":
        result.statements = (after.statements - before.statements) / runs
        result.commits = (after.commits - before.commits) / runs
    else:
        result.commands = (_commands(scene, system) - asked) / runs
    return result


def measure_steady(
    scene: Scene, system: System, jobs: int, lead: float, seconds: int, *, settle: int = 3
) -> Result:
    """Let as many jobs be due each second, and watch some seconds of that, after some more to settle.

    lead: seconds that the processes have to be ready.
    """
    with placed(scene) as (place, database):
        run_all(system.preparing(place))
        load = Load(float(int(time.time() + lead) + 1), (), each_second=jobs)
        load.write(place.folder / "load.json")
        group = Group(system.commands(place), place.folder)
        try:
            ready = group.wait_until_ready(max(0.0, load.begin - 0.5 - group.began))
            if ready is None:
                return Result(system.title, failed=group.trouble() or NOT_READY, jobs=jobs)
            # Between two instants at which jobs are due.
            first, last = load.begin + settle, load.begin + settle + seconds
            sleep_until(first - 0.4)
            before, used, served = database.counters(), group.cpu(), _server_cpu(scene)
            with Watch(scene.server, database.name) as watch:
                sleep_until(last - 0.4)
            after, used, served = database.counters(), group.cpu() - used, _server_cpu(scene) - served
            time.sleep(1.0)
            found = [record for record in read_records(place.folder) if first - 0.1 < record[0] < last - 0.1]
            runs = max(1, len(found))
            result = Result(system.title, group.trouble(), jobs, len(found), ready, len(found) / seconds)
            result.seen = watch.seen
            result.bursts = [Lateness.of(found, jobs * seconds)]
            result.cpu, result.cpu_server = used / runs, served / runs
            result.statements = (after.statements - before.statements) / runs
            result.commits = (after.commits - before.commits) / runs
            return result
        finally:
            group.end()


def measure_jobs(
    scene: Scene, system: System, jobs: int, due: int, limit: float, *, twice: bool
) -> list[Result]:
    """Start with many jobs, of which `due` are due each second; with `twice` once more on what is there.

    Ready is who has run something. A second start finds all jobs in the database.
    """
    with placed(scene) as (place, _database):
        try:
            run_all(system.preparing(place))
        except Exception as problem:
            return [Result(system.title, failed=str(problem))]
        first = _start_with_jobs(scene, system, jobs, due, limit, place)
        if first.failed or not twice:
            return [first]
        for file in place.folder.glob("ran-*"):
            file.unlink()
        return [first, _start_with_jobs(scene, system, jobs, due, limit, place)]


def _start_with_jobs(scene: Scene, system: System, jobs: int, due: int, limit: float, place: Place) -> Result:
    seconds = min(int(limit), jobs // due)
    begin = float(int(time.time()) + 2)
    load = Load(begin, tuple((float(at), due) for at in range(seconds)), jobs - seconds * due)
    load.write(place.folder / "load.json")
    group = Group(system.commands(place), place.folder)
    result = Result(system.title, jobs=jobs)
    try:
        while not read_records(place.folder):
            if time.time() > begin + limit or group.trouble():
                result.failed = group.trouble() or f"nothing had run after {limit:g} s"
                return result
            time.sleep(0.1)
        result.ready = read_records(place.folder)[0][1] - group.began
        # Runs that were due before are late by the start, not by the number of jobs.
        since = int(time.time()) + 2
        until = min(since + 4, int(begin) + seconds)
        sleep_until(until + 2)
        found = [record for record in read_records(place.folder) if since <= record[0] < until]
        result.runs, result.cpu = len(found), group.cpu()
        if until > since:
            result.bursts = [Lateness.of(found, (until - since) * due)]
    finally:
        group.end()
    return result


@dataclass(frozen=True)
class Idle:
    """The cost of a process each second while nothing is due."""

    title: str
    processes: int
    statements: float
    commits: float
    connections: int
    cpu: float
    cpu_server: float


def measure_idle(scene: Scene, system: System, processes: int, jobs: int, seconds: float) -> Idle:
    """Let a system do nothing for a while. Raises RuntimeError when it does not start."""
    with placed(scene) as (place, database):
        run_all(system.preparing(place))
        Load(float(int(time.time())), (), jobs).write(place.folder / "load.json")
        group = Group(system.commands(place), place.folder)
        try:
            if group.wait_until_ready(30.0) is None:
                raise RuntimeError(f"{system.title}: {group.trouble() or 'not ready in 30 s'}")
            # The start itself is over, and counted.
            time.sleep(3.0)
            before, used, served = database.counters(), group.cpu(), _server_cpu(scene)
            began = time.monotonic()
            time.sleep(seconds)
            after, lasted = database.counters(), time.monotonic() - began
            return Idle(
                system.title,
                processes,
                (after.statements - before.statements) / lasted / processes,
                (after.commits - before.commits) / lasted / processes,
                database.connections(),
                (group.cpu() - used) / lasted / processes,
                (_server_cpu(scene) - served) / lasted / processes,
            )
        finally:
            group.end()


def sleep_until(instant: float) -> None:
    """Sleep until an instant, in seconds since 1970 UTC."""
    time.sleep(max(0.0, instant - time.time()))


def wait_for_all(folder: Path, load: Load, give_up: float) -> None:
    """Wait until all jobs of a load have run, or until an instant."""
    sleep_until(load.begin + load.bursts[-1][0])
    while time.time() < give_up:
        # By size, which costs less than reading: no line is shorter than two instants.
        written = sum(file.stat().st_size for file in folder.glob("ran-*"))
        if written >= load.jobs * 24 and len(read_records(folder)) >= load.jobs:
            return
        time.sleep(0.1)


def _commands(scene: Scene, system: System) -> int:
    return commands(scene.redis_port) if system.store == "redis" and scene.redis_port else 0


def _server_cpu(scene: Scene) -> float:
    """Return what the server's processes have used, those that ended included."""
    if not os.path.isdir("/proc"):
        return 0.0
    pid = int((scene.server.folder / "data/postmaster.pid").read_text().splitlines()[0])
    return cpu_of_tree(pid)
