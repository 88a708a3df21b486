"""Errors of jobs, made safe to be shown: text of an exception is code of the job, which may take its time.

Its `__str__` may sleep, raise, or return megabytes, and so may the `repr` of what was given to it. Where that
is possible, the text is made once, on a thread, within a moment, and cut; a copy of the exception, with the
same name, traceback and causes, has it from then on.
"""

from __future__ import annotations

import asyncio
import linecache
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any

from everytick.masking import LONGEST_TEXT, masked
from everytick.model.kinds import name_of
from everytick.system import system
from everytick.text.durations import exact_seconds

# How long the text of an exception may take, in seconds: while the event loop goes on, and where it waits.
_PATIENCE, _MOMENT = 1.0, 0.1
# How many exceptions are shown that belong to one: causes, contexts, parts of groups.
_MOST_PARTS = 100
# How many parts of a group the loop goes through; it counts the others. Python shows fifteen.
_MOST_COUNTED = _MOST_PARTS + 16
# How many calls of a traceback the loop looks at, and how many are shown of a longer one, at each end.
_LONGEST_TRACE, _SHOWN_AT_ENDS = 2_000, 100
# How many of them in a chain. The loop writes them into the log: that takes a twentieth of a second for so
# long a chain, and grows with the square of it.
_LONGEST_CHAIN = 30
_PLAIN = (str, int, float, bool, bytes, type(None), type(Path()))
_OWN_WORDS = {
    kind.__str__
    for kind in (
        *(BaseException, OSError, KeyError, ImportError, SyntaxError, BaseExceptionGroup),
        *(UnicodeDecodeError, UnicodeEncodeError, UnicodeTranslateError),
    )
}
# What Python, loguru and asyncio look at when an exception is shown or handed on, and whose it has to be.
_LOOKED_AT = (
    *(
        "__getattribute__",
        "__getattr__",
        "__class__",
        "__dict__",
        "__bool__",
        "__len__",
        "__eq__",
        "__hash__",
    ),
    *("__cause__", "__context__", "__suppress_context__", "__traceback__", "__notes__", "args", "exceptions"),
)
_OWNERS = (None, object, BaseException, BaseExceptionGroup)
_LISTS_ITSELF: set[object] = {kind.__dir__ for kind in (object, type, ModuleType)}


class _Copy(Exception):
    """Stands for an exception, under its name. The text is plain."""

    said = ""

    def __str__(self) -> str:
        return self.said


class _Parts(tuple[Exception, ...]):
    """Parts of a group, of which only the first can be had; all of them count."""

    number = 0

    def __len__(self) -> int:
        return self.number


class _GroupCopy(_Copy, ExceptionGroup):
    """Stands for a group. All its parts are copies; it says how many there are, also if it has only some."""

    number = 0

    @property
    def exceptions(self) -> tuple[Exception, ...]:
        there = _Parts(BaseExceptionGroup.exceptions.__get__(self))
        there.number = self.number
        return there


class NotShown(_Copy):
    """Stands for each part of a group that is left out, as far as one looks, so that their number is true."""


async def safe(problem: BaseException) -> BaseException:
    """Return the exception, or a copy of it whose text is at hand. Does not block the event loop."""
    if _is_safe(problem):
        return problem
    try:
        making = system.in_thread(partial(_copy, problem), daemon=True)
    except RuntimeError:
        # No thread can be had.
        return _late(problem, 0)
    try:
        return await asyncio.wait_for(asyncio.shield(making), _PATIENCE)
    except TimeoutError:
        return _late(problem, _PATIENCE)
    except asyncio.CancelledError:
        # The run is at its end anyway.
        if task := asyncio.current_task():
            task.uncancel()
        return _late(problem, 0)


def safe_now(problem: BaseException) -> BaseException:
    """Return the same, and block for a moment at most."""
    if _is_safe(problem):
        return problem
    made: list[BaseException] = []
    done = system.event()

    def make() -> None:
        made.append(_copy(problem))
        done.set()

    try:
        system.start_thread(make, name="scheduler-error-text")
    except RuntimeError:
        # No thread can be had.
        return _late(problem, 0)
    return made[0] if done.wait(_MOMENT) else _late(problem, _MOMENT)


