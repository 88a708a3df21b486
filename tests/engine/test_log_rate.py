"""What may happen very often is one log line a minute for each kind, and no event goes uncounted."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from everytick.log_rate import RateLimitedLog
from everytick.system import use
from loguru import logger


@pytest.fixture
def lines() -> Iterator[list[str]]:
    """What was logged."""
    found: list[str] = []
    number = logger.add(lambda message: found.append(str(message).strip()), format="{level} {message}")
    yield found
    logger.remove(number)


@pytest.fixture
def clock() -> Iterator[list[float]]:
    """A clock in seconds that is set by hand."""
    now = [0.0]
    with use(monotonic=lambda: now[0]):
        yield now


def test_the_first_is_logged_at_once_and_the_others_are_counted(lines: list[str], clock: list[float]) -> None:
    log = RateLimitedLog()
    for number in range(1_000):
        log.warning("token", "a wrong token from {}", number)
    log.warning("other", "something else")
    assert lines == ["WARNING a wrong token from 0", "WARNING something else"]
    clock[0] = 59
    assert log.tell()
    assert len(lines) == 2
    clock[0] = 60
    assert log.tell()
    assert lines[2:] == [
        "WARNING a wrong token from 999 (999 times more since this was logged last)",
    ]
    clock[0] = 120
    assert not log.tell()
    assert len(lines) == 3


def test_an_event_after_a_quiet_minute_is_logged_at_once_again(lines: list[str], clock: list[float]) -> None:
    log = RateLimitedLog()
    log.warning("token", "one")
    clock[0] = 60
    log.warning("token", "two")
    assert lines == ["WARNING one", "WARNING two"]


def test_an_error_has_its_traceback_once(lines: list[str], clock: list[float]) -> None:
    log = RateLimitedLog()
    for _ in range(3):
        try:
            raise ValueError("wrong")
        except ValueError as problem:
            log.error("kind", problem, "{} failed", "a page")
    assert len(lines) == 1
    assert lines[0].startswith("ERROR a page failed\nTraceback")
    clock[0] = 60
    log.tell()
    assert lines[1] == "ERROR a page failed (2 times more since this was logged last)"
