"""The stories of this folder are those that are told on SQLite, told once more on PostgreSQL."""

from __future__ import annotations

import pytest

from app.components.scheduler.runtime import ticks


@pytest.fixture(autouse=True)
def ledger_on_a_server(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give each test an empty ledger on the server."""
    monkeypatch.setenv("LEDGER", postgres_url)
    # What sets the clock sets the machine's: that the server's counts is a story of its own.
    monkeypatch.setattr(ticks, "hear", lambda _server: None)
