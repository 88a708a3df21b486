"""Does harm to a world of processes, seeded, and writes down what it did and when."""

from __future__ import annotations

import random
import signal
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass

from application import Running
from torture.world import MORPHING, World


@dataclass(frozen=True)
class Fault:
    """Harm done to a process (`pid`) or to all (0), from `begin` to `end` on the monotonic clock, in us."""

    kind: str
    pid: int
    begin: int
    end: int


def now() -> int:
    return time.monotonic_ns() // 1000


class Nemesis:
    """Keeps `size` processes under way, and troubles them."""

    def __init__(self, world: World, seed: int, size: int = 2) -> None:
        self.world, self.random = world, random.Random(seed)
        self.faults: list[Fault] = []
        self.processes: list[Running] = [world.start() for _ in range(size)]
        self.clock_steps = 0.0
        self._deployed = 0

    def torment(self, seconds: float, say: Callable[[str], None] = lambda _: None) -> None:
        """Do harm for so long."""
        deadline = time.monotonic() + seconds
        harms = [self.kill, self.kill, self.kill, self.stop, self.terminate, self.lock, self.step_clock,
                 self.redeploy]  # fmt: skip
        while time.monotonic() < deadline:
            harm = self.random.choice(harms)
            say(harm.__name__)
            harm()
            time.sleep(self.random.uniform(0.2, 2.5))

    def quiet(self, seconds: float) -> int:
        """Put the clock right, see that all are up, leave them alone for a while, then stop them.

        Returns the wall clock, in us, up to which they were left alone.
        """
        self.set_clock(0)
        for index, process in enumerate(self.processes):
            if process.popen.poll() is not None:
                self.processes[index] = self.world.start()
        time.sleep(seconds)
        until = time.time_ns() // 1000
        for process in self.processes:
            process.popen.send_signal(signal.SIGTERM)
        for process in self.processes:
            process.popen.wait(60)
        return until

    def end(self) -> None:
        for process in self.processes:
            process.popen.kill()
            process.popen.wait()

    def kill(self) -> None:
        index = self.random.randrange(len(self.processes))
        popen = self.processes[index].popen
        begin = now()
        popen.kill()
        popen.wait()
        self._note("kill", popen.pid, begin)
        if self.random.random() < 0.3:
            time.sleep(self.random.uniform(0, 3))
        self.processes[index] = self.world.start()

    def stop(self) -> None:
        """Freeze a process, sometimes for longer than a lease."""
        popen = self.random.choice(self.processes).popen
        begin = now()
        popen.send_signal(signal.SIGSTOP)
        time.sleep(self.random.choice([0.5, 2, 5, 18]))
        popen.send_signal(signal.SIGCONT)
        self._note("stop", popen.pid, begin)

    def terminate(self) -> None:
        index = self.random.randrange(len(self.processes))
        popen = self.processes[index].popen
        begin = now()
        popen.send_signal(signal.SIGTERM)
        popen.wait(60)
        self._note("terminate", popen.pid, begin)
        self.processes[index] = self.world.start()

    def lock(self) -> None:
        begin = now()
        with closing(sqlite3.connect(self.world.ledger_file, timeout=30, isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            time.sleep(self.random.choice([0.3, 2, 7]))
            other.execute("ROLLBACK")
        self._note("lock", 0, begin)

    def step_clock(self) -> None:
        begin = now()
        self.set_clock(self.random.choice([-20, -3, 3, 40, 0]))
        time.sleep(self.random.uniform(0.5, 4))
        self._note("clock", 0, begin)

    def redeploy(self) -> None:
        self._deployed += 1
        self.world.deploy(MORPHING[self._deployed % 2])
        self.terminate()

    def set_clock(self, seconds: float) -> None:
        self.clock_steps = max(self.clock_steps, seconds)
        self.world.clock_file.write_text(str(seconds))

    def _note(self, kind: str, pid: int, begin: int) -> None:
        self.faults.append(Fault(kind, pid, begin, now()))
