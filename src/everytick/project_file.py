"""The `pyproject.toml` that counts in a folder, and what its table `[tool.everytick]` says.

It names code that is run, and beside it lies the `.env` that says which ledger is meant. So none is taken
that somebody else may have put there: that belongs to another user, or lies above the working directory where
everybody may write, as in /tmp.
"""

from __future__ import annotations

import os
import stat
import tomllib
from pathlib import Path
from typing import Any

from .errors import ConfigurationError, nearest

# The keys that `[tool.everytick]` may have.
_KEYS = ("app", "settings", "logging", "name", "timezone")


def nearest_project(here: Path, *, trusted: bool) -> tuple[Path | None, dict[str, Any]]:
    """Return the pyproject.toml that counts, and what stands in it.

    One above the nearest is of interest for its table alone, and is passed over where it cannot be read.

    Args:
        trusted: take it also if somebody else put it there: the caller has named the application.

    Raises:
        ConfigurationError: it cannot be read, or somebody else put it there.
    """
    nearest_file: tuple[Path | None, dict[str, Any]] = (None, {})
    for folder in (here, *here.parents):
        file = folder / "pyproject.toml"
        try:
            project = tomllib.loads(file.read_text(encoding="utf-8"))
        except (FileNotFoundError, IsADirectoryError):
            continue
        except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as problem:
            if nearest_file[0] is not None:
                continue
            if isinstance(problem, OSError):
                raise ConfigurationError(f"{file} cannot be read: {problem.strerror}") from None
            raise ConfigurationError(f"{file}: not valid TOML: {problem}") from None
        tools = project.get("tool", {})
        has_table = isinstance(tools, dict) and "everytick" in tools
        if not trusted and (has_table or nearest_file[0] is None):
            check_owner(file, here)
        if has_table:
            return file, project
        if nearest_file[0] is None:
            nearest_file = file, project
    return nearest_file


def check_owner(file: Path, here: Path) -> None:
    """Raise ConfigurationError if others than this user and the superuser may have put a file there.

    here: the working directory, from which the file was found there or above. It and all folders in between
        count as well: modules are looked for there. Of a folder above it also counts who may write to it; the
        working directory itself may be one that everybody may write to, as is common in containers.
    """
    if os.name != "posix":
        # Windows: files have lists of rights there, and no owner with a number.
        return
    passed = [folder for folder in (here, *here.parents) if folder.is_relative_to(file.parent)]
    for path in (file, *passed):
        if (owner := _stranger(path)) is not None:
            raise ConfigurationError(
                f"{file} is not taken, for {path} belongs to the user {owner}; {_IF_TRUSTED}"
            )
    if file.parent != here and file.parent.stat().st_mode & stat.S_IWOTH:
        raise ConfigurationError(
            f"{file} is not taken, for everybody may write to the folder {file.parent}; {_IF_TRUSTED}"
        )


# With the application named nothing is refused: files in a container may belong to the user who built it.
_IF_TRUSTED = (
    "if it is trusted, name the application: --app package.module:create_scheduler,"
    " or EVERYTICK_APP=package.module:create_scheduler"
)


def _stranger(path: Path) -> str | None:
    """Return the owner of a file or a folder, also of a link to it; None for this user and the superuser."""
    for owner in _owners(path):
        if owner not in (0, os.geteuid()):
            # It loads asyncio, which importing the package does not.
            from .system.machine import name_of_user

            return name_of_user(owner)
    return None


def _owners(path: Path) -> tuple[int, int]:
    return path.lstat().st_uid, path.stat().st_uid


def _table(file: Path | None, project: dict[str, Any], name: str) -> dict[str, Any]:
    """Return a table of pyproject.toml, empty if it is not there."""
    table = project.get(name, {})
    if not isinstance(table, dict):
        raise ConfigurationError(f"{file}: {name} must be a table: [{name}]")
    return table


def project_name(file: Path | None, project: dict[str, Any]) -> str | None:
    """Return the name under `[project]`; None if it says none."""
    name = _table(file, project, "project").get("name")
    if name is not None and (not isinstance(name, str) or not name):
        raise ConfigurationError(f"{file}: [project] name = {name!r} must be text, not empty")
    return name


def own_table(file: Path | None, project: dict[str, Any]) -> dict[str, str]:
    """Return what `[tool.everytick]` says, if it can be understood."""
    table = _table(file, project, "tool").get("everytick", {})
    if not isinstance(table, dict):
        raise ConfigurationError(f"{file}: tool.everytick must be a table: [tool.everytick]")
    for key, value in table.items():
        if key not in _KEYS:
            hint = nearest(key, _KEYS) or f": it takes {', '.join(_KEYS)}"
            raise ConfigurationError(f"{file}: [tool.everytick] has no {key!r}{hint}")
        if not isinstance(value, str) or not value:
            raise ConfigurationError(f"{file}: [tool.everytick] {key} = {value!r} must be text, not empty")
    if table.keys() - {"app"} and "app" in table and ":" not in table["app"]:
        raise ConfigurationError(
            f"{file}: [tool.everytick] {min(table.keys() - {'app'})} has no effect beside"
            f" app = {table['app']!r}: a package that registers its application says all of it there"
        )
    return table