def type_name(problem: BaseException) -> str:
    """Return the name of an exception's type, as Python shows it. Runs no code of the exception."""
    module, name = name_of(type(problem), "__module__"), name_of(type(problem), "__qualname__")
    return name if module in ("builtins", "__main__") else f"{module}.{name}"


def _is_safe(problem: BaseException) -> bool:
    """Return whether the text of an exception, and of all that belong to it, is made by Python alone."""
    try:
        todo, seen = [(problem, 0)], set[int]()
        while todo:
            one, depth = todo.pop()
            # What belongs to a copy are copies.
            if id(one) in seen or issubclass(type(one), _Copy):
                continue
            seen.add(id(one))
            if len(seen) > _MOST_PARTS or depth > _LONGEST_CHAIN or not _is_plain(one):
                return False
            todo += [(other, depth + 1) for other in _related(one)]
    except BaseException:
        # Its class answers with code of its own.
        return False
    return True


def _is_plain(problem: BaseException) -> bool:
    return _has_plain_class(type(problem)) and _has_plain_text(problem) and _has_plain_trace(problem)


def _has_plain_class(kind: type[BaseException]) -> bool:
    """Return whether what Python looks at to show an exception is its own, and runs no other code."""
    if type(kind) is not type or type(kind.__module__) is not str:
        return False
    return all(_owner(kind, name) in _OWNERS for name in _LOOKED_AT)


def _owner(kind: type, name: str) -> type | None:
    """Return the class in which a name is found first."""
    for base in kind.__mro__:
        if name in vars(base):
            return base
    return None


def _has_plain_text(problem: BaseException) -> bool:
    kind = type(problem)
    notes = getattr(problem, "__notes__", [])
    if kind.__str__ not in _OWN_WORDS or type(notes) not in (list, tuple):
        return False
    given = [*problem.args, getattr(problem, "filename", None), *notes]
    if isinstance(problem, BaseExceptionGroup):
        given = [problem.message, *notes]
    # Python lists the attributes of an object for "Did you mean".
    lists_itself = type(getattr(problem, "obj", None)).__dir__ in _LISTS_ITSELF
    return lists_itself and _is_short(given)


def _is_short(given: list[object]) -> bool:
    """Return whether values have a text that is no work to make, all together."""
    left = LONGEST_TEXT
    for it in given:
        if type(it) not in _PLAIN:
            return False
        # Bytes and text may be huge: their length is known.
        left -= 2 + len(it if isinstance(it, str | bytes) else str(it))
        if left <= 0:
            return False
    return True


def _has_plain_trace(problem: BaseException) -> bool:
    """Return whether a traceback can be shown: one that a program made may be at no line of its code.

    The lines of code come from a loader, which may be the program's own, and raise.
    """
    step, length = problem.__traceback__, 0
    try:
        while step is not None:
            length += 1
            if length > _LONGEST_TRACE:
                return False
            code = step.tb_frame.f_code
            if step.tb_lasti >= len(code.co_code) or step.tb_lineno is None:
                return False
            linecache.getline(code.co_filename, step.tb_lineno, step.tb_frame.f_globals)
            step = step.tb_next
    except BaseException:
        return False
    return True


def _related(problem: BaseException) -> list[BaseException]:
    parts = _field(problem, "exceptions") if issubclass(type(problem), BaseExceptionGroup) else ()
    return [one for one in (problem.__cause__, problem.__context__, *parts) if one is not None]


def _late(problem: BaseException, waited: float) -> BaseException:
    return _named(problem, f"(its text was not made within {exact_seconds(waited)}, and is left out)")


def _copy(problem: BaseException) -> BaseException:
    try:
        return _copied(problem, {}, [_MOST_PARTS])
    except BaseException as of_its_own:
        return _named(problem, f"(it cannot be shown: {name_of(type(of_its_own), '__name__')})")


