"""The stories of this folder are those that are told on SQLite, told once more on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from everytick.model import ticks
from everytick.store import postgres


@pytest.fixture(scope="module", autouse=True)
def machines_clock() -> Iterator[None]:
    """Go by the machine's clock, which stories may set, during and after this: also in shared fixtures."""
    with pytest.MonkeyPatch.context() as patch:
        # That the server's counts is a story of its own, told through processes.
        patch.setattr(ticks, "hear", lambda _server: None)
        yield


@pytest.fixture(autouse=True)
def ledger_on_a_server(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Give each test an empty ledger on the server, and let go of the connections that it kept."""
    monkeypatch.setenv("LEDGER", postgres_url)
    yield
    postgres._close_kept()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave the stories on a server to the whole suite: the quick one has all of them on a file."""
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.full)
