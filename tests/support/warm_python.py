"""A Python that has loaded what the engine imports of others, and nothing of the engine: see `warm`."""

from __future__ import annotations

import importlib
import os
import runpy
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import warm

# What most commands load. Nothing that reads the environment when it is imported (`typer.rich_utils` does).
# Nothing that calls `atexit`, but what the engine loads too: those functions are called in an order.
_OFTEN = (
    *("asyncio", "email.utils", "fnmatch", "importlib.metadata", "json", "logging", "sqlite3", "tomllib"),
    *("apscheduler.events", "apscheduler.triggers.cron", "loguru", "pydantic", "pydantic.types"),
    *("pydantic_settings", "rich.align", "rich.console", "rich.table", "rich.text", "typer", "zoneinfo"),
)


def program(python: Path | None = None) -> Path:
    """Return a program that does as `python -X utf8`, for `-m MODULE ...` and `-c CODE ...`.

    Args:
        python: that of an environment which has what an application needs. None for the one of the tests.
    """
    return warm.program("python", "warm_python", python)


@contextmanager
def loaded(folder: Path) -> Iterator[None]:
    """Load what is not the engine's."""
    for name in _OFTEN:
        importlib.import_module(name)
    assert "everytick" not in sys.modules
    yield


def call(arguments: list[str]) -> None:
    """Do as Python does for `-m` and `-c`."""
    _, option, what, *rest = arguments
    assert option in ("-m", "-c"), arguments
    sys.orig_argv = [sys.executable, *arguments[1:]]
    sys.argv = [option, *rest]
    # Not the folder of this file.
    sys.path[0] = os.getcwd() if option == "-m" else ""
    more = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    sys.path[1:1] = [os.path.abspath(folder) for folder in more]
    main = sys.modules["__main__"] = ModuleType("__main__")
    if option == "-m":
        runpy._run_module_as_main(what)  # type: ignore[attr-defined]
    else:
        exec(compile(what, "<string>", "exec"), main.__dict__)
