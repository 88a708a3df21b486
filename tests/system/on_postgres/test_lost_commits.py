"""A COMMIT whose answer is lost, and a server that stays away: who stays asks until it knows."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from everytick.store import postgres_connection
from everytick.store.connections import CommitUnknown, Unavailable, transaction
from everytick.store.database import Ledger
from everytick.store.opening import ledger_at

from proxy import Proxy, lose_the_answer, lose_the_question, proxy
from servers import Server, at_port

pytestmark = pytest.mark.full

AUDIT = "INSERT INTO scheduler_audit (at_us, who, action) VALUES (1, 'somebody', 'looked')"


@pytest.fixture
def wire(server: Server) -> Iterator[Proxy]:
    with proxy(server.port) as made:
        yield made


@pytest.fixture
def ledger(postgres_url: str, wire: Proxy, monkeypatch: pytest.MonkeyPatch) -> Ledger:
    ledger_at(postgres_url).prepare()
    monkeypatch.setattr(postgres_connection, "_UNKNOWN_SECONDS", 0.5)
    return ledger_at(at_port(postgres_url, wire.port))


def away(wire: Proxy) -> threading.Event:
    """Cut the wire in the next COMMIT, so that the server hears it, and let nobody in afterwards."""

    def cut(one: Any) -> bool:
        wire._refuses = True
        return lose_the_answer(one)

    return wire.when(b"COMMIT", cut)


def back_after(wire: Proxy, seconds: float) -> threading.Timer:
    timer = threading.Timer(seconds, wire.mend)
    timer.start()
    return timer


def looked(url: Ledger) -> int:
    with closing(url.connect(read_only=True)) as connection:
        return int(connection.execute("SELECT count(*) FROM scheduler_audit").fetchone()[0])


def test_who_stays_asks_until_the_server_is_back(ledger: Ledger, wire: Proxy) -> None:
    with closing(ledger.connect(resolving=True)) as connection:
        done, begin = away(wire), time.monotonic()
        timer = back_after(wire, 2)
        with transaction(connection):
            connection.execute(AUDIT)
        # It knows that it was committed, though that took longer than others ask.
        assert done.is_set()
        assert time.monotonic() - begin > 0.5
    timer.join()
    assert looked(ledger) == 1


def test_who_stays_learns_that_it_was_undone(ledger: Ledger, wire: Proxy) -> None:
    with closing(ledger.connect(resolving=True)) as connection:
        wire.when(b"COMMIT", lose_the_question)
        with pytest.raises(Unavailable, match="undone"), transaction(connection):
            connection.execute(AUDIT)
    assert looked(ledger) == 0


def test_who_does_not_stay_says_that_it_does_not_know(ledger: Ledger, wire: Proxy) -> None:
    with closing(ledger.connect()) as connection:
        away(wire)
        with pytest.raises(CommitUnknown, match="not known whether this was done"), transaction(connection):
            connection.execute(AUDIT)
    wire.mend()
    assert looked(ledger) == 1
