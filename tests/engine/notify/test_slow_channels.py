"""Alerts to hosts that answer a byte at a time, or never: each call ends at its deadline."""

from __future__ import annotations

import functools
import gzip
import smtplib
import threading
import time
import tracemalloc
from pathlib import Path
from unittest.mock import patch

import apprise
import pytest
import requests
from everytick.notify import bounded_answers, channels, sender
from everytick.notify.messages import Page, trial_message
from everytick.settings import SchedulerSettings

from inside import scheduler_settings
from slow_hosts import SLOW, Host, drips, endless

# What Apprise loads for all the services that it knows.
pytestmark = [pytest.mark.full, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

SLOW_MAIL = {
    "greeting": drips(b"220-hello\r\n"),
    "answer": drips(b"250-hello\r\n", b"220 hello\r\n"),
    "nothing": SLOW["says nothing"],
}
ADDRESSES = [("json://127.0.0.1:{port}/x", answer) for answer in SLOW.values()]
ADDRESSES += [
    ("jsons://127.0.0.1:{port}/x?verify=no", SLOW["says nothing"]),
    ("ntfy://127.0.0.1:{port}/x", SLOW["headers"]),
]
ADDRESSES += [
    ("mailto://127.0.0.1:{port}?from=a@example.org&to=b@example.org&mode=insecure", answer)
    for answer in SLOW_MAIL.values()
]


@pytest.mark.parametrize("number", range(len(ADDRESSES)))
def test_an_alert_ends_at_its_deadline_and_leaves_no_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.setattr(sender, "ALERT_DEADLINE", 1.0)
    address, answer = ADDRESSES[number]
    host = Host(answer, is_asked_first=not address.startswith("mailto"))
    before = set(threading.enumerate())
    with scheduler_settings(tmp_path, SCHEDULER_ALERT_URLS=address.format(port=host.port)):
        [channel] = channels.load(SchedulerSettings(), "app")
    begin = time.monotonic()
    assert channel.send(trial_message("app", Page(""))) == "no answer within 1 second"
    assert time.monotonic() - begin < 2
    # Where no byte comes, it ends with the library's own limit for one wait: 15 seconds for mail.
    ends = time.monotonic() + 30
    while [it for it in set(threading.enumerate()) - before if it.name == "scheduler-call" or not it.daemon]:
        assert time.monotonic() < ends, threading.enumerate()
        time.sleep(0.05)
    host.close()


@functools.cache
def bomb() -> bytes:
    """Return a short answer that is 200 MB when it is unpacked."""
    packed = gzip.compress(b"x" * 200_000_000, 1)
    return b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed) + packed


HUGE = {
    "json://127.0.0.1:{port}/x": endless(b"HTTP/1.1 200 OK\r\n\r\n"),
    "json://127.0.0.1:{port}/refused": endless(b"HTTP/1.1 400 No\r\n\r\n"),
    # A redirect is not followed, but its answer is read.
    "json://127.0.0.1:{port}/elsewhere": endless(b"HTTP/1.1 307 No\r\nLocation: /y\r\n\r\n"),
    "json://127.0.0.1:{port}/bomb": lambda connection: connection.sendall(bomb()),
    "mailto://127.0.0.1:{port}?from=a@example.org&to=b@example.org&mode=insecure": endless(
        b"220 hello\r\n", b"250-" + b"x" * 8_000 + b"\r\n"
    ),
}
TAKEN = {"x": True, "bomb": True}


@pytest.mark.parametrize("address", HUGE)
def test_what_a_service_answers_takes_no_memory_without_bound(tmp_path: Path, address: str) -> None:
    host = Host(HUGE[address], is_asked_first=not address.startswith("mailto"))
    with scheduler_settings(tmp_path, SCHEDULER_ALERT_URLS=address.format(port=host.port)):
        [channel] = channels.load(SchedulerSettings(), "app")
    bomb()  # To pack it takes memory, too.
    tracemalloc.start()
    try:
        # Loads what belongs to the service.
        told = channel.send(trial_message("app", Page("")))
        _now, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 50_000_000
    assert (told is None) == TAKEN.get(address.rpartition("/")[2], False), told
    host.close()


def test_what_others_ask_of_the_same_libraries_is_read_whole_and_not_by_code_of_ours(tmp_path: Path) -> None:
    size = 2 * bounded_answers.MOST_BYTES
    host = Host(lambda it: it.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size))
    kinds = (requests.adapters.HTTPAdapter, requests.Session, smtplib.SMTP, smtplib.SMTP_SSL)
    before = [dict(vars(it)) for it in (*kinds, requests, requests.api, smtplib)]
    address = f"json://127.0.0.1:{host.port}/x"
    with scheduler_settings(tmp_path, SCHEDULER_ALERT_URLS=address):
        [channel] = channels.load(SchedulerSettings(), "app")
    assert channel.send(trial_message("app", Page(""))) is None
    # Neither the libraries nor their classes are other ones than before.
    assert [dict(vars(it)) for it in (*kinds, requests, requests.api, smtplib)] == before
    assert len(requests.get(host.url, timeout=10).content) == size
    # Apprise itself, where other code uses it, asks by the library as that code finds it.
    asked: list[str] = []

    def caught(method: str, url: str, **_options: object) -> requests.Response:
        asked.append(f"{method} {url}")
        answer = requests.Response()
        answer.status_code = 200
        return answer

    with patch.object(requests, "request", caught):
        own = apprise.Apprise()
        own.add(address)
        assert own.notify("hello")
    assert asked == [f"POST http://127.0.0.1:{host.port}/x"]
    host.close()


@pytest.mark.parametrize("method", ["get", "head", "post", "put", "patch", "delete", "options"])
def test_a_bounded_library_asks_as_the_real_one_does(method: str) -> None:
    said: list[dict[str, object]] = []

    def request(_session: object, method: str, url: str, **options: object) -> None:
        said.append({"method": method, "url": url} | {k: v for k, v in options.items() if v is not None})

    with patch.object(requests.Session, "request", request), bounded_answers.bounded():
        bounded = bounded_answers._libraries()["requests"][1]
        for library in (requests, bounded):
            call = getattr(library, method)
            # The parameters of the address, or what is sent.
            more = ({"a": "b"},) if method in ("get", "post", "put", "patch") else ()
            call("http://here/", *more, timeout=3)
    assert said[0] == said[1]
