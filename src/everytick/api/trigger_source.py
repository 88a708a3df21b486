"""Where a trigger object was made: the calls in the user's files that may have made it.

A trigger object keeps no trace of what it was not given. The call that made it does, and stands in a file:
inside the very `add_job(...)` call that is being looked at, or where the object was given a name. Any other
call proves nothing, however alike: the object may come from a function, a `functools.partial` or a copy.
"""

from __future__ import annotations

import ast
import functools
import inspect
import sys
from collections import ChainMap
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from types import FrameType, ModuleType
from typing import Any

from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.combining import BaseCombiningTrigger
from everytick.call_site import is_library_file, user_frame
from everytick.source_text import Bound, FileText, Span, text_of

# A value that cannot be read from the source: it may be anything.
OPEN = object()
# Calls that give a zone for certain.
_ZONES = ("ZoneInfo", "timezone", "gettz")
# Calls that give a moment for certain.
_MOMENTS = ("datetime", "date", "now", "today", "utcnow")


@dataclass(frozen=True)
class TriggerCall:
    """One call that makes a trigger.

    arguments: by name, as they are written.
    more: the expressions after `**`; `starred`: whether an argument is given by `*`.
    crontab: whether it is a call of `from_crontab`.
    names: what the names mean that are written there.
    """

    arguments: Mapping[str, ast.expr]
    more: tuple[ast.expr, ...]
    starred: bool
    crontab: bool
    names: Mapping[str, Any] = field(default_factory=dict)

    @functools.cached_property
    def open(self) -> bool:
        """Whether there may be arguments that cannot be read off."""
        return self.starred or any(not isinstance(self._read(part), dict) for part in self.more)

    def value(self, name: str) -> Any:
        """Return what an argument is; None without one, `OPEN` if that cannot be read off."""
        if name in self.arguments:
            return self._read(self.arguments[name])
        for part in self.more:
            found = self._read(part)
            if isinstance(found, dict) and name in found:
                return found[name]
        return OPEN if self.open else None

    def _read(self, expression: ast.expr) -> Any:
        return _read(expression, self.names)

    def gives(self, name: str) -> bool | None:
        """Return whether it gives an argument, other than None; None if that cannot be read off."""
        value = self.value(name)
        if value is not OPEN:
            return value is not None
        expression = self.arguments.get(name)
        if isinstance(expression, ast.Call) and _called(expression) in (*_ZONES, *_MOMENTS):
            return True
        return True if isinstance(expression, ast.BinOp) else None

    def is_naive(self, name: str) -> bool:
        """Return whether an argument certainly gives no zone: text does not, with an offset or without."""
        value = self.value(name)
        if value is not OPEN:
            return not (isinstance(value, datetime) and value.tzinfo is not None)
        return name in self.arguments and _is_naive(self.arguments[name])

    def is_aware(self, name: str) -> bool:
        """Return whether an argument is certainly a datetime with a zone."""
        value = self.value(name)
        if value is not OPEN:
            return isinstance(value, datetime) and value.tzinfo is not None
        return name in self.arguments and _is_aware(self.arguments[name])


