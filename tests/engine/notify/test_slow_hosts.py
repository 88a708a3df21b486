"""Heartbeat URLs on hosts that answer slowly, endlessly or elsewhere: only their own calls suffer."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from everytick import AsyncIOScheduler
from everytick import log_to_stderr as configure_logging
from everytick.model.backoff import Backoff
from everytick.notify import sender
from loguru import logger

from inside import scheduler_settings, until
from sinks import HttpSink, free_port

Answer = Callable[[socket.socket], object]


class Host:
    """Takes connections and answers each as it is told, on a thread of its own."""

    def __init__(self, answer: Answer, *, name: str = "127.0.0.1") -> None:
        self.taken: list[bytes] = []
        # How long each connection lasted, in seconds.
        self.lasted: list[float] = []
        self._answer = answer
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=50)
        self.url = f"http://{name}:{self._listening.getsockname()[1]}"
        threading.Thread(target=self._listen, daemon=True).start()

    def close(self) -> None:
        """Listen no more."""
        self._listening.close()

    def _listen(self) -> None:
        while True:
            try:
                connection, _address = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        begin = time.monotonic()
        with connection:
            self.taken.append(connection.recv(10_000))
            with suppress(OSError):
                self._answer(connection)
        self.lasted.append(time.monotonic() - begin)


def drips(text: bytes, begin: bytes = b"") -> Answer:
    """Return an answer of which, behind its begin, a byte comes every 0.1 s, for ever."""

    def answer(connection: socket.socket) -> None:
        connection.sendall(begin)
        while True:
            for number in range(len(text)):
                connection.sendall(text[number : number + 1])
                time.sleep(0.1)

    return answer


def endless(text: bytes) -> Answer:
    """Return an answer that goes on without an end, as quickly as it is read."""

    def answer(connection: socket.socket) -> None:
        connection.sendall(text)
        while True:
            connection.sendall(b"x" * 100_000)

    return answer


def redirects(code: int, to: Callable[[], str]) -> Answer:
    """Return an answer that sends the caller elsewhere."""
    return lambda connection: connection.sendall(
        f"HTTP/1.1 {code} Moved\r\nLocation: {to()}\r\nContent-Length: 0\r\n\r\n".encode()
    )


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
SLOW: dict[str, Answer] = {
    "says nothing": lambda connection: time.sleep(60),
    "status": drips(b"HTTP/1.1 200 OK"),
    "headers": drips(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1_000),
    "continues": drips(b"HTTP/1.1 100 Continue\r\n\r\n"),
    "body": drips(b"x", b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n"),
    "chunks": drips(b"1\r\nx\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
}


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sender, "HEARTBEATS", Backoff(0.2, 300))
    monkeypatch.setattr(sender, "DEADLINE", 1.0)


@pytest.fixture
def log() -> Iterator[list[str]]:
    configure_logging()
    lines: list[str] = []
    number = logger.add(lines.append, format="{level} {extra} {message}", level="TRACE")
    yield lines
    logger.remove(number)


@pytest.mark.full
@pytest.mark.parametrize("kind", SLOW)
def test_a_call_ends_at_its_deadline_and_leaves_no_thread(kind: str) -> None:
    host = Host(SLOW[kind])
    begin = time.monotonic()
    with pytest.raises(sender.NotTaken, match=r"^no answer within 1 second$"):
        sender.call(f"{host.url}/x", None, "app")
    assert time.monotonic() - begin < 2
    ends = time.monotonic() + 10
    while any("scheduler-call" in thread.name for thread in threading.enumerate()):
        assert time.monotonic() < ends
        time.sleep(0.05)
    host.close()


@pytest.mark.full
async def test_one_slow_host_delays_no_other_and_is_told_at_once(
    tmp_path: Path, sink: HttpSink, log: list[str]
) -> None:
    hosts = [Host(SLOW["status"]) for _ in range(3)]
    with scheduler_settings(tmp_path, SCHEDULER_SHUTDOWN_GRACE_TIME=0):
        scheduler = AsyncIOScheduler()
        for number, host in enumerate(hosts):
            scheduler.add_job(lambda: None, "date", id=f"slow-{number}", ping=f"{host.url}/x")
        scheduler.add_job(lambda: None, "interval", seconds=0.3, id="quick", ping=f"{sink.url}/x")
        async with scheduler:
            begin = time.monotonic()
            await until(lambda: all(host.taken for host in hosts))
            await until(lambda: len(sink.requests) >= 8)
            assert time.monotonic() - begin < 6
            await until(lambda: sum("took no call" in line for line in log) == 3)
    for host in hosts:
        host.close()
    assert "no answer within 1 second" in "".join(log)


@pytest.mark.full
def test_an_endless_answer_is_not_read() -> None:
    for text in (
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 500 No\r\n\r\n",
        b"HTTP/1.1 302 Moved\r\nLocation: /y\r\n\r\n",
        b"HTTP/1.1 200 ",
        b"HTTP/1.1 200 OK\r\nX: ",
    ):
        host = Host(endless(text))
        begin = time.monotonic()
        with suppress(sender.NotTaken):
            sender.call(f"{host.url}/x", None, "app")
        assert time.monotonic() - begin < 2
        host.close()


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("body", [None, b"text"])
def test_a_redirect_to_another_host_is_not_followed(code: int, body: bytes | None) -> None:
    other = Host(lambda connection: connection.sendall(OK))
    for to in (
        other.url,
        other.url.replace("127.0.0.1", "localhost"),
        "ftp://127.0.0.1/x",
        "file:///etc/passwd",
    ):
        host = Host(redirects(code, lambda to=to: f"{to}/secret"))  # type: ignore[misc]
        with pytest.raises(sender.NotTaken, match=r"sends the call to another address") as caught:
            sender.call(f"{host.url}/x", body, "app")
        assert caught.value.hopeless
        assert "secret" not in str(caught.value)
        host.close()
    assert not other.taken
    other.close()


def test_a_redirect_on_the_same_host_is_followed_with_what_is_sent() -> None:
    answers: list[Answer] = [
        redirects(308, lambda: "/y"),
        redirects(307, lambda: f"{host.url}/z"),
        lambda connection: connection.sendall(OK),
    ]
    host = Host(lambda connection: answers[len(host.taken) - 1](connection))
    sender.call(f"{host.url}/x", b"text", "app")
    assert [taken.split(b" HTTP")[0] for taken in host.taken] == [b"POST /x", b"POST /y", b"POST /z"]
    host.close()


def test_redirects_in_a_circle_end() -> None:
    host = Host(redirects(302, lambda: "/x"))
    with pytest.raises(sender.NotTaken, match="more than 5 redirects"):
        sender.call(f"{host.url}/x", None, "app")
    assert len(host.taken) < 10
    host.close()


@pytest.mark.parametrize(
    ("before", "after", "is_same"),
    [
        ("https://h/x", "http://h/x", False),
        ("https://h/x", "https://h/y", True),
        ("https://h/x", "https://H:443/y", True),
        ("http://h/x", "https://h/y", True),
        ("http://h/x", "https://h:8443/y", False),
        ("https://h/x", "https://h.evil.example/y", False),
        ("https://h/x", "https://h@evil.example/y", False),
        ("https://h/x", "https://evil.example\\@h/y", False),
        ("http://h/x", "//evil.example/y", False),
        ("http://h:8080/x", "https://h/y", False),
    ],
)
def test_what_counts_as_the_same_host(before: str, after: str, is_same: bool) -> None:
    assert (sender.redirected(before, after) is not None) is is_same


def test_a_host_that_refuses_connections_is_told_by_its_reason() -> None:
    with pytest.raises(sender.NotTaken, match="refused"):
        sender.call(f"http://127.0.0.1:{free_port()}/x", None, "app")
