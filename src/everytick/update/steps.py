"""The commands that follow a merge: by make where there is one, by the tools themselves elsewhere."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from everytick.command_line import typed_in

from .project import Project

Step = tuple[str, list[str]]


def installing(project: Project) -> list[Step]:
    """Return what brings the environment up to what `pyproject.toml` says now, and `uv.lock` before that."""
    uv = shutil.which("uv")
    lock = [("uv lock", [uv, "lock"])] if uv and (project.root / "uv.lock").exists() else []
    make = _make()
    if make:
        return [*lock, ("make install", [*make, "install"])]
    if uv:
        return [*lock, ("uv sync", [uv, "sync"])]
    pip = [_python(project), "-m", "pip", "install", "--quiet"]
    # Groups came with pip 25.1. By force, as the engine's version need not change with its commit.
    steps = [("pip", [*pip, "pip>=25.1"])]
    if line := project.engine_line():
        source = f"everytick @ {line.address}{f'@{line.commit}' if line.commit else ''}"
        steps.append(("pip install everytick", [*pip, "--force-reinstall", "--no-deps", source]))
    return [*steps, ("pip install", [*pip, "--editable", ".", "--group", "dev"])]


def checking(project: Project) -> list[Step]:
    """Return what upgrades the ledger of this machine, and shows that all is well."""
    python, make = _python(project), _make()
    if make:
        checks = [(f"make {target}", [*make, target]) for target in ("check", "test")]
    else:
        tools = ("ruff check .", "ruff format --check .", "mypy", "pytest")
        checks = [(tool, [python, "-m", *tool.split()]) for tool in tools]
    return [(typed_in(project.root, "migrate"), [python, "-m", "app", "migrate"]), *checks]


def finishing(project: Project, *arguments: str) -> list[str]:
    """Return the command that ends the update with the engine that came with it.

    It does not import the application, whose files may be undecided.
    """
    return [_python(project), "-m", "everytick.update", "finish", *arguments]


def run(project: Project, command: list[str]) -> int:
    """Show a command, run it in the project, and return its exit code; 127 if there is no such program."""
    print(f"+ {shlex.join([Path(command[0]).name, *command[1:]])}", file=sys.stderr, flush=True)
    sys.stdout.flush()
    try:
        return subprocess.run(command, cwd=project.root).returncode
    except FileNotFoundError:
        return 127


def _make() -> list[str] | None:
    make = os.environ.get("MAKE") or shutil.which("make")
    return [make, "--no-print-directory"] if make else None


def _python(project: Project) -> str:
    """Return the Python of the project's environment, which is not always the one that runs this."""
    own = project.root / ".venv" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    return str(own) if own.exists() else sys.executable
