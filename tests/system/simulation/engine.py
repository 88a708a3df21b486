"""One process of the engine, as `python -m app run` would be."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from everytick import AsyncIOScheduler
from everytick.errors import LedgerError
from everytick.settings import SchedulerSettings
from everytick.text.wording import counted
from loguru import logger

from simulation.disk import Disk, MemoryLedger
from simulation.loop import Loop
from simulation.world import Program, World
from torture.history import Life
from torture.jobs import EVERYTHING, Environment


class Scheduler(AsyncIOScheduler):
    """One whose ledger is on a simulated disk."""

    def __init__(self, disk: Disk, settings: SchedulerSettings) -> None:
        self._ledger, self._settings = MemoryLedger(disk), settings
        super().__init__(timezone="UTC")

    @property
    def ledger(self) -> Any:
        return self._ledger

    @property
    def settings(self) -> SchedulerSettings:
        return self._settings


class EngineProcess:
    """A process from its start to its end.

    code: its exit code, -9 if it was killed; None while it lives. lines: its log.
    """

    def __init__(
        self,
        world: World,
        disk: Disk,
        settings: SchedulerSettings,
        declare: Callable[[AsyncIOScheduler], None],
        name: str,
        host: int = 0,
        version: int = 0,
        environment: Environment = EVERYTHING,
    ) -> None:
        self.program: Program = world.new_program(name, host)
        self.lines: list[str] = []
        self.code: int | None = None
        self.begin, self.end = world.now // 1000, 0
        self.ready: int | None = None
        self._settings = settings.model_copy(
            update={
                "scheduler_enabled_jobs": environment.enabled,
                "scheduler_disabled_jobs": environment.disabled,
            }
        )
        self._world, self._disk, self._declare = world, disk, declare
        self._version, self.environment = version, environment
        self._stop: asyncio.Event | None = None
        self._hurry: asyncio.Event | None = None
        self._loop = self.program.loop = Loop(world)  # type: ignore[abstract]
        self._main = self.program.start(self._run, name="main")

    @property
    def pid(self) -> int:
        return self.program.pid

    @property
    def alive(self) -> bool:
        return self.program.alive

    def is_up(self, seconds: float = 0) -> bool:
        """Return whether it has been up for so long."""
        return self.alive and self.ready is not None and self._world.now // 1000 - self.ready >= seconds * 1e6

    def kill(self) -> None:
        """End it, as by SIGKILL."""
        if self.alive:
            self._ended(-9)

    def terminate(self) -> None:
        """Ask it to end, as by SIGTERM; the second time it hurries."""
        if self.alive and not self._loop.is_over:
            self._loop.call_soon_threadsafe(self._asked)

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until it has ended, or for so long; return whether it has."""
        self._main.join(seconds)
        return not self.alive

    def life(self) -> Life:
        """Return what the checker is told of it."""
        assert self.code is not None
        log = "\n".join(self.lines)
        life = Life(self.pid, self.begin, self.ready, self.end, self.code, log, version=self._version)
        return replace(life, disabled=self.environment.disables)

    def _asked(self) -> None:
        stop, hurry = self._stop, self._hurry
        if stop is None or hurry is None:
            # Before it hears signals, one ends it.
            self._ended(0)
        else:
            (hurry if stop.is_set() else stop).set()

    def _ended(self, code: int) -> None:
        self.code, self.end = code, self._world.now // 1000
        self.program.end()

    def _run(self) -> None:
        code = self._loop.run_until_complete(self._serve())
        self.lines += [str(context) for context in self._loop.unhandled]
        self._ended(code)

    async def _serve(self) -> int:
        scheduler = Scheduler(self._disk, self._settings)
        self._declare(scheduler)
        self._stop, self._hurry = asyncio.Event(), asyncio.Event()
        try:
            await scheduler.__aenter__()
        except LedgerError as problem:
            self.lines.append(f"error: {problem}")
            return 1
        self.ready = self._world.now // 1000
        logger.info("simulated 1 | zone UTC | ledger {}", scheduler.ledger)
        await self._stop.wait()
        cut = await scheduler.drain(self._hurry, ending=True)
        if cut:
            logger.error("stopped; {} had to be cut, or could not be recorded", counted(cut, "run"))
        return 1 if cut else 0
