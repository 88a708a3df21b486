"""Settings and code that were changed while the schedule runs: what holds now, and what will hold then."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from everytick import AsyncIOScheduler
from everytick import settings as settings_room
from everytick.doctor.liveness import examine_settings_in_force
from everytick.settings import settings
from everytick.store.querying import connect

import added_tasks
from histories import ask, ask_json, prepared
from ledgers import change
from sample_ledger import up

LATER = "when the processes that are up are started anew"


def declared(*jobs: tuple[str, int]) -> AsyncIOScheduler:
    made = AsyncIOScheduler(timezone="UTC")
    for job_id, hour in jobs:
        made.add_job(added_tasks.note, "cron", hour=hour, id=job_id, group="database")
    return made


@pytest.fixture
def running(scheduler: AsyncIOScheduler) -> Iterator[AsyncIOScheduler]:
    """A schedule of two jobs that is up, with the settings of when it was started: none."""
    made = declared(("mail-daily", 3), ("report", 4))
    prepared(made)
    with up(made.ledger):
        yield made


def set_here(patch: pytest.MonkeyPatch, **values: str) -> None:
    for name, value in values.items():
        patch.setenv(f"SCHEDULER_{name}", value)
    settings_room.settings.cache_clear()


def start_with(scheduler: AsyncIOScheduler, **lists: Any) -> None:
    """Let the process that is up have been started with other settings."""
    kept = json.dumps({"enabled": [], "disabled": [], **lists})
    change(scheduler.ledger, "UPDATE scheduler_processes SET job_filter = ?", kept)
    marked = "UPDATE scheduler_jobs SET paused_us = 1, disabled_by = ? WHERE job_id = 'mail-daily'"
    change(scheduler.ledger, marked, f"SCHEDULER_DISABLED_JOBS={lists['disabled'][0]}")


def notes(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("not in force yet: ")]


def test_a_job_that_the_next_start_will_disable_runs_until_then(
    running: AsyncIOScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert notes(ask(running, "jobs")) == []
    set_here(monkeypatch, DISABLED_JOBS="mail-*")
    shown = ask(running, "jobs")
    assert notes(shown) == [
        f"not in force yet: SCHEDULER_DISABLED_JOBS=mail-* disables mail-daily {LATER}; until then it runs"
    ]
    by_id = {row["id"]: row for row in ask_json(running, "jobs")}
    assert (by_id["mail-daily"]["disabled_by"], by_id["mail-daily"]["next_run"] is None) == (None, False)
    assert f"SCHEDULER_DISABLED_JOBS=mail-* disables mail-daily {LATER}" in ask(running, "why", "mail-daily")
    assert "not in force yet" not in ask(running, "why", "report")
    [found] = in_force_by_doctor(running)
    assert (found.level, found.check) == ("warning", "environment")
    assert found.what == notes(shown)[0]


def test_a_job_that_the_next_start_will_enable_is_disabled_until_then(
    running: AsyncIOScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    start_with(running, disabled=["mail-*"])
    shown = ask(running, "jobs")
    assert notes(shown) == [
        f"not in force yet: the settings here enable mail-daily {LATER}; until then"
        " SCHEDULER_DISABLED_JOBS=mail-* disables it"
    ]
    assert "disabled by SCHEDULER_DISABLED_JOBS=mail-*" in shown
    assert "the settings here enable mail-daily" in ask(running, "why", "mail-daily")
    set_here(monkeypatch, DISABLED_JOBS="mail-*")
    assert notes(ask(running, "jobs")) == []


def test_limits_of_groups_that_are_not_in_force_are_told(
    running: AsyncIOScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_here(monkeypatch, GROUP_LIMITS="database=2")
    [found] = in_force_by_doctor(running)
    assert (found.level, found.check) == ("warning", "groups")
    assert "were started with other limits of groups than those here, and go by theirs (none)" in found.what


def test_code_that_is_not_in_force_is_told(running: AsyncIOScheduler) -> None:
    [note] = notes(ask(declared(("mail-daily", 5), ("mail-weekly", 6)), "jobs"))
    assert note.startswith(
        "not in force yet: the processes that are up were started with other code or settings, and they have"
        " another schedule of mail-daily, they do not have mail-weekly, they still have report ("
    )
    assert note.endswith(" diff)")


def test_while_none_is_up_the_next_start_goes_by_the_settings(
    scheduler: AsyncIOScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = declared(("mail-daily", 3), ("report", 4))
    prepared(made)
    set_here(monkeypatch, DISABLED_JOBS="mail-*")
    shown = ask(made, "jobs")
    assert notes(shown) == []
    assert "disabled by SCHEDULER_DISABLED_JOBS=mail-*" in shown


def in_force_by_doctor(scheduler: AsyncIOScheduler) -> list[Any]:
    with connect(scheduler.ledger) as connection:
        return examine_settings_in_force(connection, settings(), ["mail-daily", "report"])
