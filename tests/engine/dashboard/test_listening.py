"""Addresses on which the dashboard cannot listen, and where it listens then."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import closing

import pytest
from everytick import AsyncIOScheduler
from everytick.dashboard import serving
from everytick.dashboard.serving import Dashboard, _listen, _listen_as, sign_in_link
from everytick.dashboard.settings import DashboardSettings
from everytick.errors import LedgerError


@pytest.mark.parametrize("host", ["x" * 300, "a\udcff", "a..b", "no such host", "256.0.0.1"])
def test_a_host_that_there_cannot_be_is_one_sentence(host: str) -> None:
    with pytest.raises(LedgerError, match=r"cannot be listened on: .+ SCHEDULER_DASHBOARD_HOST"):
        _listen(host, 0)


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A port that another program listens on, which is the one of the settings unless these name one."""
    monkeypatch.delenv("SCHEDULER_DASHBOARD_PORT", raising=False)
    with closing(socket.create_server(("127.0.0.1", 0))) as other:
        port: int = other.getsockname()[1]
        monkeypatch.setattr(DashboardSettings.model_fields["scheduler_dashboard_port"], "default", port)
        DashboardSettings.model_rebuild(force=True)
        yield port
    monkeypatch.undo()
    DashboardSettings.model_rebuild(force=True)


def test_the_next_free_port_is_taken_where_nobody_asked_for_one(taken: int) -> None:
    with closing(_listen_as(DashboardSettings())) as listening:
        assert taken < listening.getsockname()[1] < taken + serving._PORTS


def test_a_port_that_was_asked_for_is_the_only_one(taken: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCHEDULER_DASHBOARD_PORT", str(taken))
    with pytest.raises(LedgerError, match=rf"127.0.0.1:{taken} cannot be listened on: .+"):
        _listen_as(DashboardSettings())


def test_where_all_are_taken_it_is_the_first_that_is_named(
    taken: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "_PORTS", 1)
    with pytest.raises(LedgerError, match=rf"127.0.0.1:{taken} cannot be listened on: .+"):
        _listen_as(DashboardSettings())


def test_a_link_leads_to_the_port_that_was_taken_instead(taken: int, scheduler: AsyncIOScheduler) -> None:
    scheduler.ledger.prepare()
    settings = DashboardSettings()
    served = Dashboard(settings)
    try:
        assert served.port != taken
        assert f":{served.port}/login?token=" in sign_in_link(settings)
    finally:
        ending = threading.Timer(0.5, served.stop)
        ending.start()
        served.serve()
    assert f":{taken}/login?token=" in sign_in_link(settings)


def test_a_port_that_a_killed_process_left_is_not_linked_to(taken: int, scheduler: AsyncIOScheduler) -> None:
    scheduler.ledger.prepare()
    with closing(socket.create_server(("127.0.0.1", 0))) as gone:
        port = gone.getsockname()[1]
    (scheduler.ledger.folder / "dashboard.port").write_text(f"{port}\n")
    assert f":{taken}/login?token=" in sign_in_link(DashboardSettings())
