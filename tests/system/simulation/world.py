"""Simulated time, and simulated processes whose threads are steps of one loop.

Each thread is a greenlet: it goes on until it waits for something, and tells the world until when. So nothing
happens at the same time, nothing depends on the real clock, and the same seed gives the same history.
"""

from __future__ import annotations

import heapq
import random
from asyncio import AbstractEventLoop
from asyncio.events import _set_running_loop
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from everytick.model.ticks import present
from everytick.store import workers
from greenlet import GreenletExit, getcurrent, greenlet

# Nanoseconds.
MILLISECOND = 1_000_000
SECOND = 1_000 * MILLISECOND
# The monotonic clock does not begin with 0, as that of a machine that has been up for a while.
_BEGIN = 100_000 * SECOND
# How long it takes at most until a thread that was woken goes on.
_LATENCY = MILLISECOND // 10
# A world that takes more does not come to an end.
_MOST_STEPS = 150_000


class Ended(GreenletExit):
    """Raised in a thread whose process has ended."""


class Program:
    """One process of the simulated machine.

    loop: the event loop of its main thread. memory: its share of what is global in the interpreter.
    """

    def __init__(self, world: World, pid: int, name: str, host: int) -> None:
        self.world, self.pid, self.name, self.host = world, pid, name, host
        self.random = random.Random(f"{world.seed} {name} {pid}")
        self.alive, self.frozen = True, False
        self.threads: list[Thread] = []
        self.deferred: list[tuple[Thread, int, bool]] = []
        self.loop: Any = None
        self.memory: tuple[Any, ...] = (None, set())
        # Called when it ends, whatever ends it: the machine lets go of what it held.
        self.at_end: list[Callable[[], None]] = []

    def start(self, target: Callable[..., object], *args: Any, name: str = "") -> Thread:
        """Start a thread."""
        thread = Thread(self, target, args, name)
        self.threads.append(thread)
        self.world.wake(thread)
        return thread

    def end(self) -> None:
        """End at once, as by SIGKILL. The thread that calls this goes on, and should return soon."""
        if not self.alive:
            return
        self.alive = False
        for let_go in self.at_end:
            let_go()
        threads, self.threads, self.deferred = self.threads, [], []
        with self.world.visiting(self):
            for thread in threads:
                self.world.unwind(thread)
            if self.loop is not None:
                self.loop.abandon()

    def freeze(self) -> None:
        """Let it do nothing, as by SIGSTOP. Its clocks go on."""
        self.frozen = True

    def thaw(self) -> None:
        """Let it go on."""
        self.frozen = False
        deferred, self.deferred = self.deferred, []
        for thread, turn, woken in deferred:
            self.world.schedule(self.world.now, thread, turn, woken)


class Thread:
    """One thread of a process. Behaves like `threading.Thread` as far as the engine uses that."""

    daemon = True

    def __init__(self, program: Program, target: Callable[..., object], args: tuple[Any, ...], name: str):
        self.program, self.name, self.ident = program, name, id(self)
        self._target, self._args = target, args
        # Counts the times that it waited, so that what would have woken it earlier does not wake it later.
        self.turn = 0
        # Set while it runs an event loop.
        self.loop: AbstractEventLoop | None = None
        self.is_over = False
        self._joining: list[Thread] = []
        self.greenlet = greenlet(self._run, parent=program.world.hub)

    def _run(self, _woken: bool) -> None:
        try:
            self._target(*self._args)
        except GreenletExit:
            pass
        except BaseException as problem:
            # What a process does while it is killed happens no more.
            if self.program.alive:
                self.program.world.problems.append(problem)
        finally:
            self.finish()

    def finish(self) -> None:
        """Let those go on that wait for its end."""
        self.is_over = True
        joining, self._joining = self._joining, []
        for other in joining:
            self.program.world.wake(other)

    def is_alive(self) -> bool:
        """Return whether it has not ended."""
        return not self.is_over

    def join(self, timeout: float | None = None) -> None:
        """Wait until it has ended, or for so many seconds."""
        world = self.program.world
        until = None if timeout is None else world.now + int(timeout * SECOND)
        while not self.is_over:
            self._joining.append(world.thread)
            if not world.wait(until):
                return


