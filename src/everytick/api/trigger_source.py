"""Where a trigger object was made: the calls in the user's files that may have made it.

A trigger object keeps no trace of what it was not given. The call that made it does, and stands in a file:
most often inside the very `add_job(...)` call that is being looked at.
"""

from __future__ import annotations

import ast
import functools
import inspect
import linecache
import sys
from collections import ChainMap
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import islice
from types import CodeType, FrameType, ModuleType
from typing import Any

from apscheduler.triggers.base import BaseTrigger
from everytick.call_site import is_machinery, user_frame

# What cannot be read off: it may be anything.
OPEN = object()
# Calls that give a zone for certain.
_ZONES = ("ZoneInfo", "timezone", "gettz")
# Calls that give a moment for certain.
_MOMENTS = ("datetime", "date", "now", "today", "utcnow")


@dataclass(frozen=True)
class TriggerCall:
    """One call that makes a trigger.

    arguments: by name, as they are written.
    more: what is given by `**`; `starred`: whether any is given by `*`.
    crontab: whether it is a call of `from_crontab`.
    target: the name to which what it makes is assigned.
    names: what the names mean that are written there.
    """

    node: ast.Call
    arguments: Mapping[str, ast.expr]
    more: tuple[ast.expr, ...]
    starred: bool
    crontab: bool
    target: str
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
        """Return what an expression is as things stand, without running anything; else OPEN."""
        if isinstance(expression, ast.Name):
            return self.names.get(expression.id, OPEN)
        if isinstance(expression, ast.Attribute):
            return getattr(self._read(expression.value), "__dict__", {}).get(expression.attr, OPEN)
        if isinstance(expression, ast.Subscript):
            owner, key = self._read(expression.value), self._read(expression.slice)
            if type(owner) is dict and isinstance(key, str | int):
                return owner.get(key, OPEN)
            is_item = type(owner) in (list, tuple) and type(key) is int and -len(owner) <= key < len(owner)
            return owner[key] if is_item else OPEN
        try:
            return ast.literal_eval(expression)
        except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
            return OPEN

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


class Origin:
    """The calls that may have made a trigger object which is being given to a scheduler."""

    def __init__(
        self, trigger: BaseTrigger, cls: type[BaseTrigger], fits: Callable[[TriggerCall], bool]
    ) -> None:
        """`cls`: APScheduler's class that it is of. `fits` tells whether a call may have made it."""
        self._trigger, self._fits, self._frame = trigger, fits, user_frame()
        self._span = _span_of(self._frame)
        self._parameters = _parameters(cls.__init__)
        # A subclass with a signature of its own takes other arguments.
        self._name = type(trigger).__name__ if type(trigger).__init__ is cls.__init__ else ""

    @functools.cached_property
    def calls(self) -> list[TriggerCall]:
        """Return the calls that may have made it, of all files that make triggers.

        If there are any: only those inside of the call of the scheduler, or else assigned to a name that is
        this very object.
        """
        here = self._in_this_file()
        if inside := self._fitting(call for call in here if _is_within(call.node, self._span)):
            return inside
        first, last = _lines(self._frame.f_code)
        local = self._frame.f_locals
        if assigned := self._fitting(
            call
            for call in here
            if local.get(call.target) is self._trigger and first <= call.node.lineno <= last
        ):
            return assigned
        others = self._in_other_files()
        known = self._frame.f_globals
        kept = [call for call in here if known.get(call.target) is self._trigger]
        kept += [call for call in others if call.names.get(call.target) is self._trigger]
        if assigned := self._fitting(kept):
            return assigned
        found = self._fitting(here + others)
        # One that makes this very trigger is more likely than one that might make any.
        return [call for call in found if not call.open] or found

    def ask(self, question: Callable[[TriggerCall], bool | None]) -> bool | None:
        """Return what all calls that may have made it answer; None if they do not agree, or there is none."""
        answers = {question(call) for call in self.calls}
        return answers.pop() if len(answers) == 1 else None

    def _in_this_file(self) -> list[TriggerCall]:
        code, known = self._frame.f_code, self._frame.f_globals
        linecache.lazycache(code.co_filename, known)
        names = ChainMap(self._frame.f_locals, known)
        return [replace(call, names=names) for call in self._named(code.co_filename)]

    def _in_other_files(self) -> list[TriggerCall]:
        own = self._frame.f_code.co_filename
        return [
            replace(call, names=vars(module))
            for module in _modules_with_triggers(len(sys.modules))
            if module.__file__ is not None and module.__file__ != own
            for call in self._named(module.__file__)
        ]

    def _named(self, file: str) -> list[TriggerCall]:
        return _calls(file, self._parameters).get(self._name, [])

    def _fitting(self, calls: Iterable[TriggerCall]) -> list[TriggerCall]:
        return [call for call in calls if self._fits(call)]


