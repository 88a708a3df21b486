"""Shows people at a terminal that something takes a while."""

from __future__ import annotations

import sys
import threading
from types import TracebackType
from typing import TYPE_CHECKING

from everytick.system import system

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

AFTER_SECONDS = 2.0


class Progress:
    """Shows a bar on standard error while a block takes longer than two seconds; only on a terminal.

    Output that is printed meanwhile would mix with the bar: print after the block.
    """

    def __init__(self, what: str, after: float | None = None) -> None:
        self._after = AFTER_SECONDS if after is None else after
        self._what, self._fraction = what, 0.0
        self._bar: Bar | None = None
        self._lock = threading.Lock()
        self._ended = system.event()

    def at(self, fraction: float) -> None:
        """Say how much is done, as a share of 1. Without any of these the bar only shows that it goes on."""
        self._fraction = fraction
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], total=1.0, completed=fraction)

    def __enter__(self) -> Progress:
        if sys.stderr.isatty():
            system.start_thread(self._show_if_it_takes_long, name="progress")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._ended.set()
            if self._bar is not None:
                self._bar.stop()

    def _show_if_it_takes_long(self) -> None:
        if not self._ended.wait(self._after):
            self._show()

    def _show(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as Bar

        what = TextColumn("{task.description}", markup=False)
        columns = (what, BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
        with self._lock:
            if self._ended.is_set():
                # The work ended just now.
                return
            # Cleared at the end, before the command prints its answer.
            bar = Bar(*columns, console=Console(stderr=True), transient=True)
            task = bar.add_task(self._what, total=1.0 if self._fraction else None)
            bar.update(task, completed=self._fraction)
            bar.start()
            self._bar = bar
