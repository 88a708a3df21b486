"""What jobs break of what all code of a process shares: it goes on, and is put back."""

from __future__ import annotations

import io
import sys
import threading
from typing import Any

import pytest
from everytick import AsyncIOScheduler
from everytick.engine import repair
from loguru import logger


async def test_a_log_line_that_cannot_be_written_is_no_error_of_who_logs_it(
    scheduler: AsyncIOScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_message: Any) -> None:
        raise ValueError("I/O operation on closed file")

    closed = io.StringIO()
    closed.close()
    async with scheduler:
        sink = logger.add(broken)
        try:
            for stream in (closed, object(), None):
                monkeypatch.setattr(sys, "stderr", stream)
                logger.info("a line of the engine")
        finally:
            logger.remove(sink)


def test_the_hooks_without_which_no_thread_can_be_started_are_put_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(threading, "excepthook", None)
    monkeypatch.setattr(sys, "excepthook", None)
    with pytest.raises(RuntimeError):
        threading.Thread()
    repair.put_back("before this run")
    threading.Thread()
