"""Exceptions whose text is made by a job: slow, failing, endless. The other jobs go on, and it is told."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from itertools import pairwise
from types import TracebackType
from typing import Any

import pytest
from everytick import AsyncIOScheduler, masking
from loguru import logger

from inside import rows_of, until


class Slow(Exception):
    def __str__(self) -> str:
        time.sleep(8)
        return "at last"


class SlowRepr:
    def __repr__(self) -> str:
        time.sleep(8)
        return "at last"


class Failing(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


class Leaving(Exception):
    def __str__(self) -> str:
        raise SystemExit(3)


class Endless(Exception):
    def __str__(self) -> str:
        return "hunter2  hunter2 " * 6_000_000


class Odd(Exception):
    def __str__(self) -> Any:
        return None


class Formatting(Exception):
    def __format__(self, spec: str) -> str:
        time.sleep(8)
        return "at last"


class SlowNote(str):
    def __str__(self) -> str:
        time.sleep(8)
        return "at last"


class ListsItself:
    def __dir__(self) -> list[str]:
        time.sleep(8)
        return []


class Own(Exception):
    def __str__(self) -> str:
        return "code 42: not found"


def with_cause() -> BaseException:
    made = ValueError("outer")
    made.__cause__ = Slow()
    return made


def in_a_group() -> BaseException:
    return ExceptionGroup("some", [ValueError("plain"), Slow()])


def with_note() -> BaseException:
    made = ValueError("noted")
    made.__notes__ = [SlowNote("x")]
    return made


def many() -> BaseException:
    made: BaseException = ValueError("first")
    for number in range(100_000):
        outer = ValueError(f"number {number}")
        outer.__context__ = made
        made = outer
    return made


def large_group() -> BaseException:
    return ExceptionGroup("hosts", [OSError(f"host {number} " + "x" * 500) for number in range(50_000)])


def many_arguments() -> BaseException:
    return ValueError(*["x" * 1_000] * 50_000)


def of_bytes() -> BaseException:
    return UnicodeDecodeError("utf-8", b"\xff" * 100_000_000, 0, 1, "invalid start byte")


def far_down() -> BaseException:
    """Return an error with as many calls in its traceback as a program has that raised the limit."""
    made = ValueError("far down")
    try:
        raise made
    except ValueError as raised:
        step = raised.__traceback__
    assert step is not None
    for _ in range(100_000):
        step = TracebackType(step, step.tb_frame, step.tb_lasti, step.tb_lineno)
    return made.with_traceback(step)


def of_an_attribute() -> BaseException:
    return AttributeError("no such attribute", obj=ListsItself(), name="x")


ERRORS: dict[str, tuple[Callable[[], BaseException], str]] = {
    "slow": (Slow, "Slow: (its text was not made within 1 second, and is left out)"),
    "slow argument": (lambda: ValueError(SlowRepr(), 1), "ValueError: (its text was not made within"),
    "failing": (Failing, "Failing: <exception str() failed: RuntimeError>"),
    "leaving": (Leaving, "Leaving: <exception str() failed: SystemExit>"),
    "endless": (Endless, "Endless: ***** *****"),
    "odd": (Odd, "Odd: <exception str() failed: TypeError>"),
    "formatting": (Formatting, "Formatting"),
    "slow cause": (with_cause, "its text was not made within"),
    "in a group": (in_a_group, "its text was not made within"),
    "slow note": (with_note, "its text was not made within"),
    "of an attribute": (of_an_attribute, "AttributeError: no such attribute"),
    "many": (many, "number 99999"),
    "large group": (large_group, "ExceptionGroup: hosts (50000 sub-exceptions): [OSError: host 0 xxx"),
    "many arguments": (many_arguments, "ValueError: ('xxx"),
    "of bytes": (of_bytes, "UnicodeDecodeError: 'utf-8' codec can't decode byte"),
    "far down": (far_down, "calls in the middle of its traceback are left out"),
    "own": (Own, "Own: code 42: not found"),
}


@pytest.mark.full
@pytest.mark.parametrize("kind", ERRORS)
@pytest.mark.parametrize("where", ["coroutine", "function"])
async def test_its_text_holds_up_no_other_job(
    kind: str, where: str, scheduler: AsyncIOScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(masking, "_known", {})
    masking.hide("hunter2")
    make, said = ERRORS[kind]
    seen: list[tuple[float, float]] = []

    async def fails() -> None:
        raise make()

    def fails_on_a_thread() -> None:
        raise make()

    async def look_at_the_loop() -> None:
        while True:
            seen.append((time.monotonic(), time.thread_time()))
            await asyncio.sleep(0.05)

    lines: list[str] = []
    sink = logger.add(lines.append, format="{message}")
    scheduler.add_job(fails if where == "coroutine" else fails_on_a_thread, "date", id="fails")
    looking = asyncio.create_task(look_at_the_loop())
    try:
        async with scheduler:
            await until(lambda: [row for row in rows_of(scheduler, "fails") if row["state"] == "failed"], 5)
            await asyncio.sleep(0.3)
    finally:
        looking.cancel()
        logger.remove(sink)
    [row] = rows_of(scheduler, "fails")
    assert said in row["error"]
    assert len(row["error"]) < 2_100
    assert len(row["traceback"]) < 21_000
    assert "hunter" not in row["error"] + row["traceback"] + "".join(lines)
    if kind not in ("slow cause", "in a group", "many"):
        assert "raise make()\n" in row["traceback"]
    waits, works = zip(*((b[0] - a[0], b[1] - a[1]) for a, b in pairwise(seen)), strict=True)
    # Slow texts take 8 seconds; a busy machine may let all wait for a while.
    assert max(waits) < 4
    # What the loop's own thread does meanwhile depends on no other program.
    assert max(works) < 0.6
