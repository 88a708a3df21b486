"""Exceptions that raise, or hand out nonsense, when they are looked at: their runs end, and are told of."""

from __future__ import annotations

import asyncio
import sys
import types
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from everytick import AsyncIOScheduler
from everytick.engine import capture, safe_errors
from loguru import logger

from inside import log as log
from inside import rows, rows_of, until


def raising(_self: object, *_more: object) -> Any:
    raise LookupError("not to be looked at")


def leaving(_self: object, *_more: object) -> Any:
    raise SystemExit(3)


def with_attribute(name: str, value: Any) -> BaseException:
    made = ValueError("x")
    made.__dict__[name] = value
    return made


def of_class(**members: Any) -> BaseException:
    made: BaseException = type("Odd", (ValueError,), members)("x")
    return made


def of_meta(**members: Any) -> BaseException:
    made: BaseException = type("Meta", (type,), members)("Odd", (ValueError,), {})("x")
    return made


def group(**members: Any) -> BaseException:
    made: BaseException = type("Odd", (ExceptionGroup,), members)("some", [ValueError("part")])
    return made


def caused_by(cause: BaseException) -> BaseException:
    made = ValueError("outer")
    made.__cause__ = cause
    return made


def in_a_group(part: Exception) -> BaseException:
    return ExceptionGroup("some", [part])


def with_trace(lasti: int, line: int) -> BaseException:
    return ValueError("x").with_traceback(types.TracebackType(None, sys._getframe(), lasti, line))


def from_code(**changes: Any) -> BaseException:
    def fails() -> None:
        raise ValueError("x")

    fails.__code__ = fails.__code__.replace(**changes)
    try:
        fails()
    except ValueError as problem:
        return problem
    raise AssertionError


class Loader:
    get_source = leaving


def from_globals() -> BaseException:
    spaces = {"__name__": "nowhere", "__loader__": Loader(), "__spec__": None}
    code = compile("def fails():\n    raise ValueError('x')\n", "nowhere.py", "exec")
    exec(code, spaces)
    try:
        spaces["fails"]()  # type: ignore[operator]
    except ValueError as problem:
        return problem
    raise AssertionError


class NoText(str):
    __str__ = __repr__ = __len__ = __iter__ = __hash__ = __eq__ = raising


ATTRIBUTES = (
    *("__notes__", "__cause__", "__context__", "__traceback__", "__suppress_context__", "__class__"),
    *("__dict__", "args", "add_note", "with_traceback", "filename", "obj", "name", "msg", "exceptions"),
)
METHODS = (
    *("__str__", "__repr__", "__getattribute__", "__getattr__", "__bool__", "__len__", "__eq__", "__hash__"),
    *("__reduce__", "__reduce_ex__", "__format__", "__dir__", "__sizeof__", "__setattr__", "__iter__"),
)
KINDS: dict[str, Callable[[], BaseException]] = {
    **{f"notes are {value!r}": partial(with_attribute, "__notes__", value)
       for value in (5, None, "text", [5, None], {"a": 1}, float("nan"))},
    "notes cannot be gone through": lambda: with_attribute("__notes__", NoText("x")),
    "a note is no text": lambda: with_attribute("__notes__", [NoText("x")]),
    **{f"{name} raises": partial(of_class, **{name: property(raising)})
       for name in ATTRIBUTES},
    **{f"{name} leaves": partial(of_class, **{name: property(leaving)})
       for name in ATTRIBUTES},
    **{f"{name}() raises": partial(of_class, **{name: raising})
       for name in METHODS},
    **{f"{name}() leaves": partial(of_class, **{name: leaving})
       for name in METHODS if name != "__setattr__"},
    **{f"{name} is {value!r}": partial(of_class, **{name: value})
       for name in ("__cause__", "__context__", "__traceback__", "__class__", "args", "__module__")
       for value in (5, "text", [1])},
    "text is a number": lambda: of_class(__str__=lambda _self: 5, __repr__=lambda _self: 5),
    "text is odd": lambda: of_class(__str__=lambda _self: NoText("x")),
    "an argument is odd": lambda: ValueError(NoText("x")),
    "false": lambda: of_class(__bool__=lambda _self: False),
    "module is odd": lambda: of_class(__module__=NoText("x")),
    **{f"the metaclass's {name} raises": partial(of_meta, **{name: property(raising)})
       for name in ("__module__", "__name__", "__mro__", "__dict__", "__class__", "__doc__")},
    **{f"the metaclass's {name}() raises": partial(of_meta, **{name: raising})
       for name in ("__getattribute__", "__repr__", "__hash__", "__eq__", "__instancecheck__")},
    **{f"a group's {name} raises": partial(group, **{name: property(raising)})
       for name in ("exceptions", "message", "__class__", "__notes__", "args")},
    **{f"a group's exceptions are {value!r}": partial(group, exceptions=value)
       for value in (5, None, [5], (None,), "text")},
    "a group's text raises": lambda: group(__str__=raising),
    "a group's split and derive raise": lambda: group(derive=raising, split=raising, subgroup=raising),
    "an odd cause": lambda: caused_by(of_class(__class__=property(raising), __bool__=raising)),
    "an odd part": lambda: in_a_group(of_class(__class__=property(raising))),  # type: ignore[arg-type]
    "a trace beyond its code": lambda: with_trace(2**31 - 2, 7),
    "a trace before its code": lambda: with_trace(-5, -7),
    "a trace at a line far off": lambda: with_trace(0, 2**31 - 1),
    "odd names of code": lambda: from_code(co_name="\ud800\0", co_filename="\ud800\0\n<x>{y}"),
    "its line is odd": lambda: from_code(co_firstlineno=2**31 - 1),
    "its source raises": from_globals,
}  # fmt: skip


