"""The simulated machine in the place of the real one: see `everytick.system`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any, NoReturn

from simulation import threads
from simulation.world import SECOND, Ended, World


class WallClock:
    """The clock of the machine, which can be set. `begins`: what it shows at first, in seconds since 1970.

    base: what it shows, minus what the monotonic clock does, as long as it is not set. offset: by how much it
    was set. Both are nanoseconds.
    """

    def __init__(self, world: World, begins: int) -> None:
        self._world = world
        self.base = begins * SECOND - world.now
        self.offset = 0

    def time_ns(self) -> int:
        return self._world.now + self.base + self.offset


def parts(world: World, clock: WallClock) -> dict[str, Callable[..., Any]]:
    """Return the parts of `system`, as `everytick.system.use` takes them."""

    def start_thread(
        target: Callable[..., object], *, name: str, args: tuple[Any, ...] = (), daemon: bool = True
    ) -> Any:
        return world.program.start(target, *args, name=name)

    def end_process(_code: int) -> NoReturn:
        world.program.end()
        raise Ended

    def is_gone(pid: int) -> bool:
        return not any(program.pid == pid and program.alive for program in world.programs)

    return {
        "time_ns": clock.time_ns,
        "local_now": lambda: datetime.fromtimestamp(clock.time_ns() / SECOND, UTC),
        "monotonic": lambda: world.now / SECOND,
        "monotonic_ns": lambda: world.now,
        "sleep": lambda seconds: world.sleep(int(seconds * SECOND)),
        "uniform": lambda low, high: world.program.random.uniform(low, high),
        "new_id": lambda: f"{world.program.random.getrandbits(128):032x}",
        "new_token": lambda size: f"{world.program.random.getrandbits(8 * size):x}",
        "pid": lambda: world.program.pid,
        "is_gone": is_gone,
        "user_name": lambda: "nobody",
        "has_file_handles": lambda _number: True,
        # None that is there: nothing that is simulated leaves a file.
        "temporary_folder": lambda: "/nowhere/simulated",
        "host_name": lambda: "simulated",
        "host": lambda: f"simulated/{world.program.host}",
        "start_thread": start_thread,
        "thread_pool": partial(threads.Pool, world),
        "in_thread": partial(threads.in_thread, world),
        "event": partial(threads.Event, world),
        "condition": partial(threads.Condition, world),
        "queue": partial(threads.Queue, world),
        "future": partial(threads.SimulatedFuture, world),
        "end_process": end_process,
    }
