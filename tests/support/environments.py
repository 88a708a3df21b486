"""A schedule of two jobs, and environments whose settings enable and disable some of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from everytick import AsyncIOScheduler
from everytick import settings as settings_room

import added_tasks

NOON = datetime(2026, 12, 1, 12, 0, 30, tzinfo=UTC)


@pytest.fixture(autouse=True)
def no_calls_yet() -> None:
    added_tasks.calls.clear()


@contextmanager
def environment(enabled: str = "", disabled: str = "", role: str = "all") -> Iterator[None]:
    """Let the schedule be that of an environment with these settings."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SCHEDULER_ENABLED_JOBS", enabled)
        patch.setenv("SCHEDULER_DISABLED_JOBS", disabled)
        patch.setenv("SCHEDULER_ROLE", role)
        settings_room.settings.cache_clear()
        settings_room.settings()
        yield
    settings_room.settings.cache_clear()


def schedule(**options: Any) -> AsyncIOScheduler:
    """Return one that is not started, with a job that sends mails and one that does not, each minute."""
    made = AsyncIOScheduler()
    for job_id in ("mail-daily", "report"):
        options = {"minutes": 1, "coalesce": False, "misfire_grace_time": None, **options}
        made.add_job(added_tasks.note, "interval", args=[job_id], id=job_id, **options)
    return made


def called() -> set[Any]:
    """Return what the jobs that ran were called with: their ids, but for those that a test adds."""
    return {args[0] for args in added_tasks.calls}
