"""Measure many processes on one database, beside others: `python -m benchmarks.cluster`.

Writes the figures as JSON, and from them the tables and the picture of the documentation.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.environments import ROOT

from . import systems
from .document import write_document
from .limits import measure_limits
from .machine import machine
from .measures import (
    NOT_READY,
    Result,
    Scene,
    measure_bursts,
    measure_idle,
    measure_jobs,
    measure_steady,
)
from .servers import Database, postgres, redis
from .systems import Programs, System

FIGURES = ROOT / "build/benchmarks/cluster.json"
PAGE = ROOT / "docs/explanation/a-thousand-machines.md"
PICTURE = ROOT / "docs/images/a-thousand-machines.svg"

# Seconds after the beginning, and how many jobs are due then. The last is more than most can do at once.
BURSTS = ((0.0, 10), (1.0, 100), (2.0, 1_000), (5.0, 5_000))
QUICK_BURSTS = ((0.0, 10), (1.0, 100), (2.0, 1_000))
# How long a start takes, and how much longer for each process, on two cores.
_LEAD, _LEAD_EACH = 5.0, 1.8
# What is measured, in this order.
PARTS = ("throughput", "steady", "shards", "jobs", "idle", "limits")
# So long a start with many jobs may take.
_PATIENCE = 75.0


class Run:
    """One run of the benchmark. `figures` is what it found."""

    def __init__(self, programs: Programs, scene: Scene, missing: dict[str, str], quick: bool) -> None:
        self._programs, self._scene, self._missing, self._quick = programs, scene, missing, quick
        self._bursts = QUICK_BURSTS if quick else BURSTS
        self.figures: dict[str, Any] = {"quick": quick, "missing": missing, "machine": machine()}

    def in_turn(self, parts: Sequence[str]) -> None:
        """Measure these of `PARTS`."""
        for name in parts:
            getattr(self, f"_{name}")()

    def _limits(self) -> None:
        limits = measure_limits(self._scene.server, self._programs, (10, 100, 1_000), 1 if self._quick else 3)
        self.figures["limits"] = asdict(limits)

    def _throughput(self) -> None:
        found: dict[str, Any] = {}
        self.figures["throughput"] = found
        for turn in range(1 if self._quick else 3):
            for system, processes in self._arrangements(again=turn > 0):
                result = self._measure(system, processes)
                found.setdefault(system.title, []).append(result.as_data())

    def _arrangements(self, *, again: bool) -> list[tuple[System, int]]:
        made = self._programs
        own = [["all"], ["scheduler", "worker"]]
        if not self._quick:
            own += [["all"] * 2, ["all"] * 3, ["scheduler", *["worker"] * 2], ["scheduler", *["worker"] * 4]]
        if again:
            own = own[:1] + own[4:]
        chosen = [(systems.ours(made, roles), len(roles)) for roles in own]
        if not self._quick and not again:
            chosen.append((systems.ours(made, ["all"], 100), 1))
        numbers = (1,) if self._quick else (2,) if again else (1, 2, 4)
        chosen += [(systems.pgqueuer(made, workers), workers) for workers in numbers]
        if not self._quick:
            chosen.append((systems.pgqueuer(made, 2, 100), 2))
        if not again:
            chosen += self._peers_with_a_scheduler((1,) if self._quick else (1, 2))
        return [pair for pair in chosen if not self._is_missing(pair[0])]

    def _peers_with_a_scheduler(self, workers: tuple[int, ...]) -> list[tuple[System, int]]:
        made = self._programs
        chosen = [] if self._quick else [(systems.pgqueuer_cron(made), 1)]
        for number in workers:
            chosen += [(systems.celery(made, number), 2), (systems.taskiq(made, number), 2)]
        return chosen

    def _measure(self, system: System, processes: int, copies: int = 1) -> Result:
        lead = _LEAD + _LEAD_EACH * processes
        result = measure_bursts(self._scene, system, self._bursts, lead, 5.0, copies)
        if result.failed == NOT_READY:
            result = measure_bursts(self._scene, system, self._bursts, 2 * lead, 5.0, copies)
        told = result.failed or f"{result.per_second:,.0f} runs/s"
        say(f"{system.title}: {told}")
        return result

    def _steady(self) -> None:
        """What a run costs where as many are due each second, and more processes share them."""
        found = self.figures["steady"] = {}
        for jobs, numbers in ((1_000, (1, 4)),) if self._quick else ((1_000, (1, 2, 4, 8)), (4_000, (1, 4))):
            for _turn in range(1 if self._quick else 3):
                for processes in numbers:
                    system = systems.ours(self._programs, ["all"] * processes)
                    lead = _LEAD + _LEAD_EACH * processes + jobs / 1_000
                    result = measure_steady(self._scene, system, jobs, lead, 6 if self._quick else 10)
                    found.setdefault(jobs, {}).setdefault(processes, []).append(result.as_data())
                    say(f"{jobs:,} jobs a second, {processes} processes: {_told(result)}")

    def _shards(self) -> None:
        found = self.figures["shards"] = {}
        number = 2
        databases = [Database(self._scene.server) for _ in range(number)]
        try:
            urls = {
                "one ledger": [databases[0].schema("together")] * number,
                "a schema each": [databases[0].schema(f"shard_{i}") for i in range(number)],
                "a database each": [database.schema("shard") for database in databases],
            }
            if self._quick:
                del urls["one ledger"], urls["a database each"]
            for words, shards in urls.items():
                copies = len(set(shards))
                system = systems.ours(self._programs, ["all"] * number, shards=shards)
                found[words] = self._measure(system, number, copies).as_data()
        finally:
            for database in databases:
                database.drop()

    def _jobs(self) -> None:
        found = self.figures["jobs"] = {}
        made = self._programs
        chosen = [systems.ours(made, ["all"])]
        if not self._quick:
            chosen += [systems.pgqueuer_cron(made), systems.celery(made, 1), systems.taskiq(made, 1)]
        for jobs in (1_000,) if self._quick else (100, 1_000, 10_000, 100_000):
            for system in chosen if jobs > 100 else chosen[:1]:
                if not self._is_missing(system):
                    twice = system.store == "postgresql" and jobs >= 10_000
                    results = measure_jobs(self._scene, system, jobs, 10, _PATIENCE, twice=twice)
                    told = results[0].failed or f"{results[0].ready:.1f} s to the first run"
                    say(f"{system.title}, {jobs:,} jobs: {told}")
                    data = [result.as_data() for result in results]
                    found.setdefault(system.title, {})[jobs] = data

    def _idle(self) -> None:
        made, seconds = self._programs, 4.0 if self._quick else 10.0
        roles = ("all",) if self._quick else ("all", "scheduler", "worker")
        chosen = [(systems.ours(made, [role]), 1) for role in roles]
        if not self._quick:
            chosen.append((systems.ours(made, ["all"] * 6), 6))
            chosen.append((systems.pgqueuer_cron(made), 1))
        found = self.figures["idle"] = []
        for system, processes in chosen:
            if not self._is_missing(system):
                found.append(asdict(measure_idle(self._scene, system, processes, 100, seconds)))
                say(f"{system.title}, idle: {found[-1]['statements']:.1f} statements/s each")

    def _is_missing(self, system: System) -> bool:
        name = systems.PGQUEUER if system.name == systems.PGQUEUER_CRON else system.name
        return name in self._missing or (system.store == "redis" and self._scene.redis_port is None)


def _told(result: Result) -> str:
    if result.failed:
        return result.failed
    cpu, served = result.cpu * 1e6, result.cpu_server * 1e6
    late = result.bursts[0].p99 * 1000
    return f"{cpu:.0f} µs for a run, {served:.0f} of the server, p99 {late:.0f} ms, {result.runs:,} runs"


def say(text: str) -> None:
    """Print at once."""
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


def main() -> int:
    """Measure, write the figures, and the document from them."""
    # A stop writes the results found until then, and leaves no server behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small, in two minutes; writes no page")
    parser.add_argument("--write", action="store_true", help="only write the document, from the last figures")
    parser.add_argument("--only", nargs="+", choices=systems.INSTALLED, help="leave out all other systems")
    parser.add_argument(
        "--parts",
        nargs="+",
        choices=PARTS,
        default=PARTS,
        help="only these, beside the last figures",
    )
    parser.add_argument("--note", default="", help="what to say of this run in the page")
    parser.add_argument("--figures", type=Path, default=FIGURES, help="where the figures are kept")
    arguments = parser.parse_args()
    if not arguments.write:
        names = arguments.only or systems.INSTALLED
        measure(arguments.figures, names, arguments.parts, quick=arguments.quick)
    if not arguments.quick:
        found = json.loads(arguments.figures.read_text(encoding="utf-8"))
        write_document({**found, "note": arguments.note or found.get("note", "")}, PAGE, PICTURE)
        say(f"written: {PAGE.relative_to(ROOT)}, {PICTURE.relative_to(ROOT)}")
    return 0


def measure(figures: Path, names: Sequence[str], parts: Sequence[str], *, quick: bool) -> None:
    """Measure these parts and keep the figures beside the former ones; also of a run that is broken off."""
    programs = Programs()
    say("making the environments")
    missing = programs.prepare(names)
    missing |= {name: "not asked for" for name in systems.INSTALLED if name not in names}
    for name, reason in missing.items():
        say(f"LEFT OUT: {name}, {reason}")
    with postgres() as server, redis() as address:
        if address is None:
            say("LEFT OUT: Celery and taskiq, since there is no redis-server on this machine")
        port = None if address is None else int(address.rpartition(":")[2].partition("/")[0])
        run = Run(programs, Scene(server, port), missing, quick)
        run.figures["machine"] |= programs.versions | {
            "PostgreSQL": server.execute("SHOW server_version")[0][0]
        }
        if set(parts) < set(PARTS):
            run.figures = {**json.loads(figures.read_text(encoding="utf-8")), **run.figures}
        try:
            run.in_turn(parts)
        finally:
            figures.parent.mkdir(parents=True, exist_ok=True)
            figures.write_text(json.dumps(run.figures, indent=1), encoding="utf-8")
            say(f"kept: {figures}")


if __name__ == "__main__":
    sys.exit(main())
