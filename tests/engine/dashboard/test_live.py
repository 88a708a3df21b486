"""Open pages are told of changes: soon, by one who looks, and only while somebody listens."""

from __future__ import annotations

import asyncio
import functools
import os
import sqlite3
import threading
from collections.abc import AsyncGenerator, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from everytick.dashboard import live
from everytick.dashboard.answers import Answers
from everytick.dashboard.live import Live
from everytick.dashboard.sessions import EndedSessions
from everytick.store.database import Ledger
from everytick.store.opening import ledger_at
from everytick.system import use

from inside import scheduler_settings, until


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """A ledger that was just made."""
    with scheduler_settings(tmp_path):
        made = ledger_at(f"sqlite:///{tmp_path / 'ledger.db'}")
        made.prepare()
        yield made


def write(ledger: Ledger) -> None:
    """Let another connection commit something."""
    connection = ledger.connect()
    connection.execute("UPDATE scheduler_ledger_version SET version_num = version_num")
    connection.close()


def is_full(listeners: Live) -> bool:
    """Return whether nobody more can listen, as it is now."""
    return listeners.full


def all_have(told: list[list[bytes]], number: int) -> bool:
    """Return whether all have heard so much."""
    return all(len(events) == number for events in told)


async def heard(listeners: Live, events: list[bytes]) -> None:
    """Listen, and note down what comes."""
    stream = listeners.changes()
    while True:
        try:
            events.append(await anext(stream))
        except StopAsyncIteration:
            return


@pytest.mark.full
async def test_all_listeners_hear_of_a_change_from_one_who_looks(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, nothing_left_behind: None
) -> None:
    monkeypatch.setattr(live, "LOOK_SECONDS", 0.02)
    listeners = Live(ledger, Answers(), 8)
    told: list[list[bytes]] = [[] for _ in range(5)]
    tasks = [asyncio.create_task(heard(listeners, events)) for events in told]
    await until(lambda: listeners.looks > 2)
    assert all(len(events) == 1 for events in told)
    for _ in range(2):
        before = len(told[0])
        write(ledger)
        await until(functools.partial(all_have, told, before + 1))
    assert {event for events in told for event in events[1:]} == {b"event: ledger\ndata: 1\n\n"}

    # Nobody listens any more: nobody looks.
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await until(lambda: listeners._looking is not None and listeners._looking.done())
    looks = listeners.looks
    write(ledger)
    await asyncio.sleep(0.1)
    assert listeners.looks == looks

    again = asyncio.create_task(heard(listeners, told[0]))
    await until(lambda: listeners.looks > looks)
    listeners.close()
    await asyncio.wait_for(again, 5)
    await until(lambda: listeners._looking is not None and listeners._looking.done())
    assert listeners.full


@pytest.mark.full
async def test_a_ledger_that_is_replaced_or_goes_away_is_a_change(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, nothing_left_behind: None
) -> None:
    monkeypatch.setattr(live, "LOOK_SECONDS", 0.02)
    listeners, events = Live(ledger, Answers(), 8), list[bytes]()
    task = asyncio.create_task(heard(listeners, events))
    await until(lambda: listeners.looks > 2)
    copy = ledger.path.with_name("copy.db")
    with closing(sqlite3.connect(ledger.path)) as old, closing(sqlite3.connect(copy)) as new:
        old.backup(new)
    os.replace(copy, ledger.path)
    await until(lambda: len(events) == 2)
    ledger.path.unlink()
    await until(lambda: len(events) == 3)
    listeners.close()
    await asyncio.wait_for(task, 5)
    await until(lambda: listeners._looking is not None and listeners._looking.done())


async def test_no_more_listeners_than_there_is_room_for(ledger: Ledger, nothing_left_behind: None) -> None:
    listeners = Live(ledger, Answers(), 8)
    streams = [listeners.changes() for _ in range(8)]
    for stream in streams:
        assert not is_full(listeners)
        await anext(stream)
    assert is_full(listeners)
    for stream in streams:
        await stream.aclose()
    assert not is_full(listeners)
    await until(lambda: listeners._looking is not None and listeners._looking.done())


async def test_a_page_that_opens_as_the_last_one_closes_is_told(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the one who looked lets go of the ledger only when its thread is out of it."""
    monkeypatch.setattr(live, "LOOK_SECONDS", 0.05)
    inside: list[live._Watch] = []
    real_changed, real_close = live._Watch.changed, live._Watch.close
    slowly = threading.Event()

    def changed(self: live._Watch) -> bool:
        inside.append(self)
        slowly.wait(0.3)
        found = real_changed(self)
        inside.remove(self)
        return found

    closed: list[bool] = []

    def close(self: live._Watch) -> None:
        if threading.current_thread() is threading.main_thread():
            closed.append(self in inside)
        real_close(self)

    monkeypatch.setattr(live._Watch, "changed", changed)
    monkeypatch.setattr(live._Watch, "close", close)
    listeners = Live(ledger, Answers(), 8)
    first: Any = listeners.changes()
    await anext(first)
    await until(lambda: inside)
    await first.aclose()
    events: list[bytes] = []
    second = asyncio.create_task(heard(listeners, events))
    # The one who looked for the first page has seen that its thread was done.
    await until(lambda: closed)
    assert closed == [False]
    await until(lambda: listeners.looks >= 3)
    write(ledger)
    await until(lambda: len(events) >= 2)
    listeners.close()
    await second


async def test_a_page_that_stays_open_hears_nothing_after_the_sign_out(ledger: Ledger) -> None:
    async def events() -> AsyncGenerator[bytes, None]:
        while True:
            yield b"event"

    ended, present = EndedSessions(ledger), [1000.0]
    with use(monotonic=lambda: present[0]):
        told = live._while_signed_in(b"first", events(), ended, "a session")
        by_token = live._while_signed_in(b"first", events(), ended, "")
        assert [await anext(told) for _ in range(3)] == [b"first", b"event", b"event"]
        await ended.end("a session")
        assert [event async for event in told] == []
        assert [await anext(by_token) for _ in range(3)] == [b"first", b"event", b"event"]
