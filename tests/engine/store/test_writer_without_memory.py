"""The ledger's thread goes on after a moment without memory, says so, and loses no operation."""

from __future__ import annotations

import queue
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from everytick.log_sinks import never_waits
from everytick.store import writer as module
from everytick.store.connections import Connection
from everytick.store.opening import ledger_at
from everytick.store.writer import Writer
from everytick.system import use
from loguru import logger


class Scarce:
    """Has no memory for the first calls that it is asked about."""

    def __init__(self, times: int) -> None:
        self.left = times

    def check(self) -> None:
        if self.left:
            self.left -= 1
            raise MemoryError


@pytest.fixture
def told() -> Iterator[list[str]]:
    lines: list[str] = []
    number = logger.add(never_waits(lambda line: lines.append(str(line).strip())), format="{message}")
    yield lines
    logger.remove(number)


def in_the_wait(scarce: Scarce) -> Callable[[Writer], None]:
    def prepare(writer: Writer) -> None:
        usual: Any = writer._queue

        class Queue:
            put, qsize = usual.put, usual.qsize

            def get(self, **about: Any) -> Any:
                scarce.check()
                return usual.get(**about)

            def get_nowait(self) -> Any:
                scarce.check()
                return usual.get_nowait()

        writer._queue = Queue()  # type: ignore[assignment]

    return prepare


def in_the_sorting(scarce: Scarce) -> Callable[[Writer], None]:
    class Deque(deque[Any]):
        def append(self, given: Any) -> None:
            scarce.check()
            super().append(given)

    def prepare(writer: Writer) -> None:
        writer._urgent = Deque()

    return prepare


def in_the_commit(scarce: Scarce) -> Callable[[Writer], None]:
    def prepare(writer: Writer) -> None:
        usual = writer._commit

        def commit(connection: Connection, batch: list[Any]) -> None:
            scarce.check()
            usual(connection, batch)

        writer._commit = commit  # type: ignore[method-assign]

    return prepare


@pytest.mark.parametrize("where", [in_the_wait, in_the_sorting, in_the_commit])
def test_it_goes_on_and_no_operation_is_lost(
    tmp_path: Path, told: list[str], monkeypatch: pytest.MonkeyPatch, where: Any
) -> None:
    monkeypatch.setattr(module, "_RETRY_SECONDS", 0.01)
    ledger = ledger_at(f"sqlite:///{tmp_path / 'ledger.db'}")
    ledger.prepare()
    writer = Writer(ledger)
    where(Scarce(3))(writer)
    writer.start()
    done = [writer.submit(lambda _, number=number: number) for number in range(5)]  # type: ignore[misc]
    assert [each.result(30) for each in done] == list(range(5))
    assert writer.close() == 0
    assert told.count("no memory is left for the ledger's thread; trying again every second") == 1


def test_not_even_the_line_of_the_log_needs_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_RETRY_SECONDS", 0.01)
    ledger = ledger_at(f"sqlite:///{tmp_path / 'ledger.db'}")
    ledger.prepare()
    scarce = Scarce(2)

    class Queue(queue.Queue[Any]):
        def get(self, *given: Any, **about: Any) -> Any:
            scarce.check()
            return super().get(*given, **about)

    def fail(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(module, "logger", type("Logger", (), {"error": staticmethod(fail)}))
    with use(queue=Queue):
        writer = Writer(ledger)
    writer.start()
    assert writer.submit(lambda _: "done").result(30) == "done"
    writer.close()
