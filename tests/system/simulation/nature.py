"""Does to the world what its plan says, keeps processes running, and records all of it for the checker."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from everytick import AsyncIOScheduler
from everytick.settings import SchedulerSettings

from simulation import bodies
from simulation.disk import Disk
from simulation.engine import EngineProcess
from simulation.people import ASKED, People
from simulation.plan import Act, Plan
from simulation.seam import WallClock
from simulation.world import MILLISECOND, SECOND, World
from torture.history import Command, Fault, Life, WorldClock
from torture.jobs import ENVIRONMENTS, EVERYTHING

# How long after the end of a process the next one begins, in seconds.
_PAUSES = (0.0, 0.1, 0.5, 2.0)
# How long it takes at most until a process has ended that is asked to, and until all are up, in seconds.
_PATIENCE = 60
# How long it takes at most until all is over that is done to a world: a run may take down six processes.
_OVER = 240
# How long it takes at most until a run begins again that was cut off with its process, in seconds.
_RESCUED = 25
_LOOK = 20 * MILLISECOND


class Slot:
    """A place in which one process of the engine runs after the other."""

    def __init__(self, number: int, seed: int) -> None:
        self.number = number
        self.random = random.Random(f"{seed} slot {number}")
        self.process: EngineProcess | None = None
        # How long it stays empty at least after the next end of its process, in seconds.
        self.pause = 0.0
        # Whether the next process begins at once, together with those of other places.
        self.at_once = False


class Nature:
    """All that happens to the processes of one world."""

    def __init__(
        self,
        world: World,
        plan: Plan,
        clock: WallClock,
        disk: Disk,
        settings: SchedulerSettings,
        declare: Callable[[AsyncIOScheduler, int], None],
    ) -> None:
        self.faults: list[Fault] = []
        self.commands: list[Command] = []
        self.oddities: list[str] = []
        self.clock = WorldClock(clock.base // 1000)
        self.until = 0
        self._world, self._plan, self._wall, self._disk = world, plan, clock, disk
        self._settings, self._declare = settings, declare
        self.people = People(world, disk, settings, plan.jobs)
        self._slots = [Slot(number, plan.seed) for number in range(plan.slots)]
        self._processes: list[EngineProcess] = []
        self._by_pid: dict[int, EngineProcess] = {}
        self._deployed, self._closing = 0, False
        # Of the processes that begin from now on.
        self._environment = EVERYTHING
        self._paused: set[str] = set()
        self._program = world.new_program("nature")
        self._under_way = 0

    def begin(self) -> None:
        """Start everything; `world.run` then goes on to the end."""
        self._program.start(self._direct, name="director")

    def lives(self) -> list[Life]:
        """Return all processes that there were, when all have ended."""
        for process in self._processes:
            if process.alive:
                self.oddities.append(f"the world did not come to an end: process {process.pid} goes on")
                process.kill()
        return [process.life() for process in self._processes]

    def process_of(self, pid: int) -> EngineProcess | None:
        """Return the process of the engine that has a pid."""
        return self._by_pid.get(pid)

    # --- the course of things ---

    def _direct(self) -> None:
        begin = self._now
        for slot in self._slots:
            self._program.start(self._keep, slot, name="keeper")
        for act in self._plan.acts:
            self._sleep_until(begin + int(act.at * 1e6))
            self._under_way += 1
            self._program.start(self._do, act, name=act.kind)
        self._sleep_until(begin + int(self._plan.seconds * 1e6))
        if not self._wait_until(lambda: not self._under_way, _OVER):
            self.oddities.append("what is done to the world did not come to an end")
        self._quiet()
        self._world.stop()

    def _quiet(self) -> None:
        # Where the clock was furthest no tick is accounted for that is still to come.
        self._set_clock(max(offset for _, offset in self.clock.steps))
        for job in sorted(self._paused):
            self.oddities.append(f"{job} could not be resumed within a minute")
        self._wait_until_all_are_up()
        self._environment = EVERYTHING
        for slot in self._slots:
            if slot.process is not None and slot.process.environment is not EVERYTHING:
                self._terminate(Act(0, "terminate", slot.number))
        self._wait_until_all_are_up()
        self._world.sleep(self._plan.quiet * SECOND)
        self.until = self.clock.shows(self._now)
        self._closing = True
        for slot in self._slots:
            assert slot.process is not None
            begin = self._now
            slot.process.terminate()
            self._await_end(slot.process, "terminate", begin)

    def _wait_until_all_are_up(self) -> None:
        self._wait_until(lambda: all(slot.process and slot.process.is_up() for slot in self._slots))

    def _keep(self, slot: Slot) -> None:
        while not self._closing:
            deployed = self._deployed
            slot.process = process = EngineProcess(
                self._world,
                self._disk,
                self._settings,
                lambda scheduler: self._declare(scheduler, deployed),  # noqa: B023 (called within)
                f"slot {slot.number}",
                # As in a container that is made anew each time.
                len(self._processes) if self._plan.apart else 0,
                deployed,
                self._environment,
            )
            self._processes.append(process)
            self._by_pid[process.pid] = process
            process.wait()
            pause, slot.pause = max(slot.pause, slot.random.choice(_PAUSES)), 0.0
            at_once, slot.at_once = slot.at_once, False
            self._world.sleep(1 if at_once else int(pause * SECOND) + 1)

    def _do(self, act: Act) -> None:
        try:
            _ACTS[act.kind](self, act)
        finally:
            self._under_way -= 1

    # --- harm to processes ---

    def _kill(self, act: Act) -> None:
        process = self._slots[act.slot].process
        if process is not None and process.alive:
            young = not process.is_up(0.5)
            self._slots[act.slot].pause = act.seconds
            process.kill()
            self._note("kill young" if young else "kill", process.pid, self._now)

    def _poison(self, act: Act) -> None:
        """Kill the process of a run each time that it begins, as a run does that takes down its process."""
        starts, seen, run, kills = bodies.marks.starts, len(bodies.marks.starts), 0, 0
        give_up = self._world.now + _RESCUED * SECOND
        while kills < act.number and self._world.now < give_up:
            begun, seen = starts[seen:], len(starts)
            found = next((it for it in begun if it.job == act.job and it.run == (run or it.run)), None)
            if found is None:
                self._world.sleep(_LOOK)
                continue
            run, process = found.run, self.process_of(found.pid)
            self._world.sleep(int(act.seconds * SECOND))
            if process is not None and process.alive:
                process.kill()
                self._note("kill", process.pid, self._now)
                kills, give_up = kills + 1, self._world.now + _RESCUED * SECOND

    def _kill_all(self, act: Act) -> None:
        for slot in self._slots:
            if slot.process is not None and slot.process.alive:
                slot.process.kill()
                self._note("kill all", slot.process.pid, self._now)

    def _stop(self, act: Act) -> None:
        process = self._slots[act.slot].process
        if process is None or not process.is_up() or process.program.frozen:
            return
        begin = self._now
        process.program.freeze()
        # Inside of a transaction: then no other process can write.
        locks = self._disk.is_held_by(process.program)
        self._world.sleep(int(act.seconds * SECOND))
        process.program.thaw()
        self._note("stop", process.pid, begin)
        if locks:
            self._note("lock", 0, begin)

    def _terminate(self, act: Act) -> None:
        process = self._slots[act.slot].process
        if process is None or not process.is_up():
            return
        begin = self._now
        process.terminate()
        if act.kind == "terminate twice":
            self._world.sleep(int(act.seconds * SECOND))
            process.terminate()
        self._await_end(process, act.kind, begin)

    def _redeploy(self, act: Act) -> None:
        self._deployed += 1
        self._terminate(Act(act.at, "terminate", act.slot))

    def _redeploy_all(self, act: Act) -> None:
        self._deployed += 1
        self._restart_all(act)

    def _set_one(self, act: Act) -> None:
        self._environment = ENVIRONMENTS[act.number]
        self._terminate(Act(act.at, "terminate", act.slot))

    def _set_all(self, act: Act) -> None:
        self._environment = ENVIRONMENTS[act.number]
        self._restart_all(act)

    def _restart_all(self, act: Act) -> None:
        for slot in self._slots:
            slot.at_once = True
        self._terminate_each(act)

    def _terminate_all(self, act: Act) -> None:
        for slot in self._slots:
            slot.pause = act.seconds
        self._terminate_each(act)

    def _terminate_each(self, act: Act) -> None:
        # What is done to the world is over when they have ended: it may be the last thing.
        each = (Act(act.at, "terminate", slot.number) for slot in self._slots)
        ending = [self._program.start(self._terminate, it, name="terminate") for it in each]
        for thread in ending:
            thread.join()

    def _storm(self, act: Act) -> None:
        for slot in self._slots:
            slot.at_once = True
        self._kill_all(act)

    def _await_end(self, process: EngineProcess, kind: str, begin: int) -> None:
        if not process.wait(_PATIENCE):
            self.oddities.append(f"process {process.pid} did not end within a minute of SIGTERM")
            process.kill()
        self._note(kind, process.pid, begin)

    # --- harm to the ledger ---

    def _lock(self, act: Act) -> None:
        if not self._wait_until(lambda: self._disk.holder is None):
            return
        self._disk.holder, begin = act, self._now
        self._world.sleep(int(act.seconds * SECOND))
        self._disk.unlock(act)
        self._note("lock", 0, begin)

    def _full(self, act: Act) -> None:
        begin, self._disk.full = self._now, act.kind.removeprefix("full ")
        self._world.sleep(int(act.seconds * SECOND))
        self._disk.full = ""
        self._note("full", 0, begin)

    def _moved(self, act: Act) -> None:
        begin, self._disk.away = self._now, True
        self._world.sleep(int(act.seconds * SECOND))
        self._disk.away = False
        self._note("moved", 0, begin)

    def _slow(self, act: Act) -> None:
        begin, self._disk.slow = self._now, act.number * MILLISECOND
        self._world.sleep(int(act.seconds * SECOND))
        self._disk.slow = 0
        self._note("busy", 0, begin)

    def _lost(self, act: Act) -> None:
        begin, self._disk.lost = self._now, act.number
        self._world.sleep(int(act.seconds * SECOND))
        self._disk.lost = 0
        self._note("full", 0, begin)

    # --- harm to the clock ---

    def _step(self, act: Act) -> None:
        before = self.clock.steps[-1][1]
        self._set_clock(before + act.number * 1_000_000)
        if act.seconds:
            self._world.sleep(int(act.seconds * SECOND))
            self._set_clock(before)

    def _set_clock(self, offset: int) -> None:
        kind = "clock back" if offset < self.clock.steps[-1][1] else "clock ahead"
        begin = self._now
        self.clock.steps.append((begin, offset))
        self._wall.offset = offset * 1000
        self._note(kind, 0, begin)

    # --- what people do ---

    def _ask(self, act: Act) -> None:
        self.people.ask_for(act)

    def _pause(self, act: Act) -> None:
        if act.job in self._plan.jobs and act.job not in self._paused and self._command("pause", act.job):
            self._world.sleep(int(act.seconds * SECOND))
            self._wait_until(lambda: self._command("resume", act.job))

    def _command(self, what: str, job: str) -> bool:
        begin = self._now
        done = self.people.command(what, job)
        self.commands.append(Command(what, job, begin, self._now, done))
        if done:
            # Two may pause it at once.
            (self._paused.add if what == "pause" else self._paused.discard)(job)
        return done

    # --- how it is done ---

    @property
    def _now(self) -> int:
        """Microseconds, as the checker counts."""
        return self._world.now // 1000

    def _note(self, kind: str, pid: int, begin: int) -> None:
        self.faults.append(Fault(kind, pid, begin, self._now))

    def _sleep_until(self, instant: int) -> None:
        self._world.sleep(instant * 1000 - self._world.now)

    def _wait_until(self, is_so: Callable[[], Any], patience: int = _PATIENCE) -> bool:
        """Look again and again whether something is so; False if the patience is over, in seconds."""
        give_up = self._world.now + patience * SECOND
        while not is_so():
            if self._world.now >= give_up:
                return False
            self._world.sleep(_LOOK)
        return True


_ACTS: dict[str, Callable[[Nature, Act], None]] = {
    "kill": Nature._kill,
    "kill all": Nature._kill_all,
    "poison": Nature._poison,
    "stop": Nature._stop,
    "terminate": Nature._terminate,
    "terminate twice": Nature._terminate,
    "terminate all": Nature._terminate_all,
    "redeploy": Nature._redeploy,
    "redeploy all": Nature._redeploy_all,
    "set one": Nature._set_one,
    "set all": Nature._set_all,
    "storm": Nature._storm,
    "lock": Nature._lock,
    "full write": Nature._full,
    "full commit": Nature._full,
    "moved": Nature._moved,
    "slow": Nature._slow,
    "lost": Nature._lost,
    "set clock": Nature._step,
    "pause": Nature._pause,
    **dict.fromkeys(ASKED, Nature._ask),
}
