"""Which application this is: its root, its name, its schedule, its settings.

An application with a package of its own registers itself in its `__init__.py`, as a rendered one does. In a
process that registered none (the command `everytick`, a script, a web application) it is found by `--app`,
EVERYTICK_APP or `[tool.everytick]` in pyproject.toml. Nothing else looks for files by its own location, or
imports the user's modules by a fixed name.
"""

from __future__ import annotations

import os
import platform
import re
import shlex
import sys
import tomllib
from functools import cached_property
from importlib import import_module
from importlib.machinery import ModuleSpec
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

from . import command_line, import_path
from .answers import answer_in, answers_name
from .errors import ConfigurationError, message_of
from .project_file import check_owner, nearest_project, own_table, project_name

VARIABLE = "EVERYTICK_APP"
_EXAMPLE = "package.module:create_scheduler"
_REFERENCE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*")
# Without them there is no dashboard: the extra of that name brings them.
_DASHBOARD_NEEDS = ("fastapi", "jinja2", "uvicorn")


def not_named() -> str:
    """Return the sentence for a process in which nothing names the application."""
    called = command_line.as_called() or command_line.script("everytick")
    return (
        f"which application? Name the function that makes its schedule: {called} --app {_EXAMPLE},"
        f' or {VARIABLE}={_EXAMPLE}, or app = "{_EXAMPLE}" under [tool.everytick] in pyproject.toml'
    )


class Application:
    """One application that uses the engine. References are `package.module:name`.

    Args:
        file: the `__init__.py` of its package; the root is the folder above, if that has a pyproject.toml.
            Otherwise, as in an installed package, and without it, the root is the working directory.
        schedule: the function that makes the schedule.
        settings: the instance of its settings, of a class that derives from `SchedulerSettings`.
        logging: a function that takes level and format, and says where log lines go.
        routers: a list of FastAPI routers beside the dashboard's, in a module that need not be there. An
            application that names them, and has no such package, was made without the dashboard. One that
            names none has it where it is installed.
        root: the root itself, where it is known.
        name: the name that people are shown, and under which it owns its ledger; without it, what
            `core/project.toml` in its package says.
        timezone: the zone of the schedule where SCHEDULER_TIMEZONE says nothing; without it as for the name.

    Example:
        from everytick import Application

        application = Application(__file__, schedule="shop.schedule:create_scheduler", name="shop")
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
        name: str | None = None,
        timezone: str | None = None,
    ) -> None:
        self._package = Path(file).resolve().parent if file else None
        self._given_root = root
        self.schedule = schedule
        self.settings = settings
        self.logging = logging
        self.routers = routers
        self._name = name
        self._timezone = timezone
        # Whether its command line is that of the process, of an application that `everytick` found.
        self.is_typed = False
        # For an application that was found instead of registered: where each of its parts was named.
        self._named_by: dict[str, str] = {}

    @cached_property
    def command(self) -> str:
        """How hints name the command line: this, and then the name of a command."""
        return f"{command_line.python()} -m {self._package.name if self._package else 'app'}"

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
        path = (self.schedule or "").partition(":")[0].replace(".", "/")
        inside = f"{path}/__init__.py"
        return inside if (self.root / inside).exists() else f"{path}.py"

    def named_by(self, part: str) -> str:
        """Return what named its `schedule`, `settings` or `logging`, as a sentence about that begins."""
        own = "the application" if self._package is None else f"{self._package.name}/__init__.py"
        return self._named_by.get(part, own)

    @cached_property
    def _project(self) -> dict[str, Any] | None:
        """The contents of `app/core/project.toml`; None where there is no such file."""
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
        if self._name is not None:
            return self._name
        package = re.split(r"[.:]", self.schedule or "app")[0]
        return str((self._project or {}).get("name", package))

    @property
    def owner(self) -> str | None:
        """The name under which it owns its ledger; None if it has none, and any ledger will do."""
        return None if self._name is None and self._project is None else self.name

    @cached_property
    def packages(self) -> tuple[str, ...]:
        """The packages and modules that are the application's own.

        The package that registered it, and that of its schedule. Of an application without such a package,
        such as one that makes its scheduler itself, all that stand at the root, or in `src` there.
        """
        found = [] if self.schedule is None else [re.split(r"[.:]", self.schedule)[0]]
        if self._package is not None:
            found.append(self._package.name)
        elif not import_path.is_left_out(self.root):
            found += _modules_in(self.root, self.root / "src")
        return tuple(dict.fromkeys(found))

    @property
    def timezone(self) -> str:
        """The zone of the schedule where SCHEDULER_TIMEZONE says nothing."""
        return self._timezone or str((self._project or {}).get("timezone", "UTC"))

    @property
    def has_dashboard(self) -> bool:
        """Whether it was made with the dashboard. The packages that it needs may be missing all the same."""
        if self.routers is not None:
            return _is_package(self.routers.partition(":")[0].rpartition(".")[0])
        return all(map(is_there, _DASHBOARD_NEEDS))

    @property
    def version(self) -> str:
        """The application's own version, if it is installed."""
        try:
            return version(self.name)
        except PackageNotFoundError:
            return "(not installed)"

    @property
    def is_of_the_template(self) -> bool:
        """Whether it was made from the template. A file of answers at its root may be another template's."""
        return self._package is not None and answers_name(self._package) is not None

    @property
    def template_version(self) -> str:
        """The version of the template that it was made from, or last updated to; `unknown` without one."""
        name = None if self._package is None else answers_name(self._package)
        file = None if name is None else self.root / name
        if file is None or not file.is_file():
            return "unknown"
        return answer_in(file.read_text(encoding="utf-8", errors="replace"), "_commit") or "unknown"

    def versions(self) -> str:
        """Return the versions of the application, of the template or the engine, and of Python, in a line."""
        made_with = (
            f"template {self.template_version}"
            if self.is_of_the_template
            else f"everytick {version('everytick')}"
        )
        return f"{self.name} {self.version} ({made_with}, Python {platform.python_version()})"


