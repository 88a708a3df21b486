"""Injects faults into the processes, in several threads at once, and records each of them with its time.

Each thread draws its faults from a list of its own, shuffled by the seed, so that every kind comes up. Which
threads are active changes, with pauses in between, so that the checker can tell which fault caused what.
"""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial

from torture.history import Command, Fault, WorldClock, now
from torture.jobs import ENVIRONMENTS, EVERYTHING, HOUR, PAUSABLE, SECOND
from torture.network_faults import WireHarm
from torture.requester import Requester
from torture.server_faults import ServerHarm
from torture.streams import Harm, Stream
from torture.supervisor import Slot, Supervisor
from torture.world import World

ALL = ("reaper", "freezer", "librarian", "clockmaker", "wirecutter", "people", "planner")
_ACTS = (
    ("reaper", "freezer", "people", "planner"),
    ("wirecutter", "people", "planner"),
    ("librarian", "people", "planner"),
    ALL,
    ("reaper", "wirecutter", "librarian"),
    ("reaper", "freezer", "librarian"),
    ("reaper", "clockmaker", "people", "planner"),
    ("freezer", "clockmaker"),
)
_ACT_SECONDS, _CALM_SECONDS = 45.0, 12.0
# A short sleep, or a write to the disk, that takes that many seconds shows that the machine is overloaded.
_GASP = 0.25


