"""Names the job whose coroutine blocks the event loop (R12)."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from loguru import logger

# While no run is under way, the loop is asked at every fifth look only.
_SELDOM = 5


class Watchdog:
    """Asks the event loop for an answer; looked at once a second from another thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting = False
        self._looks = 0
        # Whether the loop did not answer between the last two looks.
        self.stalled = False

    def look(self, *, busy: bool) -> None:
        """Warn, once for each stall, if the loop has not answered since the last look.

        While no run is under way (not `busy`), only something of an application around it can block the loop:
        then it is seldom asked, so that it can sleep.
        """
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
        self._looks += 1
        if not busy and self._looks % _SELDOM:
            return
        self._waiting = True
        # A loop that was closed meanwhile is nobody's any more.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._answer)

    def _answer(self) -> None:
        self._waiting = self.stalled = False
