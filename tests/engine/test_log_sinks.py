"""Sinks of the log that hold up nobody: what they are handed, when, and what the end waits for."""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import os
import pickle
import threading
import time
from collections.abc import Iterator
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from everytick import AsyncIOScheduler, log_sinks
from everytick.system import use
from loguru import logger

from waiting import wait_for

_who: ContextVar[str] = ContextVar("who", default="nobody")


class Slow:
    """A sink that takes no line before the test opens it."""

    def __init__(self) -> None:
        self.is_open = threading.Event()
        self.records: list[Any] = []
        self.said: list[str] = []
        self.for_whom: list[str] = []

    def __call__(self, message: Any) -> None:
        self.is_open.wait(60)
        self.records.append(message.record)
        self.said.append(str(message).strip())
        self.for_whom.append(_who.get())


@pytest.fixture(autouse=True)
def freed() -> None:
    log_sinks.hold_up_nobody()


@pytest.fixture
def slow() -> Iterator[Slow]:
    made = Slow()
    number = logger.add(made, format="{level} {extra} {message}", level="DEBUG")
    yield made
    made.is_open.set()
    logger.remove(number)


@pytest.fixture
def told() -> Iterator[list[str]]:
    lines: list[str] = []
    number = logger.add(
        log_sinks.never_waits(lambda line: lines.append(str(line).strip())), format="{message}"
    )
    yield lines
    logger.remove(number)


def test_a_line_has_the_time_the_level_and_the_context_with_which_it_was_logged(slow: Slow) -> None:
    before = datetime.now(UTC)
    _who.set("job one")
    with logger.contextualize(job="one"):
        logger.bind(run=7).warning("first {}", 1)
    _who.set("job two")
    after = datetime.now(UTC)
    logger.debug("second")
    time.sleep(0.01)
    slow.is_open.set()
    logger.complete()
    assert slow.said == ["WARNING {'job': 'one', 'run': 7} first 1", "DEBUG {} second"]
    assert before <= slow.records[0]["time"] <= after
    assert slow.records[0]["thread"].id == threading.get_ident()
    assert slow.for_whom == ["job one", "job two"]


