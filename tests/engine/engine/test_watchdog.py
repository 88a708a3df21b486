"""The look at the event loop, while another thread ends the process or the loop."""

from __future__ import annotations

import asyncio

import pytest
from everytick import AsyncIOScheduler
from everytick.engine.watchdog import Watchdog

from inside import log as log


def test_a_loop_that_was_closed_is_not_asked(log: list[str]) -> None:
    loop = asyncio.new_event_loop()
    watchdog = Watchdog(loop, lambda: None)
    loop.close()
    watchdog.look(busy=True)
    assert log == []


async def test_a_process_that_ends_during_the_look_has_a_quiet_pulse(
    scheduler: AsyncIOScheduler, log: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seen under gunicorn: its workers end the schedule from another thread, at any moment."""
    looked = asyncio.Event()
    async with scheduler:
        loop = asyncio.get_running_loop()

        def look(_watchdog: Watchdog, *, busy: bool) -> None:
            assert scheduler._process is not None
            scheduler._process._watchdog = None
            loop.call_soon_threadsafe(looked.set)

        monkeypatch.setattr(Watchdog, "look", look)
        async with asyncio.timeout(10):
            await looked.wait()
    assert not [line for line in log if "pulse failed" in line]
