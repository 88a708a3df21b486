"""A scheduler inside of the test's own process and event loop, with a ledger of its own."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from app.components.scheduler.runtime import AsyncIOScheduler
from app.components.scheduler.runtime import settings as settings_room
from app.core import config


@contextmanager
def scheduler_settings(folder: Path, **variables: object) -> Iterator[None]:
    """Let the application's settings be read from these variables, with the ledger in `folder`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SCHEDULER_DATABASE_URL", f"sqlite:///{folder / 'ledger.db'}")
        for name, value in variables.items():
            patch.setenv(name, str(value))
        patch.setattr(config, "settings", config.Settings())
        settings_room.settings.cache_clear()
        yield
    settings_room.settings.cache_clear()


def rows(scheduler: AsyncIOScheduler, *states: str) -> list[dict[str, Any]]:
    """Return the ledger's runs, oldest first."""
    with closing(sqlite3.connect(scheduler.ledger.path)) as connection:
        connection.row_factory = sqlite3.Row
        found = connection.execute("SELECT * FROM scheduler_runs ORDER BY run_id").fetchall()
    return [dict(row) for row in found if not states or row["state"] in states]
