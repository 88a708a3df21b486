"""Faults of the database server that holds the ledger, and of all connections to it."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Sequence
from functools import partial

import psycopg
from everytick.store import locking

from servers import at_port
from torture.history import now
from torture.supervisor import StartGate
from torture.world import World

Harm = Callable[[random.Random], None]


class ServerHarm:
    """Locks, cuts, restarts and crashes. `note(kind, pid, begin)` writes down what was done."""

    def __init__(
        self, world: World, over: threading.Event, note: Callable[[str, int, int], None], gate: StartGate
    ) -> None:
        assert world.server is not None
        # The same ledger, and not by way of a proxy.
        self._server, self._url = world.server, at_port(world.ledger_url, world.server.port)
        self._over, self._note, self._door = over, note, gate

    def deck(self) -> Sequence[Harm]:
        """Return each kind of harm as often as it is to come."""
        locks = [partial(self.lock, seconds=seconds) for seconds in (0.3, 2, 7)]
        away = [partial(self.stop, mode=mode, seconds=seconds) for mode, seconds in _STOPS]
        return [*locks, *[self.cut] * 3, *away]

    def lock(self, choice: random.Random, *, seconds: float) -> None:
        """Hold the lock that every writer needs."""
        with psycopg.connect(self._url) as other:
            other.execute(f"SELECT {locking.WHOLE}")
            begin = now()
            self._over.wait(seconds)
        self._note("lock", 0, begin)

    def cut(self, choice: random.Random) -> None:
        """End all connections, whatever they are in the middle of, a few times in a row."""
        begin = now()
        for _ in range(choice.choice([1, 2, 5])):
            self._server.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'scheduler'"
            )
            self._over.wait(choice.uniform(0.05, 0.5))
        self._note("cut", 0, begin)

    def stop(self, choice: random.Random, *, mode: str, seconds: float) -> None:
        """Stop the server, or let it crash, and start it again."""
        with self._door.shut():
            begin = now()
            self._server.stop(mode)
            self._over.wait(seconds)
            self._server.start()
            self._note("crash" if mode == "immediate" else "restart", 0, begin)


_STOPS = (("fast", 0), ("immediate", 0), ("fast", 3), ("immediate", 6), ("immediate", 0))
