"""The `pyproject.toml` that counts in a folder, and what its table `[tool.everytick]` says."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from .errors import ConfigurationError, nearest

# The keys that `[tool.everytick]` may have.
_KEYS = ("app", "settings", "logging", "name", "timezone")


def nearest_project(here: Path) -> tuple[Path | None, dict[str, Any]]:
    """Return the pyproject.toml that counts, and what stands in it.

    One above the nearest is of interest for its table alone, and is passed over where it cannot be read.
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
        if isinstance(tools, dict) and "everytick" in tools:
            return file, project
        if nearest_file[0] is None:
            nearest_file = file, project
    return nearest_file


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
