"""Which application this is: its root, its name, its schedule, its settings.

`app/__init__.py` of a rendered application registers it. Nothing else looks for files by its own location, or
imports the user's modules by a fixed name.
"""

from __future__ import annotations

import platform
import re
import tomllib
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from .errors import ConfigurationError


class Application:
    """One application that uses the engine. References are `package.module:name`.

    Args:
        file: the `__init__.py` of its package; the root is the folder above, if that has a pyproject.toml.
            Otherwise, as in an installed package, and without it, the root is the working directory.
        schedule: the function that makes the schedule.
        settings: the instance of its settings, of a class that derives from `SchedulerSettings`.
        logging: a function that takes level and format, and says where log lines go.
        routers: a list of FastAPI routers beside the dashboard's, in a module that need not be there. An
            application that names them, and has no such package, was made without the dashboard.
        root: the root itself, where it is known.
    """

    def __init__(
        self,
        file: str | None = None,
        *,
        schedule: str | None = None,
        settings: str | None = None,
        logging: str | None = None,
        routers: str | None = None,
        root: Path | None = None,
    ) -> None:
        self._package = Path(file).resolve().parent if file else None
        self._given_root = root
        self.schedule = schedule
        self.settings = settings
        self.logging = logging
        self.routers = routers

    @cached_property
    def root(self) -> Path:
        """The folder in which `.env` and `data/` are, and from which paths are shown."""
        if self._given_root is not None:
            return self._given_root
        if self._package is not None and (self._package.parent / "pyproject.toml").exists():
            return self._package.parent
        return Path.cwd()

    @property
    def schedule_file(self) -> str:
        """The file of the schedule, as a person at the root would write it."""
        module = (self.schedule or "").partition(":")[0]
        return f"{module.replace('.', '/')}.py"

    @cached_property
    def _project(self) -> dict[str, Any] | None:
        """What `app/core/project.toml` says; None where there is no such file."""
        file = None if self._package is None else self._package / "core" / "project.toml"
        if file is None or not file.exists():
            return None
        try:
            return tomllib.loads(file.read_text(encoding="utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
            raise ConfigurationError(f"{file}: not valid TOML: {problem}") from None

    @property
    def name(self) -> str:
        """The name that people are shown."""
        return str((self._project or {}).get("name", "app"))

    @property
    def owner(self) -> str | None:
        """The name under which it owns its ledger; None if it has none, and any ledger will do."""
        return None if self._project is None else self.name

    @property
    def timezone(self) -> str:
        """The zone of the schedule where SCHEDULER_TIMEZONE says nothing."""
        return str((self._project or {}).get("timezone", "UTC"))

    @property
    def has_dashboard(self) -> bool:
        """Whether it was made with the dashboard. What that needs may be missing all the same."""
        return self.routers is None or _is_package(self.routers.partition(":")[0].rpartition(".")[0])

    @property
    def version(self) -> str:
        """The application's own version, if it is installed."""
        try:
            return version(self.name)
        except PackageNotFoundError:
            return "(not installed)"

    @property
    def template_version(self) -> str:
        """The version of the template that it was made from, or last updated to; `unknown` without one."""
        named = None if self._package is None else self._package / "core" / "template.toml"
        found = tomllib.loads(named.read_text(encoding="utf-8")) if named and named.exists() else {}
        answers = self.root / str(found.get("answers", ".copier-answers.yml"))
        text = answers.read_text(encoding="utf-8") if answers.exists() else ""
        stated = re.search(r"^_commit: *(\S+)$", text, re.MULTILINE)
        return stated[1].strip("'\"") if stated else "unknown"

    def versions(self) -> str:
        """Return the versions of the application, the template and Python, in a line."""
        python = platform.python_version()
        return f"{self.name} {self.version} (template {self.template_version}, Python {python})"


_current: Application | None = None


def register(application: Application) -> Application:
    """Make this the application that the process belongs to; return it."""
    global _current
    _current = application
    return application


def current() -> Application:
    """Return the application that this process belongs to."""
    return _current if _current is not None else register(Application())


def _is_package(name: str) -> bool:
    """Return whether that is a package, and no folder in which only files of the user stayed."""
    try:
        found = find_spec(name) if name else None
    except ModuleNotFoundError:
        return False
    return found is not None and found.origin is not None
