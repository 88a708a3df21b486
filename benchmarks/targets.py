"""The targets, as ratios within one run, and the measured values."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.environments import ROOT
from benchmarks.results import Results

Ratio = Callable[[Results], float | None]


@dataclass(frozen=True)
class Target:
    """One aim: at least or at most `must`, better `goal`; why it is not met, where that was found out."""

    title: str
    must: float
    goal: float
    found: Ratio
    most: bool = True
    reason: str = ""

    def verdict(self, results: Results) -> str:
        """Return whether it is met, and if not why."""
        value = self.found(results)
        if value is None:
            return "not measured" + (f": {self.reason}" if self.reason else "")
        if self._reaches(value, self.goal):
            return "goal met"
        if self._reaches(value, self.must):
            return "met"
        return "**not met**" + (f": {self.reason}" if self.reason else "; the reason was not looked for yet")

    def _reaches(self, value: float, aim: float) -> bool:
        return value <= aim if self.most else value >= aim


def _ratio(measure: str, above: str, below: str) -> Ratio:
    return lambda results: results.ratio(measure, above, below)


def _plain(measure: str) -> Ratio:
    return lambda results: results.middle(measure, "ours")


def _over(measure: str, other: str, peer: str = "apscheduler") -> Ratio:
    """Return one measure of ours divided by another measure of a peer's."""

    def found(results: Results) -> float | None:
        above, below = results.middle(measure, "ours"), results.middle(other, peer)
        return above / below if above is not None and below else None

    return found


def _of_ours(above: str, below: str) -> Ratio:
    """Return one measure of ours divided by another one."""

    def found(results: Results) -> float | None:
        one, other = results.middle(above, "ours"), results.middle(below, "ours")
        return one / other if one is not None and other else None

    return found


def _of_many_machines(_results: Results) -> float | None:
    """Return what another benchmark, `make bench-cluster`, has found and written down."""
    text = (ROOT / "docs/explanation/a-thousand-machines.md").read_text("utf-8")
    found = re.search(r"a ratio of \*\*([\d.]+)\*\*", text)
    return float(found[1]) if found else None


