"""Runs the world of one plan from its beginning to its end, and returns its history."""

from __future__ import annotations

import gc
import hashlib
import json
import logging
import re
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cache, cached_property
from typing import Any
from unittest.mock import patch

from apscheduler.triggers.combining import OrTrigger
from apscheduler.triggers.interval import IntervalTrigger
from everytick import AsyncIOScheduler
from everytick.api import scheduler as scheduler_module
from everytick.model.schedule import from_text
from everytick.settings import SchedulerSettings
from everytick.system import system, use
from loguru import _logger as loguru_module
from loguru import logger
from loguru._better_exceptions import ExceptionFormatter
from loguru._datetime import datetime as loguru_datetime

from simulation import bodies, seam
from simulation.disk import Disk
from simulation.nature import Nature
from simulation.plan import LATEST_JOBS, MORE_JOBS, NEWEST_JOBS, OTHER_JOBS, Plan
from simulation.world import SECOND, World
from torture.checker import violations
from torture.history import History, Row, Violation
from torture.jobs import LIMITS, SCHEDULE

_NAMES: dict[str, Any] = {name: getattr(bodies, name) for name in ("quick", "slow", "burst", "thread",
    "flaky", "dozer", "numb", "hog", "endless", "deaf", "tell", "gappy")}  # fmt: skip
_SPECS = {spec.id: spec for spec in (*SCHEDULE, *MORE_JOBS, *NEWEST_JOBS, *LATEST_JOBS, *OTHER_JOBS)}
# It tells there what it takes for a mistake, with the address of the future.
_FUTURES, _ADDRESS = logging.getLogger("concurrent.futures"), re.compile(r" \d+")
# It looks for all folders of the interpreter, for each sink that a process of the engine has.
_folders = cache(ExceptionFormatter._get_lib_dirs)
# The sink of all worlds, by its number for loguru, and the filter of the one that runs.
_sinks: dict[int, Any] = {}
_keepers: list[Callable[[Any], bool]] = []
_PLANNED = "Traceback (most recent call last):\nRuntimeError: as planned"


@dataclass
class Story:
    """What came of a plan. steps: of the world. seconds: how long it was, in simulated time."""

    plan: Plan
    history: History
    steps: int
    seconds: float

    @cached_property
    def violations(self) -> list[Violation]:
        """Each breach of the contract."""
        return list(violations(self.history))

    @property
    def is_broken(self) -> bool:
        """Whether the contract is. The checker ends with the first breach that it finds."""
        return next(violations(self.history), None) is not None

    @property
    def ticks(self) -> int:
        """How many ticks have a row; those of a gap have one together."""
        return sum(row["tick_us"] is not None for row in self.history.runs)

    @property
    def digest(self) -> str:
        """A text that is the same for the same history, and another one for any other."""
        known = json.dumps(asdict(self.history), sort_keys=True, default=str)
        return hashlib.sha256(known.encode()).hexdigest()[:16]


def tell(plan: Plan) -> Story:
    """Run the world of a plan."""
    world = World(plan.seed)
    wall = seam.WallClock(world, plan.begins)
    bodies.marks.begin_anew(world)
    settings = SchedulerSettings(
        scheduler_max_workers=plan.workers,
        scheduler_misfire_grace_time=60,
        scheduler_shutdown_grace_time=plan.grace,
        scheduler_allowed_packages="simulation",
        scheduler_group_limits=",".join(f"{name}={limit}" for name, limit in LIMITS.items()),
    )
    with _undisturbed(), use(**seam.parts(world, wall)):
        disk = Disk(world)
        nature = Nature(world, plan, wall, disk, settings, _declaring(plan))
        with _logged(world, wall, nature):
            nature.begin()
            world.run()
        lives = nature.lives()
        runs, attempts, reports, jobs = _rows(disk)
        history = History(
            schedule=[spec for spec in _SPECS.values() if spec.id in plan.jobs],
            clock=nature.clock,
            until=nature.until,
            faults=nature.faults,
            lives=lives,
            starts=bodies.marks.starts,
            runs=runs,
            attempts=attempts,
            reports=reports,
            jobs=jobs,
            commands=nature.commands,
            requested=nature.people.requested,
            fills=nature.people.fills,
            asked=nature.people.asked,
            refused=nature.people.refused,
            oddities=nature.oddities + [f"a thread ended with {each!r}" for each in world.problems],
        )
        for program in world.programs:
            program.end()
        disk.close()
    return Story(plan, history, world.steps, world.now / SECOND - 100_000)


