"""A function that was called where it should be named."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from everytick import AsyncIOScheduler, ScheduleError, SchedulerClient

import added_tasks


class Table:
    """What a DataFrame is: no truth value, no equality, text of many lines."""

    def __bool__(self) -> bool:
        raise ValueError("the truth value of a table is ambiguous")

    def __eq__(self, other: object) -> Any:
        raise ValueError("tables are compared otherwise")

    def __repr__(self) -> str:
        return "a  b\n1  2\n" * 1_000

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)


async def coroutine() -> None:
    """Nothing."""


def generator() -> Iterator[int]:
    yield 1


async def async_generator() -> AsyncIterator[int]:
    yield 1


RETURNED: list[Any] = [
    None, True, 0, 1.5, "done", "3 rows: written", "a\nb", "", "app.tasks", ":x", "x:", "rows:", b"raw", [],
    Path("out.csv"), {"rows": 3}, (1, 2), Table(), object(), "x" * 5_000,
    Exception("no"), datetime(2027, 1, 1, tzinfo=UTC),
]  # fmt: skip


def refused(declare: Any) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ScheduleError) as refusal:
            declare()
    said = str(refusal.value)
    assert "test_called_functions.py:" in said
    assert "\n" not in said
    assert len(said) < 300
    assert "leave the parentheses out" in said
    return said


@pytest.mark.parametrize("returned", RETURNED, ids=lambda value: type(value).__name__)
def test_what_a_call_gave_back_is_no_function(scheduler: AsyncIOScheduler, returned: Any) -> None:
    refused(lambda: scheduler.add_job(returned, "cron", hour=3))
    refused(lambda: scheduler.add_job(returned, id="job"))
    refused(lambda: scheduler.scheduled_job("cron", hour=3)(returned))
    refused(lambda: SchedulerClient().add_job(returned, "cron", hour=3))


def test_nor_is_what_was_to_be_awaited_or_iterated(scheduler: AsyncIOScheduler) -> None:
    refused(lambda: scheduler.add_job(coroutine(), "cron", hour=3))
    refused(lambda: scheduler.add_job(generator(), "cron", hour=3))
    said = refused(lambda: scheduler.add_job(async_generator(), "cron", hour=3))
    assert "an async generator is not a function" in said


async def test_nor_is_a_task(scheduler: AsyncIOScheduler) -> None:
    task = asyncio.ensure_future(coroutine())
    assert "a Task is not a function" in refused(lambda: scheduler.add_job(task, "cron", hour=3))
    await task


async def test_nor_is_it_while_running(scheduler: AsyncIOScheduler) -> None:
    async with scheduler:
        scheduler.add_job(added_tasks.note, "cron", hour=3, id="job")
        refused(lambda: scheduler.modify_job("job", func=None))
        refused(lambda: scheduler.add_job(None, "cron", hour=3))


def test_text_that_names_what_is_no_function_says_so(scheduler: AsyncIOScheduler) -> None:
    with pytest.raises(ScheduleError, match="'added_tasks:calls' names a list, which is not a function"):
        scheduler.add_job("added_tasks:calls", "cron", hour=3)
    with pytest.raises(ScheduleError, match="'added_tasks:gone' cannot be imported"):
        scheduler.add_job("added_tasks:gone", "cron", hour=3)


def load_rows() -> list[int]:
    return []


class Tasks:
    @staticmethod
    def load() -> None:
        """Nothing."""


def said_of(declare: Any) -> str:
    with pytest.raises(ScheduleError) as refusal:
        declare()
    return str(refusal.value).partition(": ")[2]


def test_what_was_called_is_named(scheduler: AsyncIOScheduler) -> None:
    said = said_of(lambda: scheduler.add_job(load_rows(), "cron", hour=3))
    assert said == "a list is not a function: leave the parentheses out, load_rows instead of load_rows()"
    said = said_of(lambda: scheduler.add_job(func=Tasks.load(), trigger="cron", hour=3))
    assert said.endswith("leave the parentheses out, Tasks.load instead of Tasks.load()")


def test_what_was_certainly_not_called_is_told_without_that(scheduler: AsyncIOScheduler) -> None:
    assert said_of(lambda: scheduler.add_job(added_tasks, "cron", hour=3)) == "a module is not a function"
    said = said_of(lambda: scheduler.add_job([load_rows, load_rows], "cron", hour=3))
    assert said == "a list is not a function"
    said = said_of(lambda: scheduler.add_job("app.services.kinds.noop", "cron", hour=3))
    assert said.endswith(
        " is not a reference such as 'app.services.my_tasks:backup_database': write 'app.services.kinds:noop'"
    )
    said = said_of(lambda: scheduler.add_job("app services", "cron", hour=3))
    assert said.endswith(" is not a reference such as 'app.services.my_tasks:backup_database'")