@pytest.mark.full
@pytest.mark.parametrize("where", ["coroutine", "function"])
async def test_a_run_fails_in_order_however_its_exception_behaves(
    where: str, scheduler: AsyncIOScheduler, log: list[str]
) -> None:
    def fails(kind: str) -> None:
        raise KINDS[kind]()

    async def fails_in_the_loop(kind: str) -> None:
        raise KINDS[kind]()

    function = fails if where == "function" else fails_in_the_loop
    for kind in KINDS:
        scheduler.add_job(function, "date", id=kind, name=kind, args=[kind])

    def ended() -> list[dict[str, Any]]:
        return rows(scheduler, "failed")

    async with scheduler:
        await until(lambda: len(ended()) >= len(KINDS), 60)
    assert sorted(row["job_id"] for row in ended()) == sorted(KINDS)
    for row in ended():
        assert row["error"], row
        assert row["traceback"], row
        assert [line for line in log if line.startswith(f"{row['job_id']} failed")], row


@pytest.mark.parametrize("kind", KINDS)
async def test_an_exception_is_described_however_it_behaves(kind: str) -> None:
    problem = KINDS[kind]()
    for shown in (problem, safe_errors.safe_now(problem), await safe_errors.safe(problem)):
        assert capture.one_line(shown).strip()
        assert capture.trace(shown).strip()


async def test_a_run_ends_though_no_line_can_be_logged(scheduler: AsyncIOScheduler) -> None:
    async def fails() -> None:
        logger.configure(patcher=leaving)
        raise ValueError("its text")

    async def succeeds() -> None:
        logger.configure(patcher=leaving)

    async def takes_long() -> None:
        logger.configure(patcher=leaving)
        await asyncio.sleep(20)

    scheduler.add_job(fails, "date", id="fails")
    scheduler.add_job(succeeds, "date", id="succeeds")
    scheduler.add_job(takes_long, "date", id="takes long", timeout=0.1)
    wanted = {"fails": "failed", "succeeds": "succeeded", "takes long": "timed_out"}
    try:
        async with scheduler:
            await until(
                lambda: {it: row["state"] for it in wanted for row in rows_of(scheduler, it)} == wanted, 5
            )
    finally:
        logger.configure(patcher=lambda _record: None)
    assert rows_of(scheduler, "fails")[0]["error"] == "ValueError: its text"