def _declaring(plan: Plan) -> Callable[[AsyncIOScheduler, int], None]:
    """Return the function that declares the jobs of a plan, in one deployment or another."""

    # The moment must be the one that the simulated clock shows.
    class _Now:
        @staticmethod
        def fromtimestamp(_seconds: float) -> datetime:
            return system.local_now()

    class _Time:
        @staticmethod
        def time_ns() -> int:
            return 0

    names = {"OrTrigger": OrTrigger, "IntervalTrigger": IntervalTrigger, "datetime": _Now, "time": _Time}
    names |= _NAMES
    codes = {}

    def declare(scheduler: AsyncIOScheduler, deployed: int) -> None:
        if deployed not in codes:
            specs = (_SPECS[job].as_deployed(deployed) for job in plan.jobs)
            lines = "\n".join(spec.declaration() for spec in specs if spec is not None)
            codes[deployed] = compile(lines, "schedule", "exec")
        exec(codes[deployed], {**names, "scheduler": scheduler})

    return declare


def _rows(disk: Disk) -> tuple[list[Row], list[Row], list[Row], dict[str, Row]]:
    """Return runs, earlier attempts, what attempts said of themselves, and jobs by id."""

    def rows(table: str, order: str) -> list[Row]:
        cursor = disk.keeper.execute(f"SELECT * FROM {table} ORDER BY {order}")
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    jobs = {row["job_id"]: row for row in rows("scheduler_jobs", "job_id")}
    attempts, reports = (rows(f"scheduler_{name}", "run_id, attempt") for name in ("attempts", "reports"))
    return rows("scheduler_runs", "run_id"), attempts, reports, jobs


@contextmanager
def _logged(world: World, wall: seam.WallClock, nature: Nature) -> Iterator[None]:
    """Keep the lines of each process, with the time of its world."""

    def now() -> loguru_datetime:
        return loguru_datetime.fromtimestamp((world.now + wall.base) / SECOND, UTC)

    def keep(record: Any) -> bool:
        # A filter, since loguru makes the text of an exception for whatever comes behind it.
        thread = world._thread
        process = None if thread is None else nature.process_of(thread.program.pid)
        if process is not None and process.alive:
            stamp = record["time"].replace(tzinfo=None).isoformat(" ", "microseconds")
            process.lines.append(f"{stamp} | {record['level'].name} | {record['message']}")
            if record["exception"] is not None and record["exception"].value is not None:
                process.lines.append(_trace(record["exception"].value))
        return False

    def odd(record: logging.LogRecord) -> bool:
        nature.oddities.append(
            f"a future was used as it must not be: {_ADDRESS.sub('', record.getMessage())}"
        )
        return False

    module: Any = loguru_module
    before, module.aware_now = module.aware_now, now
    _FUTURES.addFilter(odd)
    try:
        with _only_sink(keep):
            yield
    finally:
        _FUTURES.removeFilter(odd)
        module.aware_now = before


@contextmanager
def _only_sink(keep: Callable[[Any], bool]) -> Iterator[None]:
    """Let a filter alone hear of the lines of a world, which may say very much."""
    core: Any = logger._core  # type: ignore[attr-defined]
    sinks, level = core.handlers, core.min_level
    core.handlers, core.min_level = _sinks, float("inf")
    _keepers.append(keep)
    try:
        if not _sinks:
            # Once for all worlds.
            logger.add(lambda _message: None, level="INFO", filter=lambda record: _keepers[-1](record))
            _sinks.update(core.handlers)
        core.min_level = min(sink.levelno for sink in _sinks.values())
        with patch.object(ExceptionFormatter, "_get_lib_dirs", staticmethod(_folders)):
            yield
    finally:
        _keepers.pop()
        core.handlers, core.min_level = sinks, level


def _trace(problem: BaseException) -> str:
    if str(problem) == "as planned":
        return _PLANNED
    return "".join(traceback.format_exception(problem))


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Let nothing that is left of a world be freed while it runs, and nothing be said of it at the end."""
    hook = sys.unraisablehook
    sys.unraisablehook = lambda _about: None
    # A schedule that was read in one world knows its next tick in the next one, also with a planted bug.
    from_text.cache_clear()
    gc.disable()
    # What is there already need not be looked at when the world is freed.
    gc.freeze()
    try:
        with warnings.catch_warnings():
            # Of coroutines that had not begun when their process was killed.
            warnings.simplefilter("ignore", RuntimeWarning)
            yield
            gc.collect()
    finally:
        # Its schedulers are not there any more when the interpreter ends.
        with suppress(AttributeError):
            for scheduler in list(scheduler_module._begun):
                if type(scheduler).__module__ == "simulation.engine":
                    scheduler_module._begun.discard(scheduler)
        gc.unfreeze()
        gc.enable()
        sys.unraisablehook = hook
