"""Alerts to hosts that answer a byte at a time, or never: each call ends at its deadline."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from everytick.notify import channels, sender
from everytick.notify.messages import Page, trial_message
from everytick.settings import SchedulerSettings

from inside import scheduler_settings
from slow_hosts import SLOW, Host, drips

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
