"""Render the template of the working tree, for any test.

`rendered(ci="gitlab")` gives a folder that tests share and must leave as it is; `render(folder)`
fills one of their own. `TemplateHistory` and `Project` are a released template and what a user made
from it.
"""

from __future__ import annotations

import itertools
import json
import shutil
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import copier
import yaml  # type: ignore[import-untyped,unused-ignore]
from plumbum import local

from app_session import ROOT, copy_source
from quick_copier import quickly as quickly
from temporary import fresh_folder as fresh_folder

_config: dict[str, Any] = yaml.safe_load((ROOT / "copier.yml").read_text(encoding="utf-8"))
QUESTIONS: dict[str, dict[str, Any]] = {k: v for k, v in _config.items() if k[0] != "_"}
SETTINGS: dict[str, Any] = {k: v for k, v in _config.items() if k[0] == "_"}


def choices(question: str) -> list[Any]:
    """Return the answers that a question accepts."""
    asked = QUESTIONS[question]
    if asked["type"] == "bool":
        return [True, False]
    found = asked["choices"]
    values = list(found.values()) if isinstance(found, dict) else list(found)
    # Of several that may be chosen together: those of the default, none, and all.
    return [asked["default"], [], values] if asked.get("multiselect") else values


def combinations() -> list[dict[str, Any]]:
    """Return every combination of answers to the questions that have choices."""
    asked = {name: it for name, it in QUESTIONS.items() if it.get("ask", True)}
    names = [name for name, it in asked.items() if "choices" in it or it["type"] == "bool"]
    return [
        dict(zip(names, answers, strict=True))
        for answers in itertools.product(*(choices(name) for name in names))
    ]


@cache
def source() -> Path:
    """Return the template in a folder that is no git repository."""
    return copy_source(fresh_folder("source"))


def render(destination: Path, **answers: Any) -> Path:
    """Render into a folder, as `copier copy --defaults` does, without `--trust`.

    It is six times as fast as that, and a test compares the two: Copier would also ask git about
    every file that it writes, where there is no repository.
    """
    template = str(source())
    with quickly(), local.env(PATH=""):
        copier.run_copy(template, destination, data=answers, defaults=True, quiet=True)
    return destination


_rendered: dict[str, Path] = {}


def rendered(**answers: Any) -> Path:
    """Return a rendered application; the same answers give the same folder."""
    key = json.dumps(answers, sort_keys=True)
    if key not in _rendered:
        _rendered[key] = render(fresh_folder() / answers.get("project_name", "app"), **answers)
    return _rendered[key]


def files(folder: Path) -> list[str]:
    """Return the paths of all files, as git would write them."""
    return sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and ".git" not in path.relative_to(folder).parts
    )


def contents(folder: Path) -> dict[str, bytes]:
    """Return what is in all files."""
    return {name: (folder / name).read_bytes() for name in files(folder)}


def git(folder: Path, *arguments: str) -> str:
    """Run git and return what it prints."""
    command = ["git", *arguments]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout


class TemplateHistory:
    """A git repository of the template, with releases.

    Without the engine, unless something is to be installed: merging takes less time then.
    """

    def __init__(self, *, engine: bool = False) -> None:
        self.folder = copy_source(fresh_folder("template"))
        if not engine:
            shutil.rmtree(self.folder / "src")
        git(self.folder, "init", "--quiet", "--initial-branch", "main")

    def release(self, version: str) -> None:
        """Commit and tag what is there."""
        git(self.folder, "add", "--all")
        git(self.folder, "commit", "--quiet", "--allow-empty", "--message", version)
        git(self.folder, "tag", version)

    def edit(self, name: str, change: Callable[[str], str]) -> None:
        """Change one file; a new one begins empty."""
        edit(self.folder / name, change)

    def copy(self, **answers: Any) -> Project:
        """Render the newest release, and commit it as a user would."""
        folder = fresh_folder("project") / "project"
        with quickly():
            copier.run_copy(str(self.folder), folder, data=answers, defaults=True, quiet=True)
        git(folder, "init", "--quiet", "--initial-branch", "main")
        project = Project(folder)
        project.commit("first")
        return project


class Project:
    """A rendered application in a git repository."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def edit(self, name: str, change: Callable[[str], str]) -> None:
        """Change one file; a new one begins empty."""
        edit(self.folder / name, change)

    def commit(self, message: str) -> None:
        """Commit everything."""
        git(self.folder, "add", "--all")
        git(self.folder, "commit", "--quiet", "--allow-empty", "--message", message)

    def update(self, **options: Any) -> None:
        """Take the newest release, as `copier update --defaults` does."""
        with quickly():
            copier.run_update(self.folder, defaults=True, overwrite=True, quiet=True, **options)

    def answers(self) -> dict[str, Any]:
        """Return the recorded answers."""
        text = (self.folder / ".copier-answers.yml").read_text(encoding="utf-8")
        found = yaml.safe_load(text)
        assert isinstance(found, dict)
        return found


def edit(path: Path, change: Callable[[str], str]) -> None:
    """Change the text of a file, which may be new."""
    old = path.read_text(encoding="utf-8") if path.exists() else ""
    new = change(old)
    assert new != old, f"the edit of {path.name} changes nothing"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(new, encoding="utf-8")
