"""Finding the user's schedule, and telling in one sentence when it cannot be had."""

from __future__ import annotations

import platform
import re
import tomllib
import traceback
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import ConfigurationError, LedgerError, ScheduleError
from .places import is_machinery, shown_path
from .settings import APP_ROOT, project

if TYPE_CHECKING:
    from .scheduler import AsyncIOScheduler

_MODULE = "app.components.scheduler.main"
_FILE = "app/components/scheduler/main.py"
_TEMPLATE_FILE = Path(__file__).resolve().parents[3] / "core" / "template.toml"


def load_schedule() -> AsyncIOScheduler:
    """Return what `create_scheduler()` in `main.py` returns.

    Raises:
        ScheduleError: it cannot be imported or run, or returns something else; with file and line.
    """
    from .scheduler import AsyncIOScheduler

    try:
        scheduler = import_module(_MODULE).create_scheduler()
    except (ConfigurationError, LedgerError):
        raise
    except Exception as problem:
        raise ScheduleError(in_a_sentence(problem)) from None
    if scheduler is None:
        raise ScheduleError(f"{_FILE}: create_scheduler() returned nothing: end it with `return scheduler`")
    if not isinstance(scheduler, AsyncIOScheduler):
        found = f"{type(scheduler).__module__}.{type(scheduler).__qualname__}"
        raise ScheduleError(
            f"{_FILE}: create_scheduler() returned {found}, which keeps no ledger:"
            " import AsyncIOScheduler from app.components.scheduler.runtime and return that"
        )
    return scheduler


def application() -> tuple[str, str]:
    """Return the application's name and version."""
    name = str(project()["name"])
    try:
        return name, version(name)
    except PackageNotFoundError:
        return name, "(not installed)"


def versions() -> str:
    """Return the versions of the application, the template and Python, in a line."""
    name, own = application()
    return f"{name} {own} (template {template_version()}, Python {platform.python_version()})"


def template_version() -> str:
    """Return the version of the template that this project was made from, or last updated to."""
    found = tomllib.loads(_TEMPLATE_FILE.read_text(encoding="utf-8")) if _TEMPLATE_FILE.exists() else {}
    answers = APP_ROOT / str(found.get("answers", ".copier-answers.yml"))
    text = answers.read_text(encoding="utf-8") if answers.exists() else ""
    version_there = re.search(r"^_commit: *(\S+)$", text, re.MULTILINE)
    return version_there[1].strip("'\"") if version_there else "unknown"


def in_a_sentence(problem: Exception) -> str:
    """Return where in the user's code a problem comes from, and what it is."""
    kind = "" if isinstance(problem, ImportError | SyntaxError) else f"{type(problem).__name__}: "
    message = problem.msg if isinstance(problem, SyntaxError) else problem
    return f"{_place(problem)}: {kind}{message}"


def _place(problem: BaseException) -> str:
    """Return `file:line` of the user's code that a problem came from."""
    if isinstance(problem, SyntaxError) and problem.filename:
        return f"{shown_path(problem.filename)}:{problem.lineno}"
    for frame in reversed(traceback.extract_tb(problem.__traceback__)):
        own = Path(frame.filename).is_relative_to(APP_ROOT) and "site-packages" not in frame.filename
        if own and not is_machinery(frame.filename):
            return f"{shown_path(frame.filename)}:{frame.lineno}"
    return _FILE
