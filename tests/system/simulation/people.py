"""What people ask of the schedule while it runs, each time by a process of its own, as the commands do."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from everytick import SchedulerClient
from everytick.errors import LedgerError
from everytick.settings import SchedulerSettings
from everytick.system import system

from simulation.disk import Disk, MemoryLedger
from simulation.world import World


class Client(SchedulerClient):
    """One whose ledger is on a simulated disk."""

    def __init__(self, disk: Disk, settings: SchedulerSettings) -> None:
        self._simulated, self._settings = MemoryLedger(disk), settings
        super().__init__("somebody")

    @property
    def ledger(self) -> Any:
        return self._simulated

    @property
    def settings(self) -> SchedulerSettings:
        return self._settings


class People:
    """Ask, and know what was promised and what was refused."""

    def __init__(self, world: World, disk: Disk, settings: SchedulerSettings) -> None:
        self._world, self._disk, self._settings = world, disk, settings
        self._number = 0

    def command(self, what: str, job: str) -> bool:
        """Pause or resume a job; return whether that was done."""
        act = {"pause": "pause_job", "resume": "resume_job"}[what]
        return self._do(lambda client: getattr(client, act)(job))

    def ask(self, milliseconds: int) -> tuple[str, int, bool]:
        """Ask for a run so long from now; return its job, its tick, and whether it was promised."""
        self._number += 1
        job = f"asked-{self._number}"
        tick = system.time_ns() // 1000 + milliseconds * 1000
        date = datetime.fromtimestamp(0, UTC) + timedelta(microseconds=tick)
        add: Callable[[Client], Any] = lambda client: client.add_job(  # noqa: E731
            "simulation.bodies:quick", "date", run_date=date, id=job
        )
        return job, tick, self._do(add)

    def _do(self, act: Callable[[Client], Any]) -> bool:
        """Do something in a process of its own, and wait for that."""
        program = self._world.new_program("command")
        done: list[bool] = []

        def run() -> None:
            try:
                act(Client(self._disk, self._settings))
            except LedgerError:
                done.append(False)
            else:
                done.append(True)

        program.start(run).join()
        program.end()
        return done == [True]