_current: Application | None = None


def register(application: Application) -> Application:
    """Make this the application that the process belongs to; return it.

    Example:
        # In the package's `__init__.py`, so that whatever imports it means this application.
        from everytick import Application, register

        application = register(Application(__file__, schedule="shop.schedule:create_scheduler"))
    """
    global _current
    if _current is not None and _current.is_typed:
        # The import of the schedule that `everytick --app` names: the command stays that.
        application.command = _current.command
    _current = application
    return application


def registered() -> Application | None:
    """Return the application that was registered in this process, or found; None if none was."""
    return _current


def current(folder: Path | None = None) -> Application:
    """Return the application that this process belongs to: the one that was registered, else `find()`.

    Args:
        folder: where one that has to be found is looked for, instead of the working directory.

    Raises:
        ConfigurationError: as `find` does.
    """
    return _current if _current is not None else register(find(folder=folder))


def typed(command: str) -> str:
    """Return a command of this application as a person types it, such as `python -m app runs`."""
    return f"{current().command} {command}"


def typed_for(job_id: str, command: str, options: str = "") -> str:
    """Return a command about a job as a person types it, such as `python -m app why tick --run 4`.

    An id that begins with a hyphen is not read as an option then.
    """
    job = shlex.quote(job_id)
    words = [command, options, "--", job] if job_id.startswith("-") else [command, job, options]
    return typed(" ".join(filter(None, words)))


