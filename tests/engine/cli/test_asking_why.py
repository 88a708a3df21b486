"""`why` at the terminal: without a time after a restart, and at a time that is no tick."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from everytick import AsyncIOScheduler
from everytick import app as which
from everytick.system import use

from histories import HOUR, SECOND, ask, prepared, run, write

MORNING = int(datetime(2026, 3, 2, 9, 0, tzinfo=UTC).timestamp()) * SECOND


@pytest.fixture
def backup(scheduler: AsyncIOScheduler, monkeypatch: pytest.MonkeyPatch) -> Iterator[AsyncIOScheduler]:
    """A backup at half past two failed in the night; it is nine, and the schedule was started since."""
    monkeypatch.setattr(which.current(), "command", "python -m app")
    at_night: dict[str, Any] = {"minute": 30, "timezone": "UTC", "id": "backup"}
    with use(time_ns=lambda: (MORNING - 48 * HOUR) * 1_000):
        scheduler.add_job(print, "cron", hour=2, **at_night)
        tick = MORNING - 6 * HOUR - HOUR // 2
        write(prepared(scheduler), "scheduler_runs", [run("backup", tick, "failed", error="OSError: full")])
    with use(time_ns=lambda: MORNING * 1_000):
        yield scheduler


def test_a_time_that_is_no_tick_names_the_nearest_and_the_command_for_it(backup: AsyncIOScheduler) -> None:
    *_, told, command = ask(backup, "why", "backup", "02:00").splitlines()
    assert told == "The nearest is 2026-03-02 02:30:00 UTC, the one before is 2026-03-01 02:30:00 UTC."
    assert command == "About the nearest: python -m app why backup 2026-03-02T02:30"
    assert "failed" in ask(backup, *command.partition("app ")[2].split())


def test_a_restart_with_another_schedule_leaves_the_run_before_to_be_explained(
    backup: AsyncIOScheduler,
) -> None:
    started = AsyncIOScheduler()
    started.add_job(print, "cron", hour=4, minute=15, timezone="UTC", id="backup")
    prepared(started)
    first, second, *rest = ask(started, "why", "backup").splitlines()
    assert first == (
        "No tick of it was due since 2026-03-02 09:00:00 UTC, when its schedule was changed; its newest run"
        " before is this."
    )
    assert second == "Run 1 is for the tick 2026-03-02 02:30:00 UTC."
    assert "OSError: full" in " ".join(rest)


def test_a_job_that_never_ran_says_when_it_will(scheduler: AsyncIOScheduler) -> None:
    with use(time_ns=lambda: MORNING * 1_000):
        scheduler.add_job(print, "cron", hour=4, timezone="UTC", id="new")
        prepared(scheduler)
        assert ask(scheduler, "why", "new") == (
            "No tick of it was due since 2026-03-02 09:00:00 UTC, when it was registered or changed.\n"
            "The next tick is 2026-03-03 04:00:00 UTC.\n"
        )
