"""Errors of jobs, made safe to be shown: text of an exception is code of the job, which may take its time.

Its `__str__` may sleep, raise, or return megabytes, and so may the `repr` of what was given to it. Where that
is possible, the text is made once, on a thread, within a moment, and cut; a copy of the exception, with the
same name, traceback and causes, has it from then on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

from everytick.masking import longest, masked
from everytick.system import system
from everytick.text.durations import exact_seconds

# How long the text of an exception may take, in seconds: while the event loop goes on, and where it waits.
_PATIENCE, _MOMENT = 1.0, 0.1
# The most characters of one exception that are looked at.
_MOST = 200_000
# How many exceptions are shown that belong to one: causes, contexts, parts of groups.
_MOST_PARTS = 100
_PLAIN = (str, int, float, bool, bytes, type(None), type(Path()))
_OWN_WORDS = {
    kind.__str__
    for kind in (
        *(BaseException, OSError, KeyError, ImportError, SyntaxError, BaseExceptionGroup),
        *(UnicodeDecodeError, UnicodeEncodeError, UnicodeTranslateError),
    )
}
_LISTS_ITSELF: set[object] = {kind.__dir__ for kind in (object, type, ModuleType)}


class _Copy(Exception):
    """Stands for an exception, under its name. The text is plain."""

    said = ""

    def __str__(self) -> str:
        return self.said


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


def within_reach(text: str) -> str:
    """Return text without secrets, of which no more is looked at than can be shown."""
    if len(text) <= _MOST:
        return masked(text)
    # Where it is cut, a part of a secret might be left.
    half = _MOST // 2
    edge = min(max(1, longest()), half // 2)
    left = f"{len(text) - _MOST} characters left out"
    return f"{masked(text[:half])[:-edge]} ... ({left}) ... {masked(text[-half:])[edge:]}"


def _is_safe(problem: BaseException) -> bool:
    """Return whether the text of an exception, and of all that belong to it, is made by Python alone."""
    todo, seen = [problem], set[int]()
    while todo:
        one = todo.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        if len(seen) > _MOST_PARTS or not (isinstance(one, _Copy) or _has_plain_text(one)):
            return False
        todo += _related(one)
    return True


def _has_plain_text(problem: BaseException) -> bool:
    kind = type(problem)
    if kind.__str__ not in _OWN_WORDS or kind.__getattribute__ is not BaseException.__getattribute__:
        return False
    given = [*problem.args, getattr(problem, "filename", None), *getattr(problem, "__notes__", ())]
    if isinstance(problem, BaseExceptionGroup):
        given = [problem.message]
    # Python lists the attributes of an object for "Did you mean".
    lists_itself = type(getattr(problem, "obj", None)).__dir__ in _LISTS_ITSELF
    return lists_itself and all(type(it) in _PLAIN and len(str(it)) < _MOST for it in given)


def _related(problem: BaseException) -> list[BaseException]:
    parts = problem.exceptions if isinstance(problem, BaseExceptionGroup) else ()
    return [one for one in (problem.__cause__, problem.__context__, *parts) if one is not None]


def _late(problem: BaseException, waited: float) -> BaseException:
    return _named(problem, f"(its text was not made within {exact_seconds(waited)}, and is left out)")


def _copy(problem: BaseException) -> BaseException:
    try:
        return _copied(problem, {}, [_MOST_PARTS])
    except BaseException as of_its_own:
        return _named(problem, f"(it cannot be shown: {type(of_its_own).__name__})")


def _copied(problem: BaseException, made: dict[int, BaseException], left: list[int]) -> BaseException:
    if (known := made.get(id(problem))) is not None:
        return known
    left[0] -= 1
    copy: BaseException
    if isinstance(problem, BaseExceptionGroup) and left[0] > 0:
        parts = [_copied(part, made, left) for part in problem.exceptions[: max(1, left[0])]]
        copy = BaseExceptionGroup(_text(lambda: problem.message), parts)
        copy.__traceback__ = problem.__traceback__
    else:
        copy = _named(problem, _text(lambda: str(problem)))
    made[id(problem)] = copy
    if left[0] > 0:
        copy.__cause__ = problem.__cause__ and _copied(problem.__cause__, made, left)
        copy.__context__ = problem.__context__ and _copied(problem.__context__, made, left)
        copy.__suppress_context__ = problem.__suppress_context__
    notes = getattr(problem, "__notes__", None)
    for note in list(notes)[:_MOST_PARTS] if isinstance(notes, list | tuple) else ():
        copy.add_note(_text(partial(str, note)))
    return copy


def _named(problem: BaseException, said: str) -> BaseException:
    kind = type(problem)
    names = {"__module__": str(kind.__module__), "__qualname__": str(kind.__qualname__), "said": said}
    copy: BaseException = type(kind.__name__, (_Copy,), names)()
    with suppress(Exception):
        copy.__traceback__ = problem.__traceback__
    return copy


def _text(make: Callable[[], Any]) -> str:
    try:
        made = make()
        return within_reach(str(made))
    except BaseException as problem:
        # As Python says it.
        return f"<exception str() failed: {type(problem).__name__}>"
