"""The limit: one timer of the event loop for each job and a task for each run; nothing else."""

from __future__ import annotations

import asyncio
import signal
import time

from recording import coroutine, ready, starts, work


async def main() -> None:
    """Run until SIGTERM."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    tasks = set()
    offset = loop.time() - time.time()

    def fire(number: int, due: float) -> None:
        task = loop.create_task(coroutine(number))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        loop.call_at(due + 1.0, fire, number, due + 1.0)

    for number, first in enumerate(starts(work())):
        loop.call_at(first + offset, fire, number, first + offset)
    ready()
    await stop.wait()


asyncio.run(main())
