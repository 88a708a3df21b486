"""Keeps processes under way: whenever one has ended, another takes its place."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from application import Running
from proxy import Proxy
from servers import at_port
from torture.evidence import Life, now
from torture.world import World
from waiting import wait_for

_LOOK = 0.02
_PAUSES = (0.0, 0.1, 0.5, 2.0)


class Door:
    """Starts go through it; whoever shuts it has no start under way, and none begins."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._inside = 0
        self._shut = False

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Go through; wait as long as it is shut."""
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
        """Shut it, wait until nobody is inside, and open it after the block."""
        with self._changed:
            self._shut = True
            self._changed.wait_for(lambda: not self._inside)
        try:
            yield
        finally:
            with self._changed:
                self._shut = False
                self._changed.notify_all()


class Place:
    """Where one process after the other lives: a machine, with its clock and its wire to the server.

    spared: somebody is busy with the process that is here.
    """

    def __init__(self, role: str, skew: int, wire: Proxy | None) -> None:
        self.role, self.skew, self.wire = role, skew, wire
        self.process: Running | None = None
        self.begin = 0
        self.ready: int | None = None
        self.spared = False

    def is_up(self, seconds: float = 0) -> bool:
        """Return whether a process is here and has been up for so long."""
        return self.alive and self.ready is not None and now() - self.ready >= seconds * 1e6

    def variables(self, ledger_url: str) -> dict[str, str]:
        """Return what a process here is told; `ledger_url` leads past the wire."""
        url = ledger_url if self.wire is None else at_port(ledger_url, self.wire.port)
        return {
            "SCHEDULER_ROLE": self.role,
            "SCHEDULER_DATABASE_URL": url,
            "TORTURE_SKEW": str(self.skew),
        }

    @property
    def pid(self) -> int:
        """The process that is here, or was last."""
        assert self.process is not None
        return self.process.popen.pid

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.popen.poll() is None


class Keeper:
    """Some places, each with a thread that starts its processes and writes down their lives."""

    def __init__(self, world: World, seed: int) -> None:
        self.places = [Place(*place) for place in world.places]
        self.lives: list[Life] = []
        self.door = Door()
        self._world = world
        self._closing = threading.Event()
        self._threads = [
            threading.Thread(target=self._keep, args=(place, random.Random(f"{seed} place {number}")))
            for number, place in enumerate(self.places)
        ]
        for thread in self._threads:
            thread.start()

    def all_up(self) -> None:
        """Wait until a process is up in each place."""
        wait_for(lambda: all(place.is_up() for place in self.places), "all processes", 90)

    def close(self) -> None:
        """Start nothing more."""
        self._closing.set()

    def end(self) -> None:
        """Start nothing more, and let nobody live on."""
        self.close()
        for place in self.places:
            if place.process is not None:
                place.process.popen.kill()
        for thread in self._threads:
            thread.join()
        for place in self.places:
            if place.wire is not None:
                place.wire.close()

    def _keep(self, place: Place, choice: random.Random) -> None:
        while not self._closing.is_set():
            with self.door.entered():
                place.ready, place.begin = None, now()
                place.process = process = self._world.launch(**place.variables(self._world.ledger_url))
                while place.alive and not process.is_up():
                    time.sleep(_LOOK)
                place.ready = now() if process.is_up() else None
            while place.alive:
                time.sleep(_LOOK)
            code = process.popen.wait()
            life = Life(process.popen.pid, place.begin, place.ready, now(), code, process.log(), place.role)
            self.lives.append(life)
            self._closing.wait(choice.choice(_PAUSES))
