"""What jobs break of what all code of a process shares: it goes on, and is put back."""

from __future__ import annotations

import io
import sys
import threading
from typing import Any

import pytest
from everytick import AsyncIOScheduler
from everytick.engine import repair
from everytick.masking import hide
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


async def test_a_sink_that_fails_is_told_of_without_secrets_and_without_the_objects_of_jobs(
    scheduler: AsyncIOScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Odd:
        def __repr__(self) -> str:
            raise SystemExit

    def broken(_message: Any) -> None:
        raise ValueError("correct-horse-battery was refused")

    hide("correct-horse-battery")
    terminal = io.StringIO()
    async with scheduler:
        sink = logger.add(broken)
        monkeypatch.setattr(sys, "stderr", terminal)
        try:
            logger.bind(it=Odd()).info("by correct-horse-battery\x1b[2J")
        finally:
            logger.remove(sink)
    said = terminal.getvalue()
    assert f"could not be written by sink {sink}: by *****\\x1b[2J" in said
    assert "ValueError: ***** was refused" in said
    assert "correct-horse" not in said


def test_the_hooks_without_which_no_thread_can_be_started_are_put_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(threading, "excepthook", None)
    monkeypatch.setattr(sys, "excepthook", None)
    with pytest.raises(RuntimeError):
        threading.Thread()
    repair.before_a_run()
    threading.Thread()