class Nemesis:
    """Keeps the processes of a world running, and injects faults into them.

    company: only these streams act, always together; without it all do, in changing company.
    """

    def __init__(self, world: World, seed: int, company: Sequence[str] = ()) -> None:
        self.world = world
        self._company = company
        self.faults: list[Fault] = []
        self.commands: list[Command] = []
        # One-off ticks that were asked for: job, tick, instant of the request.
        self.requested: list[tuple[str, int, int]] = []
        # The jobs that could not be added, as the requester was told.
        self.refused: list[str] = []
        self.oddities: list[str] = []
        self.clock = WorldClock(world.base)
        self.requester = Requester(world)
        self.supervisor = Supervisor(world, seed)
        self._deployed = 0
        self._seed = seed
        self._paused: set[str] = set()
        self._acting: Sequence[str] = ()
        self._over, self._ended = threading.Event(), threading.Event()
        self._say: Callable[[str], None] = lambda _: None
        watches = (self._watch_the_processor, self._watch_the_disk)
        self._watching = [threading.Thread(target=watch, daemon=True) for watch in watches]
        for watching in self._watching:
            watching.start()

    # --- the course of things ---

    def torment(self, seconds: float, say: Callable[[str], None] = lambda _: None) -> None:
        """Do harm for so long."""
        self._say = say
        self.supervisor.all_up()
        streams = self._streams()
        for stream in streams:
            stream.start()
        deadline, acts = time.monotonic() + seconds, random.Random(f"{self._seed} acts")
        left: list[Sequence[str]] = [self._company or ALL]
        while (remaining := deadline - time.monotonic()) > 0:
            self._acting = left.pop()
            left = left or ([self._company] if self._company else acts.sample(_ACTS, len(_ACTS)))
            self._over.wait(min(_ACT_SECONDS, remaining))
            self._acting = ()
            self._over.wait(max(0.0, min(_CALM_SECONDS, deadline - time.monotonic())))
        self._over.set()
        for stream in streams:
            stream.join()
            if stream.problem:
                raise stream.problem

    def quiet(self, seconds: float) -> int:
        """Put everything right, leave the processes alone for a while, then stop them.

        Returns what their clock showed up to when they were left alone.
        """
        # Where the clock was furthest no tick is accounted for that is still to come.
        self._set_clock(max(offset for _, offset in self.clock.steps))
        for job in sorted(self._paused):
            while job in self._paused:
                self._command("resume", job)
        self.supervisor.all_up()
        self.world.environment_of_processes = EVERYTHING
        for slot in self.supervisor.slots:
            if slot.environment is not EVERYTHING:
                self._stop(slot, "terminate")
        self.supervisor.all_up()
        time.sleep(seconds)
        until = self.clock.shows(now())
        self.supervisor.close()
        for slot in self.supervisor.slots:
            self._stop(slot, "terminate")
        return until

    def end(self) -> None:
        """Leave no process and no thread behind."""
        self._over.set()
        self._ended.set()
        for watching in self._watching:
            watching.join()
        self.supervisor.end()
        self.requester.end()

    def _streams(self) -> list[Stream]:
        # With some mercy, so that others see a process live, and it sees others die.
        kills = [*[self.kill] * 14, *[self.spare] * 2]
        stops = [partial(self.stop, seconds=seconds) for seconds in (0.5, 2, 6, 18)]
        locks = [partial(self.lock, seconds=seconds) for seconds in (0.3, 2, 3, 7, 30)]
        disks = [partial(self.fill_disk, fails=what) for what in ("write", "commit")]
        ahead = [partial(self.set_ahead, by=seconds * SECOND) for seconds in (3, 40, 3_600)]
        back = [partial(self.set_back, by=seconds * SECOND) for seconds in (3, 20)]
        ends = [self.terminate, self.terminate, self.terminate_twice, self.redeploy]
        ends += [partial(self.change_environment, everywhere=everywhere) for everywhere in (False, True)]
        people = [self.pause_or_resume, *[self.ask_for_a_run] * 3, self.requester.fill]
        decks: dict[str, tuple[Sequence[Harm], tuple[float, float]]] = {
            "reaper": ([*kills, self.kill_young, self.kill_all], (0.1, 1)),
            "freezer": ([*stops, *ends], (0.5, 4)),
            "people": (people, (0.5, 3)),
            "planner": ([self.act], (1, 4)),
        }
        if self.world.server is not None:
            server = ServerHarm(self.world, self._over, self._note, self.supervisor.gate)
            wires = WireHarm(self._choose, self._over, self._note)
            decks |= {"librarian": (server.deck(), (2, 8)), "wirecutter": (wires.deck(), (0.5, 4))}
        else:
            decks |= {
                "librarian": ([*locks, *disks, *[self.move_ledger] * 2], (3, 10)),
                "clockmaker": ([*ahead, *back, *back, self.hour_back], (3, 10)),
            }
        return [
            Stream(f"{self._seed} {name}", name, *deck, lambda name: name in self._acting, self._over)
            for name, deck in decks.items()
        ]

    # --- harm to processes ---

    def kill(self, choice: random.Random) -> None:
        """Kill one that has lived for some seconds."""
        if slot := self._choose(choice, lambda slot: slot.is_up(1.5)):
            self._kill([slot], "kill")

    def kill_young(self, choice: random.Random) -> None:
        """Kill one that has hardly begun, or has not yet."""
        if slot := self._choose(choice, lambda slot: slot.alive and not slot.is_up(0.5), patience=5):
            self._kill([slot], "kill young")

    def kill_all(self, choice: random.Random) -> None:
        """Kill all at the same time."""
        self._kill([slot for slot in self.supervisor.slots if slot.alive], "kill all")

    def spare(self, choice: random.Random) -> None:
        """Inject no fault for a while."""
        self._over.wait(choice.uniform(8, 14))

    def stop(self, choice: random.Random, *, seconds: float) -> None:
        """Freeze a process, sometimes for longer than a lease."""
        if slot := self._choose(choice, Slot.is_up, spare=True):
            popen = _popen(slot)
            begin = now()
            popen.send_signal(signal.SIGSTOP)
            self._over.wait(seconds)
            popen.send_signal(signal.SIGCONT)
            self._note("stop", popen.pid, begin)
            # It must get the chance to do what a process that was given up should not do.
            self._over.wait(1)
            slot.spared = False

    def terminate(self, choice: random.Random) -> None:
        """Ask one to stop."""
        if slot := self._choose(choice, Slot.is_up):
            self._stop(slot, "terminate")

    def terminate_twice(self, choice: random.Random) -> None:
        """Ask one to stop, and again while it is about to."""
        if slot := self._choose(choice, Slot.is_up):
            self._stop(slot, "terminate twice", choice.uniform(0.01, 2))

    def redeploy(self, choice: random.Random) -> None:
        """Change the schedule, and let one process go and come with it."""
        self._deployed += 1
        self.world.deploy(self._deployed)
        self.terminate(choice)

    def change_environment(self, choice: random.Random, *, everywhere: bool) -> None:
        """Change which jobs processes are set to run, and let one go and come with that, or all."""
        now_in_force = self.world.environment_of_processes
        others = [each for each in ENVIRONMENTS if each is not now_in_force]
        self.world.environment_of_processes = choice.choice(others)
        if not everywhere:
            self.terminate(choice)
            return
        for slot in self.supervisor.slots:
            if slot.is_up() and not slot.spared:
                self._stop(slot, "terminate")

    # --- harm to the ledger ---

    def lock(self, choice: random.Random, *, seconds: float) -> None:
        """Hold the lock that every writer needs."""
        with closing(sqlite3.connect(self.world.ledger_file, timeout=30, isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            begin = now()
            self._over.wait(seconds)
            other.execute("ROLLBACK")
        self._note("lock", 0, begin)

    def fill_disk(self, choice: random.Random, *, fails: str) -> None:
        """Let the disk be full for some seconds."""
        begin = now()
        self.world.fill_disk(fails)
        self._over.wait(choice.choice([1, 4, 10]))
        self.world.fill_disk("")
        self._note("full", 0, begin)

    def move_ledger(self, choice: random.Random) -> None:
        """Take the ledger away for some seconds, while no process starts."""
        there, away = self.world.ledger_file, self.world.ledger_file.with_suffix(".away")
        with self.supervisor.gate.shut():
            begin = now()
            there.rename(away)
            self._over.wait(choice.uniform(0.5, 6))
            if there.exists():
                self.oddities.append("the ledger was taken away, and a process made another in its place")
            away.rename(there)
            self._note("moved", 0, begin)

    # --- harm to the clock ---

    def set_ahead(self, choice: random.Random, *, by: int) -> None:
        """Set the clock ahead, for good."""
        self._set_clock(self._offset + by)

    def set_back(self, choice: random.Random, *, by: int) -> None:
        """Set the clock back, and sometimes right again."""
        before = self._offset
        self._set_clock(before - by)
        self._over.wait(choice.uniform(1, 6))
        if choice.random() < 0.5:
            self._set_clock(before)

    def hour_back(self, choice: random.Random) -> None:
        """Set the clock back by an hour; nothing is due then, so that it must not last."""
        before = self._offset
        self._set_clock(before - HOUR)
        self._over.wait(choice.uniform(1, 5))
        self._set_clock(before)

    @property
    def _offset(self) -> int:
        return self.clock.steps[-1][1]

    def _set_clock(self, offset: int) -> None:
        kind = "clock back" if offset < self._offset else "clock ahead"
        begin = now()
        self.clock.steps.append((begin, offset))
        self.world.set_clock(offset)
        self._note(kind, 0, begin)

    # --- what people do ---

    def pause_or_resume(self, choice: random.Random) -> None:
        """Pause a job, or resume one that was paused."""
        if self._paused and (len(self._paused) > 2 or choice.random() < 0.5):
            self._command("resume", choice.choice(sorted(self._paused)))
        else:
            self._command("pause", choice.choice([job for job in PAUSABLE if job not in self._paused]))

    def ask_for_a_run(self, choice: random.Random) -> None:
        """Add a job that runs once, in a while."""
        with self.supervisor.gate.entered():
            begin = now()
            job, tick = self.requester.ask(choice.choice([0, 300, 2_000, 10_000]))
        if tick is None:
            self.refused.append(job)
        else:
            self.requested.append((job, tick, begin))

    def act(self, choice: random.Random) -> None:
        """Let a person add, change or remove a job of a function on offer."""
        with self.supervisor.gate.entered():
            odd = self.requester.act(choice)
        self.oddities += [odd] if odd else []

    def _command(self, what: str, job: str) -> None:
        with self.supervisor.gate.entered():
            begin = now()
            done = self.world.command(what, job)
        self.commands.append(Command(what, job, begin, now(), done.returncode == 0))
        self._say(what)
        if done.returncode == 0:
            self._paused ^= {job}
        elif done.returncode != 1 or "error: the ledger" not in done.stderr:
            self.oddities.append(f"{what} {job} ended with {done.returncode}: {done.stderr.strip()}")

    # --- how it is done ---

    def _choose(
        self,
        choice: random.Random,
        suits: Callable[[Slot], bool],
        *,
        spare: bool = False,
        patience: float = 2.0,
    ) -> Slot | None:
        """Return a slot that suits and that no other fault uses; None if there is none for long."""
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline and not self._over.is_set():
            found = [slot for slot in self.supervisor.slots if suits(slot) and not slot.spared]
            if found:
                slot = choice.choice(found)
                slot.spared = spare
                return slot
            time.sleep(0.02)
        return None

    def _kill(self, slots: Sequence[Slot], kind: str) -> None:
        begin = now()
        processes = [_popen(slot) for slot in slots]
        for popen in processes:
            popen.kill()
        for popen in processes:
            popen.wait()
            self._note(kind, popen.pid, begin)

    def _stop(self, slot: Slot, kind: str, again_after: float | None = None) -> None:
        popen = _popen(slot)
        begin = now()
        popen.send_signal(signal.SIGTERM)
        if again_after is not None:
            time.sleep(again_after)
            popen.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + 60
        while popen.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        if popen.poll() is None:
            self.oddities.append(f"process {popen.pid} did not end within a minute of SIGTERM")
            popen.kill()
        self._note(kind, popen.pid, begin)

    def _note(self, kind: str, pid: int, begin: int) -> None:
        self.faults.append(Fault(kind, pid, begin, now()))
        if kind != "busy":
            self._say(kind)

    def _watch_the_processor(self) -> None:
        self._watch(lambda: time.sleep(0.02))

    def _watch_the_disk(self) -> None:
        with (self.world.folder / "disk-probe").open("wb", buffering=0) as file:

            def write() -> None:
                file.write(b".")
                os.fsync(file.fileno())

            self._watch(write, every=0.2)

    def _watch(self, what: Callable[[], None], every: float = 0) -> None:
        """Note when what takes a moment takes long: then the machine is out of breath."""
        while not self._ended.wait(every):
            begin = now()
            what()
            if now() - begin > _GASP * SECOND:
                self._note("busy", 0, begin)


def _popen(slot: Slot) -> subprocess.Popen[bytes]:
    assert slot.process is not None
    return slot.process.popen
