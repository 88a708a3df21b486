"""The pulse of a process, which takes over what waits for another attempt."""

from __future__ import annotations

import functools
import threading
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from everytick import AsyncIOScheduler
from everytick.engine import heartbeats
from everytick.engine.registry import Registry
from everytick.store import statements
from everytick.store import writer as writer_module
from everytick.store.connections import Connection, transaction
from everytick.store.opening import ledger_at
from everytick.store.writer import Writer

from inside import rows, until
from ledgers import change, found_in
from waiting import wait_for

NOTE = {"now": 0, "who": "test", "action": "pause", "job_id": None, "run_id": None}


@pytest.mark.full
def test_the_pulse_keeps_no_step_with_the_ticks(tmp_path: Path) -> None:
    # In step with a job's ticks it finds the job's only place reserved for the next one, every time: what was
    # cut off would wait for as long as the schedule runs.
    ledger = ledger_at(f"sqlite:///{tmp_path / 'ledger.db'}")
    ledger.prepare()
    beats: list[float] = []
    writer = Writer(ledger, lambda _: beats.append(time.monotonic()), pulse_seconds=0.1)
    writer.start()
    wait_for(lambda: len(beats) > 20, "the pulse")
    writer.close()
    # A busy machine makes it late, and never early.
    assert min(later - earlier for earlier, later in pairwise(beats)) < 0.095


@pytest.mark.full
async def test_a_heartbeat_does_not_wake_the_disk_and_all_else_is_written_through_to_it(
    scheduler: AsyncIOScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeats, "BEAT_SECONDS", 0.1)
    said: list[str] = []
    scheduler.add_job(task, "interval", seconds=1, id="job")
    async with scheduler:
        assert scheduler._process is not None
        connection: Any = scheduler._process.writer._connection
        connection.set_trace_callback(lambda text: said.append(" ".join(text.split())))
        await until(lambda: len(rows(scheduler, "succeeded")) > 1 and "PRAGMA synchronous=FULL" in said)
        connection.set_trace_callback(None)
    lasting = True
    for text in said:
        if text.startswith("PRAGMA synchronous"):
            lasting = text.endswith("FULL")
        elif text.startswith(("INSERT", "UPDATE", "DELETE")) and not lasting:
            assert text.startswith("UPDATE scheduler_processes SET beat")
    assert sum(text == "PRAGMA synchronous=NORMAL" for text in said) > 0
    assert sum(text.startswith("INSERT INTO scheduler_runs") for text in said) > 0


async def test_what_a_process_cannot_run_is_written_when_it_changes_or_its_row_is_new(
    scheduler: AsyncIOScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeats, "BEAT_SECONDS", 0.02)
    problems: list[str | None] = [None]
    monkeypatch.setattr(Registry, "cannot_run", lambda _self: problems[-1])
    said: list[str] = []

    def kept() -> list[str | None]:
        return [row["cannot_run"] for row in found_in(scheduler.ledger, "SELECT * FROM scheduler_processes")]

    def soon(condition: bool) -> bool:
        """Let the next heartbeat come now, and not within a second, unless the condition holds."""
        assert scheduler._process is not None
        scheduler._process.writer.hurry()
        return condition

    async def writes(text: str | None) -> int:
        """Return how often it is written, within many heartbeats from when the ledger has it."""
        problems.append(text)
        await until(lambda: soon(kept() == [text]))
        at = len(said)
        await until(lambda: soon(sum("SET beat" in one for one in said[at:]) > 5))
        found = sum("SET cannot_run" in one for one in said)
        said.clear()
        return found

    async with scheduler:
        assert scheduler._process is not None
        connection: Any = scheduler._process.writer._connection
        connection.set_trace_callback(said.append)
        assert await writes(None) == 0
        assert await writes('{"job": "it is gone"}') == 1
        assert await writes('{"job": "it is there, and fails"}') == 1
        change(scheduler.ledger, "DELETE FROM scheduler_processes")
        assert await writes('{"job": "it is there, and fails"}') == 1
        assert await writes(None) == 1
        connection.set_trace_callback(None)


def task() -> None:
    """Do nothing."""


def test_commits_get_into_the_file_without_the_writer(tmp_path: Path) -> None:
    ledger = ledger_at(f"sqlite:///{tmp_path / 'ledger.db'}")
    ledger.prepare()
    before = ledger.path.stat().st_size
    of_others = set(threading.enumerate())
    writer = Writer(ledger)
    writer.start()
    # The writer itself would begin to do so only with a log many times as long.
    for number in range(200):
        saying = functools.partial(say, said={**NOTE, "now": number, "note": "x" * 4_000})
        writer.submit(saying).result(10)
    wait_for(lambda: ledger.path.stat().st_size > before + 180 * 4_000, "the file to grow")
    writer.close()
    assert ledger.sizes().keys() == {"ledger"}
    left = {thread.name for thread in set(threading.enumerate()) - of_others}
    assert "scheduler-checkpoints" not in left


def say(connection: Connection, said: dict[str, object]) -> None:
    connection.execute(statements.INSERT_AUDIT, said)


def test_commits_of_the_heartbeat_alone_get_into_the_file_too(tmp_path: Path) -> None:
    # As in an application in which nothing is due for hours: its heartbeats, and no claim and no outcome.
    ledger = ledger_at(f"sqlite:///{tmp_path / 'ledger.db'}")
    ledger.prepare()
    before, pulses = ledger.path.stat().st_size, 0

    def pulse(connection: Connection) -> None:
        nonlocal pulses
        pulses += 1
        with transaction(connection):
            say(connection, {**NOTE, "note": "x" * 4_000})

    writer = Writer(ledger, pulse, pulse_seconds=0.01)
    writer.start()
    wait_for(lambda: ledger.path.stat().st_size > before + 50 * 4_000, "the file to grow")
    writer.close()
    # A commit itself would begin to do so after some thousand pulses, with a log of 80 MB.
    assert pulses < 1_000


def test_it_is_looked_whether_runs_are_entered_only_where_some_are_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_module, "_GLANCE_SECONDS", 0.0)
    ledger = ledger_at(f"sqlite:///{tmp_path / 'ledger.db'}")
    ledger.prepare()
    glances: list[bool] = []

    def glance() -> bool:
        glances.append(True)
        # Once more, as long as something is due.
        return len(glances) < 3

    writer = Writer(ledger, glance=glance, pulse_seconds=60)
    writer.start()
    for _commit in range(3):
        writer.submit(lambda _: None).result(10)
    # Such as outcomes: nobody waits for anything by them.
    assert not glances

    writer.submit(lambda _: writer.glance_soon()).result(10)
    wait_for(lambda: len(glances) == 3, "all that was due to be entered")
    writer.submit(lambda _: None).result(10)
    writer.close()
    assert len(glances) == 3
