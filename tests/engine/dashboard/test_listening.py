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
from everytick.dashboard.authentication import Authenticator, listener, open_authenticator
from everytick.dashboard.links import NoProofError, sign_in_link, trouble_with
from everytick.dashboard.serving import Dashboard, _listen, _listen_as
from everytick.dashboard.settings import DashboardSettings, dashboard_settings
from everytick.errors import LedgerError
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
    open_authenticator(DashboardSettings(), scheduler.ledger.folder)
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
    assert f"error: what answers at http://127.0.0.1:{alone.port} does not prove" in printed.stderr
    assert "SCHEDULER_DASHBOARD_TOKEN is not the same" in printed.stderr


def test_a_link_that_nothing_answers_is_not_printed(alone: Dashboard) -> None:
    with serving_meanwhile(alone):
        pass
    printed = link()
    assert (printed.exit_code, printed.stdout) == (1, "")
    assert f"error: no dashboard answers at http://127.0.0.1:{alone.port} now" in printed.stderr
    assert "dashboard.token beside the ledger" in printed.stderr


def test_a_link_to_another_name_says_so(alone: Dashboard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DashboardSettings, "names", frozenset({"jobs.example.org"}))
    served = Dashboard(DashboardSettings(scheduler_dashboard_port=0))
    alone._socket.close()
    monkeypatch.setenv("SCHEDULER_DASHBOARD_PORT", str(served.port))
    with serving_meanwhile(served):
        printed = link()
    assert printed.exit_code == 0
    assert f":{served.port}/login?token=" in printed.stdout
    assert (
        "remark: the dashboard there answers to the names of SCHEDULER_DASHBOARD_NAMES alone"
        in printed.stderr
    )


class Impostor:
    """Another user of the machine, who has the port of the dashboard, and sends on what comes there."""

    def __init__(self, dashboard: int) -> None:
        self._dashboard, self.heard = dashboard, b""
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listening.getsockname()[1])
        threading.Thread(target=self._relay, daemon=True).start()

    def _relay(self) -> None:
        with self._listening, self._listening.accept()[0] as asked:
            self.heard = asked.recv(65_536)
            sent = self.heard.replace(f":{self.port}".encode(), f":{self._dashboard}".encode())
            sent = sent.replace(f"scheduler_{self.port}=".encode(), f"scheduler_{self._dashboard}=".encode())
            with socket.create_connection(("127.0.0.1", self._dashboard)) as there:
                there.sendall(sent.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
                while part := there.recv(65_536):
                    asked.sendall(part)


def test_an_impostor_that_asks_the_dashboard_itself_gets_no_link_and_no_session(
    alone: Dashboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving_meanwhile(alone):
        impostor = Impostor(alone.port)
        monkeypatch.setenv("SCHEDULER_DASHBOARD_PORT", str(impostor.port))
        printed = link()
        assert (printed.exit_code, printed.stdout) == (1, "")
        assert "does not prove that it knows the token" in printed.stderr
        assert b"Cookie" not in impostor.heard
        assert alone._token.encode() not in impostor.heard
        # What it heard proves nothing at the real one, also when it is sent there as it was.
        path = impostor.heard.split()[1].decode()
        assert httpx.get(f"http://127.0.0.1:{alone.port}{path}").status_code == 401


def test_an_answer_in_the_right_shape_is_no_proof(
    scheduler: AsyncIOScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    scheduler.ledger.prepare()
    open_authenticator(DashboardSettings(), scheduler.ledger.folder)
    for said in (b'{"proof": "0"}', b'{"proof": null}', b"[]", b'{"entries": []}', b"", b"\xff"):
        with closing(socket.create_server(("127.0.0.1", 0))) as other:
            monkeypatch.setenv("SCHEDULER_DASHBOARD_PORT", str(other.getsockname()[1]))

            def answer(other: socket.socket = other, said: bytes = said) -> None:
                with other.accept()[0] as asked:
                    asked.recv(65_536)
                    asked.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(said), said))

            thread = threading.Thread(target=answer)
            thread.start()
            with pytest.raises(NoProofError, match="does not prove"):
                trouble_with(sign_in_link(DashboardSettings()))
            thread.join(5)


def test_a_link_makes_no_token_and_no_folder(scheduler: AsyncIOScheduler) -> None:
    # Before the first start, by root: the service could not have read it.
    with pytest.raises(NoProofError, match=r"has made its token yet, so there is no link: .* run serves it"):
        sign_in_link(DashboardSettings())
    assert not (scheduler.ledger.folder / "dashboard.token").exists()


def test_what_says_nothing_is_not_waited_for(
    scheduler: AsyncIOScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    scheduler.ledger.prepare()
    open_authenticator(DashboardSettings(), scheduler.ledger.folder)
    monkeypatch.setattr(links, "_PATIENCE_SECONDS", 0.5)
    with closing(socket.create_server(("127.0.0.1", 0))) as other:
        monkeypatch.setenv("SCHEDULER_DASHBOARD_PORT", str(other.getsockname()[1]))
        with pytest.raises(NoProofError, match="does not prove"):
            trouble_with(sign_in_link(DashboardSettings()))


def test_a_session_holds_on_its_own_port_alone() -> None:
    authenticator = Authenticator("t" * 20)
    session = authenticator.marked(8787).session("all", "")
    assert authenticator.marked(8787).visitor(session, "") is not None
    assert authenticator.marked(8788).visitor(session, "") is None


def test_both_sides_of_a_connection_name_its_end_alike() -> None:
    assert listener("::ffff:127.0.0.1", 8787) == listener("127.0.0.1", 8787) == "127.0.0.1 8787"
    assert listener("fe80::1%eth0", 1) == listener("fe80::1", 1)
