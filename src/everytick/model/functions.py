"""Which function a job calls: found by its reference, named for people, checked against its arguments.

A function that refuses something raises ValueError with a sentence.
"""

from __future__ import annotations

import functools
import inspect
import json
import math
import re
import sys
from collections.abc import Callable
from importlib import import_module
from types import CodeType, FunctionType
from typing import Any

from everytick.errors import message_of

from . import kinds

# Limits of arguments that are stored: nested levels of lists and dicts, bits of a number, and bytes of all of
# them as JSON. Each process that runs or shows jobs reads them.
_DEEPEST = 50
# In bits, which are 308 digits.
_LONGEST_NUMBER = 1_024
_LARGEST_KIB = 64
_INSTEAD = "write a function at the top of a module, such as one in app/services/"
# A reference: names with dots, a colon, names with dots.
_REFERENCE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*")
_GENERATOR = inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR


def resolve(function: Any) -> Callable[..., Any]:
    """Return the callable that `function` is or, as `package.module:name`, refers to."""
    if isinstance(function, str):
        found = _imported(function)
        if not callable(found):
            raise ValueError(f"{function!r} names {_described(found)}, which is not a function")
        function = found
    if not callable(function):
        _close(function)
        raise ValueError(f"{_described(function)} is not a function")
    inner = unwrapped(function)
    if isinstance(inner, type):
        _check_class(inner)
    if _is_generator(inner) or _is_generator(type(inner).__call__):
        raise ValueError(f"{function_name(function)} has a `yield`: calling it would run nothing of it")
    return function  # type: ignore[no-any-return]


def _check_class(kind: type) -> None:
    """Refuse a class of which the user's code runs nothing when an object of it is made."""
    members = {name: member for base in reversed(kind.__mro__) for name, member in vars(base).items()}
    if "__call__" in members:
        raise ValueError(
            f"{kind.__qualname__} is a class: each run would make an object and not call it: give an object,"
            f" {kind.__qualname__}()"
        )
    made = [members.get(name) for name in ("__init__", "__new__")]
    runs_code = any(isinstance(getattr(it, "__func__", it), FunctionType) for it in made)
    if issubclass(kind, BaseException) or not runs_code:
        raise ValueError(f"{kind.__qualname__} is a class: each run would make an object and do nothing else")


def _described(value: Any) -> str:
    """Return a value in a few words: what a call gave back may be of any size, and its text of many lines."""
    if value is None or isinstance(value, bool | int | float):
        return repr(value)[:80]
    name = "async generator" if inspect.isasyncgen(value) else type(value).__qualname__
    return f"{'an' if name[0].lower() in 'aeio' else 'a'} {name}"


def _close(value: Any) -> None:
    """Close a coroutine, which otherwise warns that nobody awaited it."""
    if inspect.iscoroutine(value):
        value.close()


