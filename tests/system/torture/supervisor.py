"""Starts the scheduler processes; when a process has ended, the next one is started in its slot."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from application import Running
from proxy import Proxy
from servers import at_port
from torture.history import Life, now
from torture.jobs import EVERYTHING
from torture.world import World
from waiting import wait_for

_LOOK = 0.02
_PAUSES = (0.0, 0.1, 0.5, 2.0)


class StartGate:
    """A lock for starts: many starts may hold it at once; while it is shut no start is running or begins."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._inside = 0
        self._shut = False

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Let the block run as a start; wait while the gate is shut."""
        with self._changed:
            self._changed.wait_for(lambda: not self._shut)
            self._inside += 1
        try:
            yield
        finally:
            with self._changed:
                self._inside -= 1
                self._changed.notify_all()

    @contextmanager
    def shut(self) -> Iterator[None]:
        """Shut the gate, wait until no start is running, and open it after the block."""
        with self._changed:
            self._shut = True
            self._changed.wait_for(lambda: not self._inside)
        try:
            yield
        finally:
            with self._changed:
                self._shut = False
                self._changed.notify_all()


class Slot:
    """A machine on which one process after the other runs, with its own clock and connection to the server.

    spared: a fault is just being injected into its process, so no other one may be.
    """

    def __init__(self, role: str, skew: int, wire: Proxy | None) -> None:
        self.role, self.skew, self.wire = role, skew, wire
        self.process: Running | None = None
        self.environment = EVERYTHING
        self.begin = 0
        self.ready: int | None = None
        self.spared = False

    def is_up(self, seconds: float = 0) -> bool:
        """Return whether its process has been up for that many seconds."""
        return self.alive and self.ready is not None and now() - self.ready >= seconds * 1e6

    def variables(self, ledger_url: str) -> dict[str, str]:
        """Return the environment of its process; `ledger_url` is the server's address without the proxy."""
        url = ledger_url if self.wire is None else at_port(ledger_url, self.wire.port)
        return {
            "SCHEDULER_ROLE": self.role,
            "SCHEDULER_DATABASE_URL": url,
            "TORTURE_SKEW": str(self.skew),
        }

    @property
    def pid(self) -> int:
        """The id of its present process, or of the last one."""
        assert self.process is not None
        return self.process.popen.pid

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.popen.poll() is None


class Supervisor:
    """All slots, each with a thread that starts its processes and records their lives."""

    def __init__(self, world: World, seed: int) -> None:
        self.slots = [Slot(*slot) for slot in world.slots]
        self.lives: list[Life] = []
        self.gate = StartGate()
        self._world = world
        self._closing = threading.Event()
        self._threads = [
            threading.Thread(target=self._keep, args=(slot, random.Random(f"{seed} slot {number}")))
            for number, slot in enumerate(self.slots)
        ]
        for thread in self._threads:
            thread.start()

    def all_up(self) -> None:
        """Wait until a process is up in each slot."""
        wait_for(lambda: all(slot.is_up() for slot in self.slots), "all processes", 90)

    def close(self) -> None:
        """Start nothing more."""
        self._closing.set()

    def end(self) -> None:
        """Start nothing more, and kill every process."""
        self.close()
        for slot in self.slots:
            if slot.process is not None:
                slot.process.popen.kill()
        for thread in self._threads:
            thread.join()
        for slot in self.slots:
            if slot.wire is not None:
                slot.wire.close()

    def _keep(self, slot: Slot, choice: random.Random) -> None:
        while not self._closing.is_set():
            with self.gate.entered():
                slot.ready, slot.begin = None, now()
                slot.environment = self._world.environment_of_processes
                settings = slot.variables(self._world.ledger_url) | slot.environment.variables()
                slot.process = process = self._world.launch(**settings)
                while slot.alive and not process.is_up():
                    time.sleep(_LOOK)
                slot.ready = now() if process.is_up() else None
            while slot.alive:
                time.sleep(_LOOK)
            code = process.popen.wait()
            life = Life(process.popen.pid, slot.begin, slot.ready, now(), code, process.log(), slot.role)
            self.lives.append(replace(life, disabled=slot.environment.disables))
            self._closing.wait(choice.choice(_PAUSES))
