"""Names the job whose coroutine blocks the event loop (R12)."""

from __future__ import annotations

import asyncio

from loguru import logger


class Watchdog:
    """Asks the event loop for an answer; looked at once a second from another thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting = False
        # Whether the loop did not answer between the last two looks.
        self.stalled = False

    def look(self) -> None:
        """Warn, once for each stall, if the loop has not answered since the last look."""
        if self._waiting:
            if not self.stalled:
                self.stalled = True
                task = asyncio.current_task(self._loop)
                logger.warning(
                    "{} blocks the event loop; everything else on it waits (use a plain function"
                    " or asyncio.to_thread for what takes long)",
                    task.get_name() if task else "something outside of any task",
                )
            return
        self._waiting = True
        self._loop.call_soon_threadsafe(self._answer)

    def _answer(self) -> None:
        self._waiting = self.stalled = False