@functools.cache
def _parameters(function: Callable[..., None]) -> tuple[str, ...]:
    return tuple(name for name in inspect.signature(function).parameters if name != "self")


def _span_of(frame: FrameType) -> tuple[tuple[int, int], tuple[int, int]] | None:
    """Return where the call begins and ends that a frame is in: lines and columns."""
    positions = islice(frame.f_code.co_positions(), frame.f_lasti // 2, None)
    line, end_line, column, end_column = next(positions)
    if line is None or end_line is None or column is None or end_column is None:
        return None
    return (line, column), (end_line, end_column)


def _lines(code: CodeType) -> tuple[int, int]:
    """Return the first and the last line of a function; of a module none, since its names are not local."""
    if code.co_name == "<module>":
        return 0, 0
    return code.co_firstlineno, max(line or 0 for _begin, _end, line in code.co_lines())


def _is_within(node: ast.expr, span: tuple[tuple[int, int], tuple[int, int]] | None) -> bool:
    end = (node.end_lineno or node.lineno, node.end_col_offset or node.col_offset)
    return span is not None and span[0] <= (node.lineno, node.col_offset) and end <= span[1]


@functools.lru_cache(maxsize=1)
def _modules_with_triggers(_number: int) -> list[ModuleType]:
    """Return the modules, outside of this package and APScheduler, that name anything of APScheduler."""
    return [module for module in list(sys.modules.values()) if _may_make_triggers(module)]


def _may_make_triggers(module: object) -> bool:
    if not isinstance(module, ModuleType) or is_machinery(getattr(module, "__file__", None) or "<none>"):
        return False
    name = getattr(module, "__file__", None)
    return isinstance(name, str) and any(_is_apschedulers(value) for value in list(vars(module).values()))


def _is_apschedulers(value: object) -> bool:
    if isinstance(value, ModuleType):
        return value.__name__.partition(".")[0] == "apscheduler"
    return isinstance(value, type) and issubclass(value, BaseTrigger)


@functools.lru_cache(maxsize=1_000)
def _calls(file: str, parameters: tuple[str, ...]) -> dict[str, list[TriggerCall]]:
    """Return the calls in a file, by the name that is called. `parameters`: the names of their arguments."""
    try:
        tree = ast.parse("".join(linecache.getlines(file)))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return {}
    nodes = list(ast.walk(tree))
    imports = (alias for node in nodes if isinstance(node, ast.ImportFrom) for alias in node.names)
    real = {alias.asname: alias.name for alias in imports if alias.asname}
    targets = {
        node.value: target.id
        for node in nodes
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    found: dict[str, list[TriggerCall]] = {}
    for node in nodes:
        if isinstance(node, ast.Call):
            function, crontab = node.func, False
            if isinstance(function, ast.Attribute) and function.attr == "from_crontab":
                function, crontab = function.value, True
            name = _name(function)
            call = _call(
                node, ("expr", "timezone") if crontab else parameters, crontab, targets.get(node, "")
            )
            found.setdefault(real.get(name, name), []).append(call)
    return found


def _call(node: ast.Call, order: Iterable[str], crontab: bool, target: str) -> TriggerCall:
    arguments = dict(zip(order, node.args, strict=False))
    arguments |= {keyword.arg: keyword.value for keyword in node.keywords if keyword.arg is not None}
    more = tuple(keyword.value for keyword in node.keywords if keyword.arg is None)
    starred = any(isinstance(argument, ast.Starred) for argument in node.args)
    return TriggerCall(node, arguments, more, starred, crontab, target)


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


def _called(node: ast.Call) -> str:
    return _name(node.func)


def _name(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
