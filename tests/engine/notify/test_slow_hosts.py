"""Heartbeat URLs on hosts that answer slowly, endlessly or elsewhere: only their own calls suffer."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from everytick import AsyncIOScheduler
from everytick import log_to_stderr as configure_logging
from everytick.model.backoff import Backoff
from everytick.notify import sender
from loguru import logger

from inside import scheduler_settings, until
from ports import free_port
from sinks import HttpSink
from slow_hosts import OK, SLOW, Answer, Host, endless, redirects


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
@pytest.mark.parametrize("kind", ["says nothing", "headers"])
def test_a_wait_that_is_over_before_the_deadline_is_looked_at_is_told_as_that(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender, "within", lambda _seconds, work, _give_up: work())
    monkeypatch.setattr(sender, "DEADLINE", 0.1)
    host = Host(SLOW[kind])
    with pytest.raises(sender.NotTaken, match=r"^no answer within 0.1 seconds$"):
        sender.call(f"{host.url}/x", None, "app")
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
