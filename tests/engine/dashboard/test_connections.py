"""Connections are limited in number and in time, whatever is sent on them; forked children let go of them."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import httpx
import pytest
from everytick.dashboard import connections as room
from everytick.dashboard.application import create_app
from everytick.dashboard.authentication import Authenticator
from everytick.dashboard.server import make_server
from everytick.log_rate import RateLimitedLog
from everytick.store.opening import ledger_at
from everytick.system import use
from fastapi.responses import Response
from loguru import logger
from uvicorn.protocols.http.h11_impl import RequestResponseCycle

from inside import scheduler_settings
from waiting import wait_for

TOKEN = "all-all-all-all-all-all"
HEAD = b"GET /health/live HTTP/1.1\r\nHost: here\r\n"
BODY = b"POST /login HTTP/1.1\r\nHost: here\r\nContent-Length: 100\r\n\r\n"


def asked(path: str) -> bytes:
    """Return a request with the token."""
    return f"GET {path} HTTP/1.1\r\nHost: here\r\nAuthorization: Bearer {TOKEN}\r\n\r\n".encode()


class Served:
    """A dashboard on a thread, with a clock that can be set forward."""

    def __init__(self, folder: Path) -> None:
        ledger = ledger_at(f"sqlite:///{folder / 'ledger.db'}")
        ledger.prepare()
        self.late = 0.0
        self.app = create_app(ledger, Authenticator(TOKEN), frozenset(), 0)
        self.app.add_api_route("/mine/large", lambda: Response(b"x" * 30_000_000))
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listening.getsockname()[1])
        self.server = make_server(self.app)
        self._thread = threading.Thread(target=self.server.run, args=([self._listening],))
        self._thread.start()
        wait_for(lambda: self.server.started, "the server")

    def now(self) -> float:
        return time.monotonic() + self.late

    def stop(self) -> None:
        self.server.stop()
        self._thread.join(20)
        assert not self._thread.is_alive()

    def connect(self, sent: bytes = b"") -> socket.socket:
        made = socket.create_connection(("127.0.0.1", self.port), timeout=10)
        made.sendall(sent)
        return made

    def probe(self) -> int:
        return httpx.get(f"http://127.0.0.1:{self.port}/health/live", timeout=5).status_code

    @property
    def open(self) -> int:
        connections: room.Connections = self.app.state.connections
        return len(connections._open)


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    """A dashboard that may have sixteen connections, and looks at them often."""
    monkeypatch.setattr(room, "_LOOK_SECONDS", 0.02)
    found: list[Served] = []
    with (
        scheduler_settings(tmp_path),
        use(most_file_handles=lambda: 64, monotonic=lambda: found[0].now() if found else time.monotonic()),
    ):
        found.append(Served(tmp_path))
        try:
            yield found[0]
        finally:
            found[0].stop()


def is_answered(served: Served) -> bool:
    """Return whether the only connection has had an answer."""
    (one,) = all_of(served)
    cycle: RequestResponseCycle | None = one.cycle
    return cycle is not None and cycle.response_complete and one.awaited is room.Awaited.REQUEST


def is_closed(connection: socket.socket) -> bool:
    """Return whether the other side has closed it, after all that it had sent."""
    try:
        while connection.recv(100_000):
            pass
    except ConnectionResetError:
        pass
    except TimeoutError:
        return False
    return True


@pytest.mark.parametrize(
    "sent", [b"", HEAD, BODY, HEAD + b"\r\n" + HEAD, HEAD + b"Content-Length: 9\r\n\r\nx"],
    ids=["nothing", "headers", "a body", "a second request", "the body of a probe"],
)  # fmt: skip
def test_a_request_that_does_not_become_whole_in_time_is_broken_off(served: Served, sent: bytes) -> None:
    with closing(served.connect(sent)) as slow:
        wait_for(lambda: served.open == 1, "the connection")
        if sent.count(b"HTTP/1.1") == 2 or b"9\r\n" in sent:
            wait_for(lambda: is_answered(served), "the first answer")
        served.late += 8
        # A further byte gives no more time.
        slow.sendall(b"x")
        served.late += 8
        assert is_closed(slow)
        wait_for(lambda: served.open == 0, "its end")
        assert served.probe() == 200


def test_an_answer_that_nobody_reads_is_broken_off(served: Served) -> None:
    with closing(served.connect(asked("/mine/large"))):
        wait_for(lambda: [one.awaited for one in all_of(served)] == [room.Awaited.READING], "the answer")
        served.late += 59
        assert served.probe() == 200
        assert served.open >= 1
        served.late += 2
        wait_for(lambda: served.open == 0, "its end")


def all_of(served: Served) -> list[room.Connection]:
    """Return the connections that are open."""
    connections: room.Connections = served.app.state.connections
    return list(connections._open)


def test_an_answer_that_takes_long_is_waited_for(served: Served) -> None:
    may_end = threading.Event()
    served.app.add_api_route("/mine/slow", lambda: Response("done" if may_end.wait(20) else "late"))
    with closing(served.connect(asked("/mine/slow"))) as slow:
        wait_for(lambda: [one.awaited for one in all_of(served)] == [room.Awaited.NOTHING], "the request")
        served.late += 1_000
        assert served.probe() == 200
        may_end.set()
        said = b""
        while not said.endswith(b"done"):
            said += slow.recv(10_000)


@pytest.mark.full
@pytest.mark.parametrize("sent", [b"", HEAD, BODY], ids=["nothing", "headers", "a body"])
def test_the_connection_that_waits_longest_makes_room_for_a_new_one(served: Served, sent: bytes) -> None:
    held = [served.connect(sent) for _ in range(40)]
    try:
        for _ in range(20):
            assert served.probe() == 200
        assert served.open <= 16
        assert is_closed(held[0])
    finally:
        for one in held:
            one.close()


def test_open_pages_take_at_most_half_of_the_connections(served: Served) -> None:
    held = [served.connect(asked("/live")) for _ in range(14)]
    try:
        said = sorted(one.recv(12) for one in held)
        assert said == [b"HTTP/1.1 200"] * 8 + [b"HTTP/1.1 204"] * 6
        held += [served.connect() for _ in range(30)]
        assert served.probe() == 200
        served.late += 1_000
        wait_for(lambda: served.open == 8, "the end of those that do not listen")
    finally:
        for one in held:
            one.close()


@pytest.mark.full
def test_there_is_room_for_a_probe_while_all_others_are_being_answered(served: Served) -> None:
    may_end = asyncio.Event()

    async def slow() -> str:
        await may_end.wait()
        return "done"

    served.app.add_api_route("/mine/slow", slow)
    held = []
    try:
        # The limit, and the room for probes.
        for number in range(1, 25):
            held.append(served.connect(asked("/mine/slow")))
            wait_for(partial(is_busy_with, served, number), f"{number} requests")
        with closing(served.connect()) as further:
            assert is_closed(further)
        held.pop(0).close()
        wait_for(lambda: served.open == 23, "the first one's end")
        assert served.probe() == 200
    finally:
        for one in held:
            one.close()


def test_too_many_headers_are_refused_before_all_are_parsed(served: Served) -> None:
    with closing(served.connect(HEAD + b"x: y\r\n" * 30_000 + b"\r\n")) as many:
        assert many.recv(12) == b"HTTP/1.1 400"
    assert served.probe() == 200


@pytest.mark.full
def test_requests_that_are_sent_at_once_are_answered_one_after_another(served: Served) -> None:
    with closing(served.connect((HEAD + b"\r\n") * 300)) as many:
        said = b""
        while said.count(b"HTTP/1.1 200") < 300:
            said += many.recv(100_000)
        assert served.probe() == 200


@pytest.mark.full
def test_tokens_that_wait_for_their_turn_leave_connections_to_others(served: Served) -> None:
    def guess(address: str) -> socket.socket:
        made = socket.socket()
        made.settimeout(10)
        made.bind((address, 0))
        made.connect(("127.0.0.1", served.port))
        made.sendall(b"GET /metrics HTTP/1.1\r\nHost: here\r\nAuthorization: Bearer wrong-token\r\n\r\n")
        return made

    held = []
    try:
        for number in range(2, 8):
            for _ in range(10):
                with closing(guess(f"127.0.0.{number}")) as first:
                    assert first.recv(12) == b"HTTP/1.1 401"
            held += [guess(f"127.0.0.{number}") for _ in range(10)]
        wait_for(lambda: busy(served) <= 4, "no more than a quarter that wait")
        assert served.probe() == 200
    finally:
        for one in held:
            one.close()


def is_busy_with(served: Served, number: int) -> bool:
    """Return whether so many connections are being answered."""
    return busy(served) == number


def busy(served: Served) -> int:
    """Return how many connections are being answered."""
    return sum(one.awaited is room.Awaited.NOTHING for one in all_of(served))


@pytest.mark.parametrize(
    ("handles", "most"), [(10, 16), (256, 64), (1_024, 256), (1_000_000, 256)]
)  # fmt: skip
def test_at_most_a_quarter_of_the_file_handles_are_for_connections(handles: int, most: int) -> None:
    with use(most_file_handles=lambda: handles):
        assert room.most_connections() == most


async def test_a_released_socket_keeps_its_number_and_nothing_else() -> None:
    listening = socket.create_server(("127.0.0.1", 0))
    connections = room.Connections(16, RateLimitedLog())
    connections.listening = [listening]
    number, port = listening.fileno(), listening.getsockname()[1]
    connections.release()
    assert listening.fileno() == number
    socket.create_server(("127.0.0.1", port)).close()
    listening.close()


def answer_to(served: Served, sent: bytes) -> bytes:
    """Return what is answered to a request, until the other side closes."""
    with closing(served.connect(sent)) as connection:
        said = b""
        while piece := connection.recv(100_000):
            said += piece
    return said


@pytest.mark.parametrize(
    "headers",
    [
        b"HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked",
        b"HTTP/1.1\r\ntransfer-encoding: chunked\r\ncontent-length: 0",
        b"HTTP/1.0\r\nTransfer-Encoding: chunked",
    ],
)
def test_a_request_that_says_in_two_ways_how_long_it_is_is_refused(served: Served, headers: bytes) -> None:
    smuggled = b"0\r\n\r\nGET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    said = answer_to(served, b"POST /login " + headers + b"\r\nHost: localhost\r\n\r\n" + smuggled)
    assert said.startswith(b"HTTP/1.1 400 ")
    assert said.count(b"HTTP/1.1 ") == 1


def test_a_body_in_pieces_is_taken(served: Served) -> None:
    headers = (
        b"POST /login HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n"
    )
    assert not answer_to(served, headers + b"\r\n3\r\na=b\r\n0\r\n\r\n").startswith(b"HTTP/1.1 400 Bad")


def test_a_request_for_a_websocket_is_answered_as_one_for_a_page_and_logs_nothing(served: Served) -> None:
    lines: list[str] = []
    sink = logger.add(lines.append, format="{message}")
    try:
        asked_for = b"Upgrade: websocket\r\nConnection: Upgrade, close\r\nSec-WebSocket-Version: 13\r\n"
        said = answer_to(served, b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n" + asked_for + b"\r\n")
    finally:
        logger.remove(sink)
    assert said.startswith(b"HTTP/1.1 200 ")
    assert lines == []