def test_lines_of_many_threads_are_all_there_and_each_threads_in_order(slow: Slow) -> None:
    slow.is_open.set()

    def work(name: str) -> None:
        for number in range(200):
            logger.bind(of=name).info("{}", number)

    threads = [threading.Thread(target=work, args=(str(number),)) for number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    logger.complete()
    for name in map(str, range(5)):
        own = [int(record["message"]) for record in slow.records if record["extra"] == {"of": name}]
        assert own == list(range(200))


def test_what_was_left_out_is_counted_and_told_once_the_sink_goes_on(
    slow: Slow, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_sinks, "_MOST_WAITING", 10)
    for number in range(25):
        logger.info("{}", number)
    slow.is_open.set()
    logger.complete()
    assert [record["message"] for record in slow.records[:10]] == [str(number) for number in range(10)]
    lost = f"15 line(s) were left out of the log sink {slow_name(slow)}, which was too slow"
    wait_for(lambda: told.count(lost) == 1, "the number of lines that were left out")
    logger.info("later")
    logger.complete()
    assert slow.records[-1]["message"] == "later"


def slow_name(slow: Slow) -> str:
    return repr(slow)


def test_the_end_waits_for_a_sink_that_hangs_once_and_not_for_long(slow: Slow, told: list[str]) -> None:
    for number in range(3):
        logger.info("{}", number)
    begin = time.monotonic()
    log_sinks.finish()
    assert 1.5 < time.monotonic() - begin < 6
    assert told[-1] == f"3 line(s) still wait for the log sink {slow_name(slow)}, and 0 were left out"
    assert log_sinks.hanging() == [slow_name(slow)]
    begin = time.monotonic()
    logger.complete()
    log_sinks.finish()
    assert time.monotonic() - begin < 1
    slow.is_open.set()


def test_removing_a_sink_hands_it_all_lines_and_then_closes_it_and_its_thread(tmp_path: Path) -> None:
    before = set(threading.enumerate())
    number = logger.add(tmp_path / "log", format="{message}")
    for line in range(500):
        logger.info("{}", line)
    [thread] = set(threading.enumerate()) - before
    logger.remove(number)
    assert (tmp_path / "log").read_text().split() == [str(line) for line in range(500)]
    thread.join(10)
    assert not thread.is_alive()


def test_an_error_of_a_sink_is_told_and_the_next_lines_reach_it(capsys: pytest.CaptureFixture[str]) -> None:
    said: list[str] = []

    def sink(message: Any) -> None:
        if "bad" in message:
            raise SystemExit("no")
        said.append(message.strip())

    number = logger.add(sink, format="{message}", catch=False)
    for text in ("one", "bad", "two"):
        logger.info(text)
    logger.remove(number)
    assert said == ["one", "two"]
    assert "Logging error in Loguru Handler" in capsys.readouterr().err


def test_a_sink_that_logs_itself_stops_nothing(told: list[str]) -> None:
    def sink(message: Any) -> None:
        if message.record["message"] == "first":
            logger.info("said by the sink")
            logger.complete()

    number = logger.add(sink)
    logger.info("first")
    logger.remove(number)
    assert told == ["first", "said by the sink"]


async def test_a_sink_that_is_a_coroutine_runs_on_the_loop_of_who_logs() -> None:
    said: list[str] = []

    async def sink(message: Any) -> None:
        said.append(message.record["message"])

    number = logger.add(sink)
    logger.info("a line")
    await logger.complete()
    logger.remove(number)
    assert said == ["a line"]


def test_a_handler_of_standard_logging_is_handed_its_record() -> None:
    records: list[logging.LogRecord] = []

    class Keeping(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            records.append(record)

    number = logger.add(Keeping(), format="{message}")
    logger.warning("a line")
    logger.remove(number)
    assert [(it.levelname, it.getMessage()) for it in records] == [("WARNING", "a line")]


def test_a_sink_that_was_there_before_the_schedule_holds_up_nothing_either(
    scheduler: AsyncIOScheduler,
) -> None:
    slow = Slow()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(log_sinks, "_pid", 0)
        number = logger.add(slow)

    async def logs() -> None:
        async with scheduler:
            logger.info("a line")
            slow.is_open.set()

    asyncio.run(logs())
    assert slow.records[-1]["message"] != ""
    logger.remove(number)


def test_where_no_thread_can_be_had_a_sink_is_called_as_usual() -> None:
    def refuse(*_: object, **__: object) -> None:
        raise RuntimeError("can't start new thread")

    said: list[str] = []
    with use(start_thread=refuse):
        number = logger.add(said.append, format="{message}")
    logger.info("a line")
    assert said == ["a line\n"]
    logger.remove(number)


def _log_in_child(path: Path) -> None:
    logger.info("by the child")
    with path.open("a") as file:
        number = logger.add(file, format="{message}")
        logger.info("by its own sink")
        logger.remove(number)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_child_that_was_forked_calls_the_sinks_itself(tmp_path: Path) -> None:
    number = logger.add(tmp_path / "log", format="{message}")
    logger.info("before")
    child = multiprocessing.get_context("fork").Process(target=_log_in_child, args=(tmp_path / "own",))
    child.start()
    child.join(60)
    logger.remove(number)
    assert child.exitcode == 0
    assert (tmp_path / "log").read_text().splitlines() == ["before", "by the child", "by its own sink"]
    assert (tmp_path / "own").read_text().splitlines() == ["by its own sink"]


def _print_it(message: Any) -> None:
    print(message)


def test_a_logger_can_be_handed_to_another_process() -> None:
    number = logger.add(_print_it)
    sink = pickle.loads(pickle.dumps(logger._core.handlers[number]._sink))  # type: ignore[attr-defined]
    assert sink._function is _print_it
    logger.remove(number)
