"""Notices that the event loop is blocked, and names the job whose coroutine does that (R12)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

from everytick.model import ticks
from everytick.system import system
from loguru import logger

from .admission import Admission

# While no run is under way, the loop is asked at every fifth look only.
_SELDOM = 5
# For how many seconds the loop does not answer that is blocked, and of which that is said.
_BLOCKED_SECONDS, _SAID_SECONDS = 0.2, 0.5


class Watchdog:
    """Asks the event loop for an answer, from another thread.

    `when_answered` is called on the loop when it answers again after it was blocked.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, when_answered: Callable[[], object]) -> None:
        self._loop, self._when_answered = loop, when_answered
        # Since when it owes an answer.
        self._asked_at: float | None = None
        self._is_said = False
        self._looks = 0

    @property
    def stalled(self) -> bool:
        """Whether the loop is blocked, as far as it was asked."""
        return self._is_silent_for(_BLOCKED_SECONDS)

    def ask(self) -> None:
        """Ask the loop, if it owes no answer yet."""
        if self._asked_at is None:
            self._asked_at = system.monotonic()
            # A loop that was closed meanwhile is nobody's any more.
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._answer)

    def look(self, *, busy: bool) -> None:
        """Warn, once for each time, if the loop is blocked. Called about once a second.

        While no run is under way (not `busy`), only something of an application around it can block the loop:
        then it is seldom asked, so that it can sleep.
        """
        if self._is_silent_for(_SAID_SECONDS) and not self._is_said:
            self._is_said = True
            task = asyncio.current_task(self._loop)
            logger.warning(
                "{} blocks the event loop; everything else on it waits (use a plain function"
                " or asyncio.to_thread for what takes long)",
                task.get_name() if task else "something outside of any task",
            )
        self._looks += 1
        if busy or self._looks % _SELDOM == 0:
            self.ask()

    def give_back(self, admission: Admission) -> bool:
        """Give back runs that are due, if the loop is blocked; return whether any is due soon."""
        due, now = admission.first_due(), ticks.now()
        if due is not None and due <= now:
            self.ask()
            if self.stalled:
                admission.requeue_overdue()
        return due is not None and due <= now + ticks.SECOND

    def _is_silent_for(self, seconds: float) -> bool:
        # The loop may answer at this moment.
        asked_at = self._asked_at
        return asked_at is not None and system.monotonic() - asked_at >= seconds

    def _answer(self) -> None:
        was_blocked = self.stalled
        self._asked_at, self._is_said = None, False
        if was_blocked:
            self._when_answered()