def call_arguments(args: Any, kwargs: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return `args` and `kwargs` of add_job as the function will get them."""
    if args is not None and not isinstance(args, list | tuple):
        raise ValueError(f"args={args!r} must be a list or a tuple")
    if kwargs is not None and not isinstance(kwargs, dict):
        raise ValueError(f"kwargs={kwargs!r} must be a dict")
    return tuple(args or ()), dict(kwargs or {})


def check_arguments(function: Callable[..., Any], args: Any, kwargs: Any) -> None:
    """Refuse what `function(*args, **kwargs)` could not be called with."""
    if isinstance(function, FunctionType) and not args and not kwargs and _takes_nothing(function):
        return
    try:
        look = _signature if isinstance(function, FunctionType) else inspect.signature
        signature = look(function)
    except (TypeError, ValueError):
        return
    if look is _signature and _fits(function, len(args), tuple(kwargs)):
        return
    try:
        signature.bind(*args, **kwargs)
    except TypeError as problem:
        raise ValueError(f"{function_name(function)} {_OTHER_ARGUMENTS}: {problem}") from None


_OTHER_ARGUMENTS = "cannot be called with these arguments"


def takes_other_arguments(problem: str) -> bool:
    """Return whether it is for its arguments that a job cannot run, and not that its function is gone.

    problem: why it cannot run, as the process that found out has written it down.
    """
    return _OTHER_ARGUMENTS in problem


# Many jobs may have the same function, each with arguments of its own: it is looked at once.
_signature = functools.lru_cache(maxsize=1_000)(inspect.signature)


@functools.lru_cache(maxsize=10_000)
def _fits(function: FunctionType, number: int, names: tuple[str, ...]) -> bool:
    """Return whether a function takes that many arguments, and others by these names."""
    try:
        _signature(function).bind(*range(number), **dict.fromkeys(names))
    except TypeError:
        return False
    return True


def _is_generator(function: Any) -> bool:
    # A method passes on the attributes of its function.
    code = getattr(function, "__code__", None)
    if not isinstance(code, CodeType) or code.co_flags & inspect.CO_ITERABLE_COROUTINE:
        # Calling a generator of `types.coroutine` gives what can be awaited.
        return False
    return bool(code.co_flags & _GENERATOR)


def _takes_nothing(function: FunctionType) -> bool:
    """Return whether it has no parameters, as most tasks: that is seen without looking at its signature."""
    code = function.__code__
    return not (code.co_argcount or code.co_kwonlyargcount or hasattr(function, "__wrapped__"))


def unwrapped(function: Any) -> Any:
    """Return the function inside of any `functools.partial`."""
    while isinstance(function, functools.partial):
        function = function.func
    return function


def code_of(function: Any) -> CodeType | None:
    """Return the code of the innermost function that is called, below its decorators; None without any."""
    inner = inspect.unwrap(unwrapped(function))
    for one in (inner, type(inner).__call__):
        code = getattr(one, "__code__", None)
        if isinstance(code, CodeType):
            return code
    return None


def is_coroutine_function(function: Any) -> bool:
    """Return whether calling it gives a coroutine, as far as that can be seen without a call."""
    function = unwrapped(function)
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)


def function_name(function: Any) -> str:
    """Return a short name for people."""
    return _qualified(unwrapped(function)).rpartition(".<locals>.")[2]


def reference(function: Any) -> str:
    """Return `module:name` of a function, as it is shown."""
    if isinstance(function, FunctionType):
        return f"{function.__module__}:{function.__qualname__}"
    function = unwrapped(function)
    return f"{getattr(function, '__module__', '?')}:{_qualified(function)}"


def stable_reference(function: Any) -> str:
    """Return the `module:name` by which any process of the application finds this very function."""
    found = named_reference(function)
    # Equal, not the same: a class method is made anew each time it is asked for.
    if _imported(found) != function:
        raise ValueError(f"{found!r} is another object than the function that was given: {_INSTEAD}")
    return found


def named_reference(function: Any) -> str:
    """Return the same, without a look whether it is found there: a decorator is called before it is."""
    name, instead = function_name(function), _INSTEAD
    found = reference(function)
    if isinstance(function, functools.partial):
        raise ValueError(f"a partial of {name} cannot be kept as data: give the function, args= and kwargs=")
    if "<lambda>" in found:
        raise ValueError(f"a lambda cannot be found again by another process: {instead}")
    if "<locals>" in found:
        raise ValueError(f"{name} stands inside of another function, where no process finds it: {instead}")
    owner = getattr(function, "__self__", None)
    if owner is not None and not inspect.isclass(owner) and not inspect.ismodule(owner):
        raise ValueError(f"{name} is a method of a {type(owner).__name__} object, which is gone: {instead}")
    if inspect.isclass(owner):
        found = f"{reference(owner)}.{function.__name__}"
    if found.startswith("__main__:"):
        raise ValueError(f"{name} stands in the program that was started, not in a module: {instead}")
    return found


def canonical(function: Any) -> str:
    """Return a text for a function that is the same at every start."""
    if isinstance(function, functools.partial):
        return f"{canonical(function.func)}({as_json(function.args)}, {as_json(function.keywords)})"
    owner = getattr(function, "__self__", None)
    if inspect.isclass(owner):
        return f"{reference(owner)}.{function.__name__}"
    if owner is not None and not inspect.ismodule(owner):
        raise ValueError(
            f"a method of a {type(owner).__name__} object has no name that lasts: give it an id="
        )
    if getattr(function, "__closure__", None) and not _is_importable(function):
        raise ValueError(
            f"{function_name(function)} is a closure, which has no name that lasts: give it an id="
        )
    if not hasattr(function, "__qualname__"):
        raise ValueError(f"a {type(function).__name__} object has no name that lasts: give it an id=")
    return reference(function)


def as_json(value: Any) -> str:
    """Return arguments as text that is the same at every start."""
    try:
        return json.dumps(value, sort_keys=True, allow_nan=False)
    except (TypeError, ValueError):
        raise ValueError(
            "its arguments are not plain data, so no stable id can be derived: give it an id="
        ) from None


def check_plain(value: Any, path: str, depth: int = 0) -> None:
    """Refuse what JSON would not give back as it was; `path` says where in the arguments it stands."""
    if depth > _DEEPEST:
        raise ValueError(f"{path[:80]}... is nested too deeply to be kept: give an id and look it up")
    if value is None or type(value) is bool or (type(value) is int and value.bit_length() <= _LONGEST_NUMBER):
        return
    if type(value) is float and math.isfinite(value):
        return
    if type(value) is str and _is_unicode(value):
        return
    if type(value) is list:
        for index, item in enumerate(value):
            check_plain(item, f"{path}[{index}]", depth + 1)
    elif type(value) is dict and all(type(name) is str for name in value):
        for name, item in value.items():
            check_plain(item, f"{path}[{name!r}]", depth + 1)
    elif type(value) is int:
        raise ValueError(
            f"{path} is a whole number of more than 308 digits, which cannot be kept as it is: give it as"
            " text"
        )
    else:
        what = kinds.with_article(type(value).__name__)
        what = "a dict with keys that are not text" if type(value) is dict else what
        raise ValueError(
            f"{path} is {what} ({value!r:.80}), which cannot be kept as it is: give plain data (text, finite"
            " numbers, True, False, None, and lists and dicts of them), for example an id or isoformat()"
        )


def check_size(args: list[Any], kwargs: dict[str, Any]) -> None:
    """Refuse more arguments than are kept with a job."""
    length = len(json.dumps({"args": args, "kwargs": kwargs}))
    if length > _LARGEST_KIB * 1_024:
        raise ValueError(
            f"its arguments have {length:,} bytes as JSON; at most {_LARGEST_KIB} KiB are kept: give an id"
            " and look it up"
        )


def check_reference(function: Any) -> None:
    """Refuse anything but `package.module:name`."""
    if not isinstance(function, str) or not _REFERENCE.fullmatch(function):
        text = str(function)[:80]
        with_colon = ":".join(text.rpartition(".")[::2])
        hint = f": write {with_colon!r}" if _REFERENCE.fullmatch(with_colon) else ""
        raise ValueError(f"{text!r} is not a reference such as 'app.services.my_tasks:backup_database'{hint}")


def is_reference(text: str) -> bool:
    """Return whether a text is `package.module:name`."""
    return _REFERENCE.fullmatch(text) is not None


def _imported(function: str) -> Any:
    check_reference(function)
    module, _, name = function.partition(":")
    try:
        found: Any = import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except (Exception, SystemExit) as problem:
        # Also a module that ends the program when it is imported.
        what = " ".join(f"{type(problem).__name__}: {message_of(problem)}".split())
        raise ValueError(f"{function!r} cannot be imported: {what}") from None
    return found


def _qualified(function: Any) -> str:
    return str(getattr(function, "__qualname__", type(function).__qualname__))


def _is_importable(function: Any) -> bool:
    """Return whether a function stands under its own name in its module, as a decorated one does."""
    found: Any = sys.modules.get(function.__module__)
    for part in function.__qualname__.split("."):
        found = getattr(found, part, None)
    return found is function


def _is_unicode(text: str) -> bool:
    """Return whether text has no lone surrogates, which no database takes."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
