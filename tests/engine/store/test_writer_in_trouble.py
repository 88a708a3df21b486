"""What the ledger's thread says of a ledger that does not answer, and when it says that it does again."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from everytick.errors import LedgerUnavailable
from everytick.store import writer as module
from everytick.store.connections import Connection, Scope, Unavailable
from everytick.store.opening import ledger_at
from everytick.store.writer import Writer
from loguru import logger


def away(_connection: Connection) -> None:
    raise Unavailable("the server is away")


def broken(_connection: Connection) -> None:
    raise ZeroDivisionError


def test_a_transaction_in_which_nothing_is_left_to_do_shows_no_ledger_that_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a server a transaction begins with its first statement: without one it reaches nobody."""

    def lazily(connection: Connection, action: Callable[[Connection], Any], **_how: Any) -> Any:
        return action(connection)

    monkeypatch.setattr(module, "in_transaction", lazily)
    said = list[str]()
    sink = logger.add(lambda line: said.append(line.record["message"].partition(" (")[0]), level="INFO")
    ledger = ledger_at(f"sqlite:///{tmp_path / 'ledger.db'}")
    ledger.prepare()
    writer, go = Writer(ledger), threading.Event()
    writer.start()

    def away_after_a_while(connection: Connection) -> None:
        assert go.wait(20)
        away(connection)

    try:
        first = writer.submit(away_after_a_while)
        while not first.running():
            pass
        # Of another scope: in a transaction of its own.
        given_up = writer.submit(away, scope=Scope.RARE)
        assert given_up.cancel()
        go.set()
        for operation in (first, writer.submit(away)):
            with pytest.raises(LedgerUnavailable):
                operation.result(20)
        assert writer.submit(lambda _connection: 7).result(20) == 7
    finally:
        writer.close()
        logger.remove(sink)
    assert said == ["the ledger does not answer", "the ledger answers again"]


def test_what_was_cancelled_is_left_out_also_when_the_others_are_tried_once_more(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ledger = ledger_at(f"sqlite:///{tmp_path / 'ledger.db'}")
    ledger.prepare()
    writer, go = Writer(ledger), threading.Event()
    writer.start()
    try:
        first = writer.submit(lambda _connection: go.wait(20))
        while not first.running():
            pass
        given_up, at_fault, sound = (
            writer.submit(it) for it in (lambda _inside: 1, broken, lambda _inside: 7)
        )
        assert given_up.cancel()
        go.set()
        assert sound.result(20) == 7
        with pytest.raises(ZeroDivisionError):
            at_fault.result(20)
    finally:
        writer.close()
    # There `concurrent.futures` tells what it takes for a mistake.
    assert caplog.messages == []