def find(reference: str | None = None, *, folder: Path | None = None, command: bool = False) -> Application:
    """Return the application of a process that registered none.

    It is the one that `reference` (the option --app) names, else EVERYTICK_APP, else `app` under
    `[tool.everytick]`: the function that makes the schedule, or a package that registers its application
    when it is imported. Without any of them it has no schedule. The table's other entries hold in each case.

    The table is that of the nearest pyproject.toml which has one, in the working directory or above. The
    root is the folder of that file, else of the nearest pyproject.toml, else the working directory. Modules
    there can be imported from then on, unless other users can put files there.

    Unless an option or the variable names it, neither a pyproject.toml nor a `.env` beside it is taken that
    others than this user and the superuser may have put there.

    Args:
        folder: instead of the working directory.
        command: the process is the command `everytick`: what it imports is looked for in the working
            directory first, as by `python -m`, unless other users can put files there.

    Raises:
        ConfigurationError: what names it is no reference, or the file cannot be understood, or others may
            have put it there.
    """
    folder = folder or Path.cwd()
    by_caller = (("--app", reference), (VARIABLE, os.environ.get(VARIABLE) or None))
    is_trusted = any(named is not None for _by, named in by_caller)
    file, project = nearest_project(folder, trusted=is_trusted)
    table = own_table(file, project)
    root = file.parent if file else folder
    dotenv = root / ".env"
    if not is_trusted and dotenv.exists():
        check_owner(dotenv, folder)
    given = (*by_caller, (f"{file}: [tool.everytick] app", table.get("app")))
    named_by, named = next((it for it in given if it[1] is not None), ("nobody", None))
    if is_trusted or table:
        # Those of a script or a web application come after its own.
        import_path.put_on_path(*((root, Path.cwd()) if command else (root,)), first=command)
    typed_so = (command and command_line.as_called()) or command_line.script("everytick")
    typed_so += "" if reference is None else f" --app {shlex.quote(reference)}"
    if named is not None and ":" not in named:
        registered = _registered_by(named, named_by)
        if command or not is_there(f"{named}.__main__"):
            registered.command = typed_so
        return registered
    if named is not None:
        check_reference(named, named_by)
    found = Application(
        schedule=named,
        settings=table.get("settings"),
        logging=table.get("logging"),
        root=root,
        name=table.get("name") or (project_name(file, project) if named else None),
        timezone=table.get("timezone"),
    )
    found._named_by = {key: f"{file}: [tool.everytick] {key}" for key in ("settings", "logging")}
    found._named_by["schedule"] = named_by
    found.command, found.is_typed = typed_so, command
    return found


def _modules_in(*folders: Path) -> list[str]:
    """Return the modules and packages in folders, without those that have a name of Python's own."""
    files = (file for folder in folders for file in [*folder.glob("*.py"), *folder.glob("*/__init__.py")])
    names = {file.parent.name if file.name == "__init__.py" else file.stem for file in files}
    return sorted(name for name in names - sys.stdlib_module_names if name.isidentifier())


def check_reference(reference: str, named_by: str) -> None:
    """Raise ConfigurationError unless the text is a reference such as `package.module:name`."""
    if not _REFERENCE.fullmatch(reference):
        raise ConfigurationError(f"{named_by}: {reference!r} is not a reference such as {_EXAMPLE}")


def import_referred(reference: str, named_by: str) -> ModuleType:
    """Import the module of a reference.

    Raises:
        ConfigurationError: there is no such module: the reference is wrong.
        Exception: whatever it raises itself; a ModuleNotFoundError is of something that it imports.
    """
    module = reference.partition(":")[0]
    try:
        return import_module(module)
    except ModuleNotFoundError as problem:
        if problem.name is None or not f"{module}.".startswith(f"{problem.name}."):
            raise
        raise ConfigurationError(
            f"{named_by}: {reference!r} names the module {problem.name!r}, {import_path.why_not_found()}"
            f" write it as `import` has it, such as {_EXAMPLE}"
        ) from None


def _registered_by(package: str, named_by: str) -> Application:
    """Return the application that a package registers when it is imported."""
    if not _REFERENCE.fullmatch(f"{package}:name"):
        what = f"{package!r} is neither a package nor" if package else "nothing is named: write"
        raise ConfigurationError(f"{named_by}: {what} a reference such as {_EXAMPLE}")
    try:
        import_referred(package, named_by)
    except ConfigurationError:
        raise
    except Exception as problem:
        kind = "" if isinstance(problem, ModuleNotFoundError) else f"{type(problem).__name__}: "
        what = f"{kind}{message_of(problem)}"
        raise ConfigurationError(f"{named_by}: {package} cannot be imported: {what}") from None
    if _current is None:
        # A module with the function in it was named without the function.
        makes = hasattr(sys.modules[package], _EXAMPLE.partition(":")[2])
        hint = f"{package}:create_scheduler" if makes else f"{package}.jobs:create_scheduler"
        raise ConfigurationError(
            f"{named_by}: {package!r} registers no application: name the function that makes the schedule,"
            f" {'' if makes else 'such as '}{hint}"
        )
    return _current


def is_there(module: str) -> bool:
    """Return whether a module could be imported. The packages around it are."""
    return _spec(module) is not None


def _is_package(name: str) -> bool:
    """Return whether that is a package, and no folder in which only files of the user stayed."""
    found = _spec(name) if name else None
    return found is not None and found.origin is not None


def _spec(module: str) -> ModuleSpec | None:
    try:
        return find_spec(module)
    except ModuleNotFoundError:
        return None
