"""Functions that hand back what nobody ran: such a run is not called succeeded."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gc
import itertools
import re
import types
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator
from datetime import datetime
from typing import Any, ClassVar

import pytest
from everytick import AsyncIOScheduler, ScheduleError
from everytick.engine.tasks import tell_of_error

from inside import log as log
from inside import rows, until


def steps() -> Iterator[int]:
    yield 1


async def async_steps() -> AsyncIterator[int]:
    yield 1


async def coroutine() -> str:
    return "done"


@functools.wraps(steps)
def wrapped() -> Any:
    return steps()


async def async_wrapper() -> Any:
    return async_steps()


async def coroutine_of_a_coroutine() -> Any:
    return coroutine()


async def coroutine_of_a_generator() -> Any:
    return steps()


async def coroutine_of_a_list() -> Any:
    return [coroutine() for _ in range(3)]


class Lazy:
    def __await__(self) -> Generator[Any, None, str]:
        return coroutine().__await__()


async def coroutine_of_an_awaitable() -> Any:
    return Lazy()


class Callable_:
    def __call__(self) -> Any:
        return steps()


@contextlib.contextmanager
def manager() -> Iterator[None]:
    yield


@contextlib.asynccontextmanager
async def async_manager() -> AsyncIterator[None]:
    yield


NOTHING_RAN: dict[str, tuple[Callable[..., Any], str]] = {
    "a wrapper": (wrapped, "a generator"),
    "a lambda": (lambda: steps(), "a generator"),
    "a lambda of an async generator": (lambda: async_steps(), "an async generator"),
    "a callable object": (Callable_(), "a generator"),
    "a partial": (functools.partial(lambda make: make(), steps), "a generator"),
    "a context manager": (manager, "a generator"),
    "an async context manager": (async_manager, "an async generator"),
    "a coroutine of a coroutine": (coroutine_of_a_coroutine, "a coroutine"),
    "a coroutine of a generator": (coroutine_of_a_generator, "a generator"),
    "a coroutine of an async generator": (async_wrapper, "an async generator"),
    "a coroutine of an awaitable": (coroutine_of_an_awaitable, "a Lazy"),
    "a list of coroutines": (lambda: [coroutine(), coroutine()], "a list with a coroutine"),
    "a tuple of generators": (lambda: (1, steps()), "a tuple with a generator"),
    "a set of coroutines": (lambda: {coroutine()}, "a set with a coroutine"),
    "a dict of async generators": (lambda: {"a": 1, "b": async_steps()}, "a dict with an async generator"),
    "a coroutine of a list": (coroutine_of_a_list, "a list with a coroutine"),
    "a map": (lambda: map(print, [1]), "a map"),
    "a filter": (lambda: filter(None, [1]), "a filter"),
    "a zip": (lambda: zip([1], steps(), strict=False), "a zip"),
    "a chain": (lambda: itertools.chain(steps(), steps()), "a chain"),
    "an enumeration": (lambda: enumerate(steps()), "an enumerate"),
    "an islice": (lambda: itertools.islice(steps(), 5), "an islice"),
    "a lambda of a coroutine of a coroutine": (lambda: coroutine_of_a_coroutine(), "a coroutine"),
}


@pytest.mark.parametrize("case", NOTHING_RAN)
async def test_what_nobody_ran_is_no_success(scheduler: AsyncIOScheduler, case: str) -> None:
    function, what = NOTHING_RAN[case]
    scheduler.add_job(function, "date", id="job")
    async with scheduler:
        await until(lambda: rows(scheduler, "failed"))
    [row] = rows(scheduler)
    assert row["error"].startswith("RuntimeError: ")
    assert f"handed back {what} that nobody ran" in row["error"]
    # Not one of the engine's own lines, none of which helps.
    assert "engine/executor.py" not in row["traceback"]
    assert (
        re.search(r"\(.*test_nothing_ran\.py:\d+\)$|contextlib\.py:\d+\)$", row["error"])
        or case == "a partial"
    )
    assert row["error"] in row["traceback"]


class StandIn:
    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        raise RuntimeError("outside of a request")


class Ran:
    """Awaitables and generators of which something has run, or that somebody else runs."""

    @staticmethod
    def begun() -> Iterator[int]:
        generator = steps()
        next(generator)
        return generator

    @staticmethod
    def used_up() -> Iterator[int]:
        generator = steps()
        list(generator)
        return generator

    @staticmethod
    def of_a_coroutine() -> Awaitable[str]:
        return coroutine()

    @staticmethod
    def of_an_awaitable() -> Awaitable[str]:
        return Lazy()

    @staticmethod
    async def task() -> asyncio.Task[str]:
        return asyncio.ensure_future(coroutine())

    @staticmethod
    def plain() -> Any:
        return {"rows": [1, 2]}

    @staticmethod
    def in_containers() -> Any:
        begun = steps()
        next(begun)
        return [begun, {"deeper": [1]}, None, *range(5_000)]

    @staticmethod
    async def list_of_tasks() -> Any:
        return [asyncio.ensure_future(coroutine()) for _ in range(2)]

    @staticmethod
    async def gathered() -> Any:
        return asyncio.gather(coroutine(), coroutine())

    @staticmethod
    def iterator_of_a_list() -> Any:
        return iter([1, 2])

    @staticmethod
    def kind_itself() -> Any:
        return Lazy

    @staticmethod
    def stand_in() -> Any:
        """As web frameworks have it: outside of a request even its class cannot be asked for."""
        return StandIn()

    @staticmethod
    @types.coroutine
    def old_coroutine() -> Generator[Any, None, str]:
        return (yield from coroutine().__await__())


@pytest.mark.parametrize("name", [name for name in vars(Ran) if not name.startswith("_")])
async def test_what_ran_is_a_success(scheduler: AsyncIOScheduler, name: str) -> None:
    scheduler.add_job(getattr(Ran, name), "date", id="job")
    async with scheduler:
        await until(lambda: rows(scheduler, "succeeded"))


class HasYield:
    def __call__(self) -> Iterator[int]:
        yield 1


class HasAsyncYield:
    async def __call__(self) -> AsyncIterator[int]:
        yield 1


@pytest.mark.parametrize("function", [HasYield(), HasAsyncYield(), functools.partial(HasYield())])
def test_an_object_that_is_called_with_a_yield_is_refused_at_once(
    scheduler: AsyncIOScheduler, function: Callable[..., Any]
) -> None:
    with pytest.raises(ScheduleError, match="has a `yield`: calling it would run nothing of it"):
        scheduler.add_job(function, "date", id="job")


class Greets:
    def __call__(self) -> None:
        """Never called."""


class OwnError(Exception):
    def __init__(self) -> None:
        super().__init__("no")


@pytest.mark.parametrize("kind", [Greets, functools.partial(Greets), ValueError, OwnError, datetime, object])
def test_a_class_whose_objects_nobody_calls_is_refused(
    scheduler: AsyncIOScheduler, kind: Callable[..., Any]
) -> None:
    with pytest.raises(ScheduleError, match=" is a class: each run would make an object and ") as refused:
        scheduler.add_job(kind, "date", id="job")
    assert ("give an object, Greets()" in str(refused.value)) == ("Greets" in str(kind))


class WorksWhenMade:
    made: ClassVar[list[int]] = []

    def __init__(self) -> None:
        self.made.append(1)


async def test_a_class_that_works_when_an_object_is_made_runs(scheduler: AsyncIOScheduler) -> None:
    scheduler.add_job(WorksWhenMade, "date", id="job")
    async with scheduler:
        await until(lambda: rows(scheduler, "succeeded"))
    assert WorksWhenMade.made == [1]


async def fails_later() -> None:
    await asyncio.sleep(0.05)
    raise ValueError("behind the back of its job")


async def gathers() -> Any:
    return asyncio.gather(fails_later(), asyncio.sleep(0))


async def hands_back_a_future() -> Any:
    future = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_later(
        0.05, future.set_exception, ValueError("behind the back of its job")
    )
    return future


@pytest.mark.full
@pytest.mark.parametrize("function", [gathers, hands_back_a_future])
async def test_an_error_of_a_future_that_was_handed_back_names_its_job(
    scheduler: AsyncIOScheduler, log: list[str], function: Callable[..., Any]
) -> None:
    scheduler.add_job(function, "date", id="gatherer")

    def told() -> list[str]:
        gc.collect()
        return [line for line in log if "of job gatherer" in line and "behind the back" in line]

    asyncio.get_running_loop().set_exception_handler(tell_of_error)
    async with scheduler:
        # To look through all objects, as `told` does, takes long.
        await until(lambda: rows(scheduler, "succeeded"))
        await until(told)
