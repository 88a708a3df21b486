"""The overview, as its page and the API show it."""

from __future__ import annotations

from typing import Any

from everytick.read.overview import Overview, read_overview
from everytick.settings import settings
from sqlalchemy import Connection

# How long a page waits for what a long day's runs are counted; it is complete when it is made anew.
_PATIENCE_SECONDS = 0.25


def current(state: Any, connection: Connection) -> Overview:
    """Return how the schedule stands. `state`: that of the application, which keeps what was counted."""
    return read_overview(connection, state.declared(), settings(), state.hourly, _PATIENCE_SECONDS)
