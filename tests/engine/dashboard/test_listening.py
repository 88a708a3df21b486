"""Addresses on which the dashboard cannot listen, and where it listens then."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from unittest.mock import patch

import httpx
import pytest
from everytick import AsyncIOScheduler
from everytick.app import Application
from everytick.cli import program
from everytick.dashboard import links, serving
from everytick.dashboard.authentication import Authenticator
from everytick.dashboard.links import sign_in_link, trouble_with
from everytick.dashboard.serving import Dashboard, _listen, _listen_as
from everytick.dashboard.settings import DashboardSettings, dashboard_settings
from everytick.errors import LedgerError
from everytick.system import system, use
from typer.testing import CliRunner, Result

from waiting import wait_for


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
        assert f":{served.port}/login?token=" in str(sign_in_link(settings))
    finally:
        # It answers for a moment only.
        with serving_meanwhile(served):
            pass
    assert f":{taken}/login?token=" in str(sign_in_link(settings))


def test_a_port_that_a_killed_process_left_is_not_linked_to(taken: int, scheduler: AsyncIOScheduler) -> None:
    scheduler.ledger.prepare()
    with closing(socket.create_server(("127.0.0.1", 0))) as gone:
        port = gone.getsockname()[1]
    (scheduler.ledger.folder / "dashboard.port").write_text(f"{port}\n")
    assert f":{taken}/login?token=" in str(sign_in_link(DashboardSettings()))


@contextmanager
def serving_meanwhile(served: Dashboard) -> Iterator[None]:
    """Let a dashboard answer while the block runs."""
    thread = threading.Thread(target=served.serve)
    thread.start()
    try:
        wait_for(lambda: served._server.started, "the dashboard")
        yield
    finally:
        served.stop()
        thread.join(20)


def link(variables: dict[str, str] | None = None) -> Result:
    """Return what `dashboard --link` says."""
    dashboard_settings.cache_clear()
    with patch.dict("os.environ", variables or {}):
        return CliRunner().invoke(program.app, ["dashboard", "--link"])


@pytest.fixture
def alone(scheduler: AsyncIOScheduler, monkeypatch: pytest.MonkeyPatch) -> Iterator[Dashboard]:
    """A dashboard that is made, and not served yet."""
    scheduler.ledger.prepare()
    monkeypatch.setattr(Application, "has_dashboard", True)
    with closing(_listen("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    monkeypatch.setenv("SCHEDULER_DASHBOARD_PORT", str(port))
    yield Dashboard(DashboardSettings())
    dashboard_settings.cache_clear()


def test_a_link_that_signs_in_is_printed_without_a_remark(alone: Dashboard) -> None:
    with serving_meanwhile(alone):
        printed = link()
        assert (printed.exit_code, printed.stderr) == (0, "")
        assert httpx.get(printed.stdout.strip()).status_code == 303


def test_a_link_to_a_dashboard_with_another_token_is_not_printed(alone: Dashboard) -> None:
    with serving_meanwhile(alone):
        printed = link({"SCHEDULER_DASHBOARD_TOKEN": "another-token-than-there"})
    assert (printed.exit_code, printed.stdout) == (1, "")
    assert f"error: the dashboard at http://127.0.0.1:{alone.port} has another token" in printed.stderr
    assert "SCHEDULER_DASHBOARD_TOKEN is not the same" in printed.stderr


def test_a_link_that_nothing_answers_says_so(alone: Dashboard) -> None:
    with serving_meanwhile(alone):
        pass
    printed = link()
    assert printed.exit_code == 0
    assert f":{alone.port}/login?token=" in printed.stdout
    assert f"remark: no dashboard answers at http://127.0.0.1:{alone.port} now: " in printed.stderr


def test_a_link_to_another_program_says_that_no_dashboard_answers_and_does_not_send_it_the_token(
    scheduler: AsyncIOScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    scheduler.ledger.prepare()
    monkeypatch.setattr(links, "_PATIENCE_SECONDS", 0.5)
    with closing(socket.create_server(("127.0.0.1", 0))) as other:
        monkeypatch.setenv("SCHEDULER_DASHBOARD_PORT", str(other.getsockname()[1]))
        link = sign_in_link(DashboardSettings())
        assert "no dashboard answers" in str(trouble_with(link))
        other.settimeout(5)
        with other.accept()[0] as asked:
            heard = asked.recv(65_536).decode()
    assert heard.startswith("GET /api/v1/audit")
    assert link.token not in heard
    # What it heard is of no use a moment later.
    cookie = heard.partition("Cookie: ")[2].partition("\r\n")[0].partition("=")[2]
    authenticator = Authenticator(link.token)
    assert authenticator.visitor(cookie, "") is not None
    later = system.time_ns() + 11 * 10**9
    with use(time_ns=lambda: later):
        assert authenticator.visitor(cookie, "") is None
