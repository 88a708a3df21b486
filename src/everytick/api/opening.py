"""The opening of a process on a thread, which its caller may give up meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from everytick.system import system

if TYPE_CHECKING:
    from everytick.engine.process import Process


class Opening:
    """Opens a process on a thread; closes it again if nobody wants it any more by then."""

    def __init__(self, open_process: Callable[[], Process]) -> None:
        self._open_process = open_process
        self._lock = threading.Lock()
        self._opened: Process | None = None
        self._wanted = True

    def run(self) -> Process:
        """Open it; from any thread."""
        process = self._open_process()
        with self._lock:
            self._opened = process
            wanted = self._wanted
        if not wanted:
            process.give_up()
        return process

    def give_up(self) -> None:
        """Close it, or let it be closed when it is open: nobody waits for it any more."""
        with self._lock:
            self._wanted = False
            opened = self._opened
        if opened is not None:
            system.start_thread(opened.give_up, name="scheduler-close", daemon=False)