class Origin:
    """The calls that made a trigger object which is being given to a scheduler."""

    def __init__(
        self, trigger: BaseTrigger, cls: type[BaseTrigger], fits: Callable[[TriggerCall], bool]
    ) -> None:
        """`cls`: APScheduler's class that it is of. `fits` tells whether a call may have made it."""
        self._trigger, self._fits, self._frame = trigger, fits, user_frame()
        self._parameters = _parameters(cls.__init__)
        # A subclass with a signature of its own takes other arguments.
        self._is_plain = type(trigger).__init__ is cls.__init__

    @functools.cached_property
    def calls(self) -> list[TriggerCall]:
        """Return the calls one of which certainly made it; none if that is not certain.

        Those inside of the call of the scheduler; else those whose result was given a name, if the name is
        still this very object, or a combination of which it is a part, and was never given anything else
        that may be it.
        """
        names = ChainMap(self._frame.f_locals, self._frame.f_globals)
        here = text_of(self._frame.f_code.co_filename, self._frame.f_globals)
        if inside := self._certain(self._arguments(here, names), names):
            return inside
        for bound, known in self._bound(here, names):
            if found := self._certain(bound, known):
                return found
        return []

    @functools.cached_property
    def texts(self) -> list[str]:
        """Return the texts that are given to something in the file from which it is given to the scheduler.

        Not in all files: the more modules a program loads, the more triggers would be open to doubt.
        """
        return text_of(self._frame.f_code.co_filename, self._frame.f_globals).texts

    def ask(self, question: Callable[[TriggerCall], bool | None]) -> bool | None:
        """Return the answer of all calls that may have made it; None if they differ, or there is none."""
        answers = {question(call) for call in self.calls}
        return answers.pop() if len(answers) == 1 else None

    def _arguments(self, text: FileText, names: Mapping[str, Any]) -> Bound:
        """Return the arguments, of the scheduler's method, in which a trigger like it is made."""
        span = _span_of(self._frame)
        call = text.calls.get(span) if span else None
        if call is None:
            return []
        given = [*call.args, *(keyword.value for keyword in call.keywords)]
        return [part for part in given if any(self._like(node, names) for node in ast.walk(part))]

    def _bound(self, here: FileText, names: Mapping[str, Any]) -> Iterator[tuple[Bound, Mapping[str, Any]]]:
        """Yield the values assigned to each name that holds it now, with the names known there."""
        local = self._frame.f_locals
        if local is not self._frame.f_globals:
            for name in [name for name, value in list(local.items()) if self._is_in(value)]:
                yield here.given_around(self._frame.f_lineno, name), names
        for text, known in [(here, self._frame.f_globals), *self._others()]:
            for name, bound in text.module.items():
                if self._is_in(known.get(name)):
                    yield bound, known
            for cls, attributes in text.classes.items():
                of_class = getattr(known.get(cls), "__dict__", {})
                for name, bound in attributes.items():
                    if self._is_in(of_class.get(name)):
                        yield bound, ChainMap(dict(of_class), dict(known))

    def _others(self) -> Iterator[tuple[FileText, dict[str, Any]]]:
        own = self._frame.f_code.co_filename
        for module in _modules_with_triggers(len(sys.modules), id(list(sys.modules.values())[-1])):
            if module.__file__ is not None and module.__file__ != own:
                yield text_of(module.__file__, vars(module)), vars(module)

    def _is_in(self, value: object, around: tuple[object, ...] = ()) -> bool:
        if isinstance(value, BaseCombiningTrigger) and isinstance(value.triggers, list | tuple):
            # One that is a part of itself is not asked for ever.
            parts = [part for part in value.triggers if all(part is not outer for outer in (*around, value))]
            return any(self._is_in(part, (*around, value)) for part in parts)
        return value is self._trigger

    def _certain(self, bound: Bound, names: Mapping[str, Any]) -> list[TriggerCall]:
        found = [call for expression in bound for call in self._makers(expression, names)]
        certain = [call for call in found if call is not None]
        return certain if len(certain) == len(found) else []

    def _makers(self, expression: ast.expr | None, names: Mapping[str, Any]) -> Iterator[TriggerCall | None]:
        """Yield the calls that may have made it; None for an expression that may be it in another way."""
        parts: Iterable[ast.expr | None]
        match expression:
            case ast.Constant() | ast.Lambda() | ast.Compare() | ast.JoinedStr():
                return
            case ast.IfExp(body=body, orelse=orelse):
                parts = (body, orelse)
            case ast.BoolOp(values=values):
                parts = values
            case ast.List(elts=parts) | ast.Tuple(elts=parts) | ast.Dict(values=parts):
                pass
            case ast.NamedExpr(value=value) | ast.Starred(value=value):
                parts = (value,)
            case ast.Name() | ast.Attribute() | ast.Subscript():
                value = _read(expression, names)
                if value is OPEN or self._is_in(value):
                    yield None
                return
            case ast.Call():
                if call := self._like(expression, names):
                    if self._fits(call):
                        yield call
                    return
                made = _class_of(expression.func, names)
                if made is None:
                    yield None
                    return
                parts = ()
                if issubclass(made, BaseCombiningTrigger):
                    parts = (*expression.args, *(keyword.value for keyword in expression.keywords))
                elif issubclass(type(self._trigger), made):
                    yield None
            case _:
                yield None
                return
        for part in parts:
            yield from self._makers(part, names)

    def _like(self, node: ast.AST, names: Mapping[str, Any]) -> TriggerCall | None:
        """Return a call of the very class that it is of; None for anything else."""
        if not isinstance(node, ast.Call) or not self._is_plain:
            return None
        function, crontab = node.func, False
        if isinstance(function, ast.Attribute) and function.attr == "from_crontab":
            function, crontab = function.value, True
        if _class_of(function, names) is not type(self._trigger):
            return None
        order = ("expr", "timezone") if crontab else self._parameters
        arguments = dict(zip(order, node.args, strict=False))
        arguments |= {keyword.arg: keyword.value for keyword in node.keywords if keyword.arg is not None}
        more = tuple(keyword.value for keyword in node.keywords if keyword.arg is None)
        starred = any(isinstance(argument, ast.Starred) for argument in node.args)
        return TriggerCall(arguments, more, starred, crontab, names)