class World:
    """The machine: its clock, its processes, and whose turn it is.

    problems: errors that ended a thread. steps: how many there were.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.now = _BEGIN
        self.hub = getcurrent()
        self.problems: list[BaseException] = []
        self.programs: list[Program] = []
        self.steps = 0
        self._most_steps = _MOST_STEPS
        self._random = random.Random(f"{seed} latencies")
        self._heap: list[tuple[int, int, Thread, int, bool]] = []
        self._number = 0
        self._thread: Thread | None = None
        self._entered: Program | None = None
        self._over = False

    @property
    def thread(self) -> Thread:
        """The thread whose step this is."""
        assert self._thread is not None
        return self._thread

    @property
    def program(self) -> Program:
        """The process whose step this is."""
        assert self._thread is not None
        return self._thread.program

    def new_program(self, name: str, host: int = 0) -> Program:
        """Return a process that has no thread yet."""
        program = Program(self, 1_001 + len(self.programs), name, host)
        self.programs.append(program)
        return program

    def schedule(self, at: int, thread: Thread, turn: int, woken: bool) -> None:
        """Let a thread go on at an instant, unless it did so before."""
        self._number += 1
        heapq.heappush(self._heap, (at, self._number, thread, turn, woken))

    def wake(self, thread: Thread) -> None:
        """Let a thread that waits go on."""
        self.schedule(self.now + int(self._random.random() * _LATENCY), thread, thread.turn, True)

    def wait(self, until: int | None = None) -> bool:
        """Let this thread wait until it is woken, or an instant; return whether it was woken."""
        me = self._thread
        assert me is not None
        program = me.program
        if not program.alive:
            raise Ended
        me.turn += 1
        if until is not None:
            # No timer is exact, and there is no loop through which no time passes.
            at = until + 1 + int(self._random.random() * _LATENCY)
            if self._is_next(at):
                # Nobody could wake it before that.
                self.steps += 1
                self.now = max(self.now, at)
                return False
            self.schedule(at, me, me.turn, False)
        woken: bool = self.hub.switch()
        if not program.alive:
            raise Ended
        return woken

    def _is_next(self, at: int) -> bool:
        """Return whether nothing happens before an instant: its thread need not be left until then."""
        heap = self._heap
        return (not heap or at < heap[0][0]) and self.steps < self._most_steps and not self._over

    def sleep(self, nanoseconds: int) -> None:
        """Let this thread wait for a time."""
        until = self.now + max(0, nanoseconds)
        while self.wait(until):
            pass

    def run(self) -> None:
        """Let time pass until nothing is left to happen, or somebody calls `stop`."""
        self.hub = getcurrent()
        heap, running = self._heap, None
        self._most_steps = self.steps + _MOST_STEPS
        _set_running_loop(None)
        while heap and not self._over and self.steps < self._most_steps:
            at, _number, thread, turn, woken = heapq.heappop(heap)
            program = thread.program
            if thread.turn != turn or not program.alive or thread.is_over:
                continue
            if program.frozen:
                program.deferred.append((thread, turn, woken))
                continue
            if at > self.now:
                self.now = at
            self.steps += 1
            if self._entered is not program:
                self._enter(program)
            self._thread = thread
            if thread.loop is not running:
                _set_running_loop(thread.loop)
            thread.greenlet.switch(woken)
            # It may have begun to run one, or have run it to its end.
            running = thread.loop
        _set_running_loop(None)
        self._thread = None

    def stop(self) -> None:
        """Let `run` return."""
        self._over = True

    def unwind(self, thread: Thread) -> None:
        """Let a thread of a process that has ended leave what it is in, unless it is the one that calls."""
        me = getcurrent()
        if thread.greenlet is not me and thread.greenlet:
            self._thread = thread
            # Where the thread has ended, the one that goes on is this one.
            thread.greenlet.parent = me
            with suppress(BaseException):
                thread.greenlet.throw(Ended)
        # One that had not begun cannot say so itself.
        thread.finish()

    @contextmanager
    def visiting(self, program: Program) -> Iterator[None]:
        """Be in another process meanwhile."""
        entered, thread = self._entered, self._thread
        self._enter(program)
        try:
            yield
        finally:
            self._thread = thread
            self._enter(entered)

    def _enter(self, program: Program | None) -> None:
        """Put the memory of a process in the place of that of the one before.

        That is what each process of the engine has for itself, and what is global in this interpreter.
        """
        if self._entered is not None:
            self._entered.memory = present._ahead, workers.ALIVE_HERE
        if program is not None:
            present._ahead, workers.ALIVE_HERE = program.memory
        self._entered = program
