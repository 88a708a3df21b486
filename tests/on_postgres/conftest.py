"""The stories of this folder are those that are told on SQLite, told once more on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from app.components.scheduler.runtime import ticks


@pytest.fixture(scope="module", autouse=True)
def machines_clock() -> Iterator[None]:
    """Go by the machine's clock, which stories may set, during and after this: also in shared fixtures."""
    with pytest.MonkeyPatch.context() as patch:
        # That the server's counts is a story of its own, told through processes.
        patch.setattr(ticks, "hear", lambda _server: None)
        yield


@pytest.fixture(autouse=True)
def ledger_on_a_server(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give each test an empty ledger on the server."""
    monkeypatch.setenv("LEDGER", postgres_url)