def _class_of(function: ast.expr, names: Mapping[str, Any]) -> type | None:
    """Return the class that is called; None if it is none, or cannot be read off."""
    found = _read(function, names)
    return found if isinstance(found, type) else None


def _read(expression: ast.expr, names: Mapping[str, Any]) -> Any:
    """Return the present value of an expression, without running code; else OPEN."""
    if isinstance(expression, ast.Name):
        return names.get(expression.id, OPEN)
    if isinstance(expression, ast.Attribute):
        return getattr(_read(expression.value, names), "__dict__", {}).get(expression.attr, OPEN)
    if isinstance(expression, ast.Subscript):
        owner, key = _read(expression.value, names), _read(expression.slice, names)
        if type(owner) is dict and isinstance(key, str | int):
            return owner.get(key, OPEN)
        is_item = type(owner) in (list, tuple) and type(key) is int and -len(owner) <= key < len(owner)
        return owner[key] if is_item else OPEN
    try:
        return ast.literal_eval(expression)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return OPEN


@functools.cache
def _parameters(function: Callable[..., None]) -> tuple[str, ...]:
    return tuple(name for name in inspect.signature(function).parameters if name != "self")


def function_given() -> ast.expr | None:
    """Return the expression of the function in the call of the scheduler; None if that cannot be seen."""
    frame = user_frame()
    span = _span_of(frame)
    call = text_of(frame.f_code.co_filename, frame.f_globals).calls.get(span) if span else None
    if call is None:
        return None
    named = [keyword.value for keyword in call.keywords if keyword.arg == "func"]
    return next(iter([*named, *call.args[:1]]), None)


def _span_of(frame: FrameType) -> Span | None:
    """Return where the call begins and ends that a frame is in: lines and columns."""
    line, end_line, column, end_column = next(islice(frame.f_code.co_positions(), frame.f_lasti // 2, None))
    if line is None or end_line is None or column is None or end_column is None:
        return None
    return line, column, end_line, end_column


@functools.lru_cache(maxsize=1)
def _modules_with_triggers(_number: int, _newest: int) -> list[ModuleType]:
    """Return the modules, outside of this package and APScheduler, that name anything of APScheduler.

    Looked up anew when their number, or the one that was imported last, is another.
    """
    return [module for module in list(sys.modules.values()) if _may_make_triggers(module)]


def _may_make_triggers(module: object) -> bool:
    if not isinstance(module, ModuleType) or is_library_file(getattr(module, "__file__", None) or "<none>"):
        return False
    name = getattr(module, "__file__", None)
    return isinstance(name, str) and any(_is_apschedulers(value) for value in list(vars(module).values()))


def _is_apschedulers(value: object) -> bool:
    if isinstance(value, ModuleType):
        return value.__name__.partition(".")[0] == "apscheduler"
    return isinstance(value, type) and issubclass(value, BaseTrigger)


def _is_naive(value: ast.expr) -> bool:
    if isinstance(value, ast.BinOp):
        return _is_naive(value.left)
    if not isinstance(value, ast.Call) or any(kw.arg in ("tzinfo", "tz", None) for kw in value.keywords):
        return False
    if _called(value) in ("now", "today", "utcnow"):
        return not value.args
    # Year to microsecond; the eighth is the zone.
    is_open = any(isinstance(argument, ast.Starred) for argument in value.args)
    return _called(value) in ("datetime", "date") and len(value.args) < 8 and not is_open


def _is_aware(value: ast.expr) -> bool:
    if isinstance(value, ast.BinOp):
        return _is_aware(value.left)
    if not isinstance(value, ast.Call) or any(kw.arg is None for kw in value.keywords):
        return False
    given = [kw.value for kw in value.keywords if kw.arg in ("tzinfo", "tz")]
    given += (
        value.args[:1] if _called(value) == "now" else value.args[7:8] if _called(value) == "datetime" else []
    )
    is_open = any(isinstance(argument, ast.Starred) for argument in value.args)
    is_none = any(isinstance(zone, ast.Constant) and zone.value is None for zone in given)
    return _called(value) in ("now", "datetime") and bool(given) and not is_none and not is_open


def _called(node: ast.Call) -> str:
    return _name(node.func)


def _name(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
