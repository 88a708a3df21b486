"""A template and projects to update, and the commands `update` and `outdated` of a rendered application.

Nothing is installed here: the application runs with the engine of these tests.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from everytick.update import steps
from everytick.update.project import Project as Updated

import warm_copier
from pythons import clean_environment
from rendering import Project, TemplateHistory, git

LOOK = "app/components/dashboard/__init__.py"


OUTDATED = 3


HERE = Path(sys.executable).parent
# With the Copier that is loaded already before the one that lies there.
TOOLS = os.pathsep.join([str(warm_copier.program().parent), str(HERE)])


def call(project: Project, *command: str, path: str | None = None) -> Any:
    """Run a command of the application, with the Copier of these tests on PATH, or with another PATH."""
    return subprocess.run(
        [sys.executable, "-m", "app", *command],
        cwd=project.folder,
        env=clean_environment() | {"PATH": path or f"{TOOLS}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
    )


def committed(folder: Path) -> Project:
    """Make a git repository of a rendered folder."""
    git(folder, "init", "--quiet", "--initial-branch", "main")
    project = Project(folder)
    project.commit("first")
    return project


@pytest.fixture
def history() -> TemplateHistory:
    """A template with one release, which has a file that git writes in quotes."""
    made = TemplateHistory()
    made.edit("template/Gießkanne.md", lambda _: "# water\n")
    made.release("1.0.0")
    return made


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let the commands after a merge succeed without being run; return what they are."""
    found: list[str] = []

    def note(_: Updated, command: list[str]) -> int:
        found.append(" ".join([Path(command[0]).name, *command[1:]]))
        return 0

    monkeypatch.setattr(steps, "run", note)
    return found