_ONE_LOCK = (
    "two thirds of what a run costs are Python, of which one process does one thing at a time; SQLite itself"
    " is a sixth (by `perf record` of each thread, 1,000 jobs aligned)"
)
_FILES = (
    "half of the difference is git's: Copier clones the whole repository, engine and tests included, once for"
    " a copy and five times for an update; the other half are the questions and the names of files, each part"
    " of which Copier renders"
)
TARGETS = (
    Target(
        "runs/s on SQLite ÷ APScheduler with the SQLite store as shipped", 30, 80,
        _ratio("capacity", "ours", "apscheduler-sqlite"), most=False, reason=_ONE_LOCK,
    ),
    Target(
        "runs/s on SQLite ÷ APScheduler in memory, which keeps nothing", 1.2, 2.5,
        _ratio("capacity", "ours", "apscheduler"), most=False,
        reason="the same, where APScheduler keeps nothing of a run",
    ),
    Target(
        "runs/s on PostgreSQL ÷ APScheduler with the PostgreSQL store", 20, 70,
        _ratio("capacity", "ours-postgres", "apscheduler-postgres"), most=False,
        reason="the same; and the server works on the same two cores",
    ),
    Target(
        "CPU per run ÷ APScheduler in memory, 1,000 jobs aligned", 1.2, 0.6,
        _ratio("cpu-1000", "ours", "apscheduler"),
        reason="more than half is the writing of what APScheduler does not keep, on the ledger's thread:"
        " two fifths of that are SQLite, with four indexes, nearly as much is Python, which makes the rows"
        " and takes the answers apart, and an eighth is the kernel, which writes the log; the rest is Python"
        " on the event loop, spread over some 155 calls: a task, a context and what is looked at before and"
        " after each run",
    ),
    Target(
        "CPU per run ÷ APScheduler in memory, 1,000 jobs spread over the second", 2.0, 1.0,
        _ratio("cpu-spread-1000", "ours", "apscheduler"),
    ),
    Target(
        "p99 lateness ÷ bare asyncio, 1,000 jobs aligned", 2.0, 0.75,
        _ratio("p99-1000", "ours", "bare"),
        reason="at most ten runs are in a slot at a time as shipped, so that the last of a thousand waits for"
        " all others, each of which takes the event loop some 25 µs: a task, a context and an outcome of its"
        " own, in Python",
    ),
    Target(
        "cold start of `run` without the dashboard ÷ APScheduler in memory", 2.0, 1.5,
        _ratio("cold", "ours", "apscheduler"),
        reason="nearly all of it is imports, more than half of them of the command line and the settings"
        " (Typer, pydantic-settings)",
    ),
    Target(
        "the same, its ledger being made, ÷ at the second start", 1.2, 1.05, _of_ours("cold-new", "cold")
    ),
    *(
        Target(
            f"`{command}` ÷ importing typer, pydantic-settings, loguru and apscheduler", 1.5, 1.2,
            _of_ours(f"command-{command}", "command-floor"),
            reason="three quarters of the rest are imports, by `-X importtime`: the engine's modules, which"
            " build some hundred classes, are half of the rest, Rich is a tenth; another tenth is to open the"
            " ledger, which each part of the command does for itself",
        )
        for command in ("jobs", "runs", "why", "plan")
    ),
    Target(
        "idle wake-ups a minute", 65, 10, _plain("idle-wakes"),
        reason="requests are obeyed within a second by a look each second; the rest are heartbeats, and"
        " questions to the event loop whether it answers",
    ),
    Target(
        "resident memory without the dashboard ÷ APScheduler with the SQLite store as shipped", 1.0, 0.8,
        _over("idle-memory-without-dashboard", "idle-resident", "apscheduler-sqlite"),
        reason="to import Typer, pydantic-settings, loguru and APScheduler takes as much as all of the peer,"
        " 39 MB, of which pydantic is two thirds; the engine's own modules take 6",
    ),
    Target(
        "the same at the first start, the ledger being made, ÷ at the second", 1.05, 1.0,
        _of_ours("idle-memory-at-first-start", "idle-memory-without-dashboard"),
    ),
    Target(
        "resident memory with the dashboard, before the first page, ÷ without it", 1.4, 1.25,
        _of_ours("idle-memory-with-dashboard", "idle-memory-without-dashboard"),
        reason="nearly all of it is FastAPI, pydantic and uvicorn",
    ),
    Target(
        "idle CPU seconds a minute", 0.05, 0.01, _plain("idle-cpu"),
        reason="some two wake-ups a second, as above, of half a millisecond each",
    ),
    Target(
        "10,000 jobs to ready ÷ APScheduler in memory", 1.5, 0.9,
        _ratio("start-10000", "ours", "apscheduler"),
        reason="a start with one job, nearly all of it imports, takes four fifths of what APScheduler needs"
        " with all of them; to write the rows of 10,000 new jobs is a fifth of the whole",
    ),
    Target(
        "the same at the second start, when the ledger knows them", 1.5, 0.9,
        _over("restart-10000", "start-10000"),
        reason="the same start with one job, which is half of the whole",
    ),
    Target(
        "100,000 jobs to ready ÷ APScheduler in memory", 1.5, 0.9,
        _ratio("start-100000", "ours", "apscheduler"),
        reason="to write the rows of 100,000 new jobs is a quarter of the whole: see the second start",
    ),
    Target(
        "the same at the second start, when the ledger knows them", 1.5, 0.9,
        _over("restart-100000", "start-100000"),
    ),
    Target(
        "the same on PostgreSQL, at the first start", 1.5, 0.9,
        _ratio("start-100000", "ours-postgres", "apscheduler"),
        reason="the same: a quarter of the whole is to write the rows of new jobs",
    ),
    Target(
        "100,000 jobs by cron to ready ÷ APScheduler in memory", 1.5, 0.9,
        _ratio("start-cron-100000", "ours", "apscheduler"),
    ),
    Target(
        "the same on PostgreSQL, at the first start", 1.5, 0.9,
        _ratio("start-cron-100000", "ours-postgres", "apscheduler"),
    ),
    Target(
        "runs/s with 10 million rows of history ÷ with none", 0.8, 0.95,
        _ratio("history-capacity", "10000000", "0"), most=False,
    ),
    Target(
        "runs/s on many machines ÷ PgQueuer alone on the same work, as measured for"
        " [a thousand machines](explanation/a-thousand-machines.md)", 0.6, 0.9, _of_many_machines, most=False,
    ),
    Target(
        "`copier copy` ÷ simple-modern-uv", 1.5, 1.0,
        _ratio("template-copy", "ours", "simple-modern-uv"), reason=_FILES,
    ),
    Target(
        "`copier update` ÷ simple-modern-uv", 1.5, 1.0,
        _ratio("template-update", "ours", "simple-modern-uv"), reason=_FILES,
    ),
)  # fmt: skip
