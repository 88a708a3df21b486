"""Which functions a row of the ledger may name: those of the application's own packages, and of no other.

Who can write the ledger must not thereby be able to run any code that Python can import. So a reference is
checked when a job is added, when it is loaded from the ledger and when it runs. To read a ledger (commands,
pages, the API) nothing is imported: what a module would say is looked for in its file.

Every function here raises ValueError with a sentence.
"""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from . import functions

SETTING = "SCHEDULER_ALLOWED_PACKAGES"
# How many packages a sentence names.
_SHOWN = 5
# A module that uses one of these may have names that its text does not show.
_DYNAMIC = frozenset({"*", "__getattr__", "globals", "exec", "setattr", "vars"})


class NotImported:
    """Stands for a function of a module that this process has not imported, where a job is only looked at."""

    def __init__(self, reference: str) -> None:
        self.__module__, _, self.__qualname__ = reference.partition(":")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError(f"{functions.reference(self)} was looked up to be shown, not to be called")


@dataclass(frozen=True)
class AllowedFunctions:
    """The functions of some packages, and of the modules in them.

    packages: names with dots, such as `app` or `shop.tasks`.
    """

    packages: tuple[str, ...]

    def check_name(self, reference: str) -> None:
        """Refuse a reference into a module of another package; nothing is imported for that."""
        functions.check_reference(reference)
        module, _, name = reference.partition(":")
        if any(part.startswith("__") for part in name.split(".")):
            raise ValueError(f"{reference!r} is not allowed: it names what is Python's own, and no function")
        self._check_modules([module], f"{reference!r}")

    def check(self, function: Any) -> None:
        """Refuse a function that was defined elsewhere and is only imported into an allowed module.

        So too what a class of the application inherits from another package, and the methods of objects.
        """
        self._check_modules(_homes(function), f"{functions.reference(function)!r}")

    def load(self, reference: str) -> Callable[..., Any]:
        """Return the function of a reference. Imports its module."""
        self.check_name(reference)
        function = functions.resolve(reference)
        self._check_modules(_homes(function), f"{reference!r}")
        return function

    def look_up(self, reference: str) -> Callable[..., Any]:
        """Return the function of a reference if its module is there already, else a `NotImported`.

        Imports nothing, so not every fault is found.
        """
        self.check_name(reference)
        module, _, name = reference.partition(":")
        if module in sys.modules:
            if hasattr(sys.modules[module], "__getattr__") and not _has(sys.modules[module], name):
                return NotImported(reference)
            return self.load(reference)
        if (missing := _missing(module, name.partition(".")[0])) is not None:
            raise ValueError(f"{reference!r} cannot be imported: {missing}")
        return NotImported(reference)

    def _is_allowed(self, module: str) -> bool:
        return any(module == package or module.startswith(f"{package}.") for package in self.packages)

    def _check_modules(self, modules: Sequence[str], what: str) -> None:
        if modules and all(map(self._is_allowed, modules)):
            return
        known = ", ".join(self.packages[:_SHOWN]) or "no package"
        known += f" and {len(self.packages) - _SHOWN} more" if len(self.packages) > _SHOWN else ""
        raise ValueError(
            f"{what} is not allowed: jobs that are added while running may call functions of {known} only;"
            f" {SETTING} names more packages"
        )


def _homes(function: Any) -> list[str]:
    """Return the modules in which a function was defined, and its class; none of what no job may call."""
    if inspect.isclass(function) or inspect.isfunction(function):
        return [str(function.__module__)]
    if inspect.ismethod(function):
        owner = function.__self__
        if not inspect.isclass(owner):
            return []
        return [str(owner.__module__), str(function.__func__.__module__)]
    if getattr(function, "__self__", None) is not None or inspect.isroutine(function):
        return []
    # An object that can be called. A decorator may have given it the module of what it decorates.
    given = getattr(function, "__dict__", {}).get("__module__")
    if isinstance(given, str):
        return [given]
    return [type(function).__module__, str(getattr(type(function).__call__, "__module__", ""))]


def _has(module: Any, name: str) -> bool:
    return name.partition(".")[0] in vars(module)


def _missing(module: str, name: str) -> str | None:
    """Return why importing a name from a module must fail; None if that is not known without importing it."""
    top, *inner = module.split(".")
    # Of a module with a dot `find_spec` would import the packages around it.
    spec = _found(find_spec, top)
    for part in inner:
        top = f"{top}.{part}"
        spec = _submodule(spec, top)
    if spec is None:
        return f"ModuleNotFoundError: No module named {top!r}"
    return None if _submodule(spec, f"{module}.{name}") else _lacks(spec, name)


def _submodule(spec: ModuleSpec | None, module: str) -> ModuleSpec | None:
    folders = spec.submodule_search_locations if spec else None
    return None if folders is None else _found(PathFinder.find_spec, module, folders)


def _found(find: Callable[..., ModuleSpec | None], *of: Any) -> ModuleSpec | None:
    try:
        return find(*of)
    except (ImportError, ValueError):
        return None


def _lacks(spec: ModuleSpec, name: str) -> str | None:
    if not spec.has_location or not str(spec.origin).endswith(".py"):
        return None
    file = Path(str(spec.origin))
    try:
        names = _names(file, file.stat().st_mtime_ns)
    except SyntaxError as problem:
        return f"SyntaxError: {problem}"
    except (OSError, ValueError):
        return None
    if name in names or not _DYNAMIC.isdisjoint(names):
        return None
    return f"AttributeError: module {spec.name!r} has no attribute {name!r}"


@lru_cache(maxsize=1_000)
def _names(file: Path, changed: int) -> frozenset[str]:
    """Return the names that the text of a module uses at its top; `changed` makes a new text be read anew."""
    tree = ast.parse(file.read_bytes(), str(file))
    code = compile(tree, str(file), "exec", dont_inherit=True)
    return frozenset(code.co_names).union(
        alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names
    )