def _copied(
    problem: BaseException, made: dict[int, BaseException], left: list[int], depth: int = 0
) -> BaseException:
    if (known := made.get(id(problem))) is not None:
        return known
    left[0] -= 1
    said = _text(lambda: str(problem))
    if not issubclass(type(problem), BaseExceptionGroup) or left[0] <= 0:
        made[id(problem)] = copy = _named(problem, said)
        _give_origins(copy, _origins(problem, made, left, depth))
    else:
        # Before the parts: there are groups with hundreds of them, which take all the room that is left.
        origins = _origins(problem, made, left, depth)
        parts = _field(problem, "exceptions")
        shown = [_copied(part, made, left, depth + 1) for part in parts[: max(1, left[0])]]
        # Fifteen are shown of thousands, and each would be looked at.
        shown += [NotShown()] * (min(len(parts), _MOST_COUNTED) - len(shown))
        made[id(problem)] = copy = _named(problem, said, (_GroupCopy,), "", shown)
        assert isinstance(copy, _GroupCopy)
        copy.number = len(parts)
        _give_origins(copy, origins)
    copy.__suppress_context__ = _field(problem, "__suppress_context__")
    for note in _notes(problem):
        copy.add_note(_text(partial(str, note)))
    return copy


def _origins(
    problem: BaseException, made: dict[int, BaseException], left: list[int], depth: int
) -> dict[str, BaseException]:
    """Return copies of the exceptions that one comes from, as far as they are shown."""
    if depth >= _LONGEST_CHAIN:
        return {}
    found = {name: _field(problem, name) for name in ("__cause__", "__context__")}
    return {
        name: _copied(other, made, left, depth + 1)
        for name, other in found.items()
        if other is not None and left[0] > 0
    }


def _give_origins(copy: BaseException, origins: dict[str, BaseException]) -> None:
    for name, other in origins.items():
        setattr(copy, name, other)


def _field(problem: BaseException, name: str) -> Any:
    """Return what Python itself keeps there, whatever the class of the exception has under that name."""
    owner = BaseExceptionGroup if name in vars(BaseExceptionGroup) else BaseException
    return vars(owner)[name].__get__(problem)


def _notes(problem: BaseException) -> list[object]:
    try:
        notes: Any = getattr(problem, "__notes__", None)
        return list(notes)[:_MOST_PARTS] if type(notes) in (list, tuple) else []
    except BaseException:
        return []


def _named(
    problem: BaseException, said: str, bases: tuple[type, ...] = (_Copy,), *args: object
) -> BaseException:
    kind = type(problem)
    names = {name: name_of(kind, name) for name in ("__module__", "__qualname__")}
    copy: BaseException = type(name_of(kind, "__name__"), bases, {**names, "said": said})(*args)
    _give_trace(copy, problem)
    return copy


def _give_trace(copy: BaseException, problem: BaseException) -> None:
    copy.__traceback__, left_out = _shortened(_field(problem, "__traceback__"))
    if not _has_plain_trace(copy):
        copy.__traceback__ = None
    elif left_out:
        copy.add_note(f"({left_out} calls in the middle of its traceback are left out)")


def _shortened(trace: TracebackType | None) -> tuple[TracebackType | None, int]:
    """Return a traceback with the first and the last calls of a very long one, and how many are left out."""
    steps, step = [], trace
    while step is not None:
        steps.append(step)
        step = step.tb_next
    if len(steps) <= _LONGEST_TRACE:
        return trace, 0
    kept, shortened = [*steps[:_SHOWN_AT_ENDS], *steps[-_SHOWN_AT_ENDS:]], None
    for step in reversed(kept):
        # One that a program made may be at no line.
        shortened = TracebackType(shortened, step.tb_frame, step.tb_lasti, step.tb_lineno or 0)
    return shortened, len(steps) - len(kept)


def _text(make: Callable[[], Any]) -> str:
    try:
        made = make()
        # Text of a class of its own may run code whenever it is looked at.
        return masked(str.__str__(made) if issubclass(type(made), str) else str(made))
    except BaseException as problem:
        # As Python says it.
        return f"<exception str() failed: {name_of(type(problem), '__name__')}>"
