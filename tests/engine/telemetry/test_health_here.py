"""Is a process of this machine alive? Its files say so; what no restart mends is a remark."""

from __future__ import annotations

import os
import re
import tempfile
import threading
import time
from collections.abc import Callable
from datetime import UTC
from pathlib import Path

import pytest
from everytick import AsyncIOScheduler, liveness
from everytick.doctor.liveness import examine_processes
from everytick.model import ticks
from everytick.store.querying import connect
from everytick.system import use
from everytick.telemetry import health
from loguru import logger

from scraping import said, write


async def test_a_process_tells_its_machine_itself_whether_its_event_loop_answers(
    scheduler: AsyncIOScheduler,
) -> None:
    async with scheduler:
        write(scheduler, "DELETE FROM scheduler_processes")
        found = health.check_here(scheduler.ledger)
        assert (found.ready, found.remarks, found.schedulers) == (True, (), 1)
        later = time.monotonic() + 60
        with use(monotonic=lambda: later):
            found = health.check_here(scheduler.ledger)
        assert not found.ready
        assert re.search(
            r"the event loop of process \d+ has not answered for 1 min: something blocks it", said(found)
        )
    assert said(health.check_here(scheduler.ledger)) == "no process of this machine is up"


async def test_without_files_of_the_processes_the_ledger_tells_of_them(
    scheduler: AsyncIOScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(liveness, "_is_ours", lambda _folder: False)
    async with scheduler:
        assert health.check_here(scheduler.ledger).ready
        now = ticks.now()
        columns = "process_id, host, pid, started_us, beat, beat_us, start_number, pass_us"
        other = f"INSERT INTO scheduler_processes ({columns}) VALUES ('x', 'moon', 7, 0, 1, ?, 1, ?)"
        write(scheduler, other, now, now)
        write(scheduler, "UPDATE scheduler_processes SET pass_us = beat_us - 60000000 WHERE host <> 'moon'")
        assert health.check(scheduler.ledger).ready
        found = health.check_here(scheduler.ledger)
        assert (found.ready, found.schedulers) == (False, 1)
        assert "has not answered for 1 min: something blocks it" in said(found)
        write(scheduler, "DELETE FROM scheduler_processes WHERE host <> 'moon'")
        assert health.check(scheduler.ledger).ready
        assert said(health.check_here(scheduler.ledger)) == "no process of this machine is up"


def of_another(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.mkdir(mode=0o700)
    me = folder.stat().st_uid
    monkeypatch.setattr(os, "getuid", lambda: me + 1)
    folder.rename(folder.with_name(f"everytick-{me + 1}"))


def leading_elsewhere(folder: Path, _monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = folder.with_name("elsewhere")
    elsewhere.mkdir()
    folder.symlink_to(elsewhere)


def for_all(folder: Path, _monkeypatch: pytest.MonkeyPatch) -> None:
    folder.mkdir()
    folder.chmod(0o777)


@pytest.mark.parametrize(
    ("made", "why"),
    [
        (of_another, "belongs to user"),
        (leading_elsewhere, "is no folder"),
        (for_all, "others may write to it"),
    ],
)
async def test_a_folder_of_signs_that_others_have_made_is_not_used_and_told_of(
    scheduler: AsyncIOScheduler,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    made: Callable[[Path, pytest.MonkeyPatch], None],
    why: str,
) -> None:
    place = tmp_path / "temporary"
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    made(place / f"everytick-{os.getuid()}", monkeypatch)
    lines: list[str] = []
    sink = logger.add(lines.append, format="{message}")
    async with scheduler:
        planted = next(place.glob("everytick-*")) / f"{liveness._digest(scheduler.ledger.full_place)}.1"
        planted.touch()
        assert liveness.find(scheduler.ledger.full_place) == []
        assert health.check_here(scheduler.ledger).ready
        with connect(scheduler.ledger) as connection:
            found = examine_processes(connection, ticks.now(), UTC)
    logger.remove(sink)
    told = [finding for finding in found if finding.level == "warning"]
    assert [f"{place}/everytick-" in finding.what and why in finding.what for finding in told] == [True]
    assert told[0].right is not None
    assert "TMPDIR" in told[0].right
    assert len([line for line in lines if told[0].what in line and "TMPDIR" in line]) == 1


async def test_a_problem_that_a_restart_does_not_mend_is_no_reason_for_one(
    scheduler: AsyncIOScheduler,
) -> None:
    scheduler.ledger.path.write_bytes(b"no database" * 1000)
    found = health.check_here(scheduler.ledger)
    assert found.ready
    assert "is damaged" in found.remarks[0].sentence


@pytest.mark.parametrize("tells_itself", [True, False])
async def test_a_ledger_that_is_silent_does_not_keep_the_answer_from_who_asks_about_a_process(
    scheduler: AsyncIOScheduler, monkeypatch: pytest.MonkeyPatch, *, tells_itself: bool
) -> None:
    answers = threading.Event()
    if not tells_itself:
        monkeypatch.setattr(liveness, "_is_ours", lambda _folder: False)
    async with scheduler:
        # As a name that nobody resolves, or a table that somebody has locked.
        monkeypatch.setattr(type(scheduler.ledger), "check_readable", lambda _ledger: answers.wait(60))
        monkeypatch.setattr(health, "PATIENCE", 0.1)
        found = health.check_here(scheduler.ledger)
        assert not answers.is_set()
        answers.set()
    assert found.ready
    assert [remark.sentence for remark in found.remarks] == ["the ledger has not answered for 0.1 seconds"]
