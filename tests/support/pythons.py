"""The Pythons of this machine, and an environment for each with what the application needs."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

from uv import find_uv_bin

from app_session import ROOT
from rendering import choices

ENVIRONMENTS = ROOT / ".cache" / "envs"
_FOUND = "PYTEST_FOUND_PYTHONS"
# Variables of the test process that the application must not inherit.
FOREIGN = (
    "COV_",
    "COVERAGE_",
    "PYTEST_",
    "PYTHON",
    "UV_PYTHON",
    "UV_PROJECT",
    "VIRTUAL_ENV",
    "MAKE",
)


def clean_environment() -> dict[str, str]:
    """Return the environment as the shell of a user has it."""
    return {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}


def run(folder: Path, *command: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        [str(part) for part in command],
        cwd=folder,
        env=clean_environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )


def run_well(folder: Path, *command: str | Path, stderr: bool = False) -> str:
    """Run a command that must succeed, and return what it prints."""
    done = run(folder, *command)
    assert done.returncode == 0, f"{' '.join(map(str, command))}:\n{done.stdout}\n{done.stderr}"
    return done.stdout + (done.stderr if stderr else "")


def uv(folder: Path, *arguments: str | Path) -> str:
    """Run uv, which must succeed."""
    return run_well(folder, find_uv_bin(), *arguments)


def _candidates(version: str) -> Iterator[str]:
    """Yield where a Python may be: this one, pyenv, PATH, a runner's tool cache, what uv knows."""
    if sys.version_info[:2] == tuple(map(int, version.split("."))):
        yield sys.executable
    # Before PATH, where pyenv puts shell scripts that look for these first.
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    yield from map(str, sorted(pyenv.glob(f"versions/{version}.*/bin/python"), reverse=True))
    for folder in os.get_exec_path():
        yield str(Path(folder) / f"python{version}")
    for tools in ("RUNNER_TOOL_CACHE", "AGENT_TOOLSDIRECTORY"):
        if tools in os.environ:
            found = Path(os.environ[tools]).glob(f"Python/{version}.*/*/bin/python")
            yield from map(str, sorted(found, reverse=True))
    found_by_uv = run(ROOT, find_uv_bin(), "python", "find", "--no-python-downloads", version)
    if found_by_uv.returncode == 0:
        yield found_by_uv.stdout.strip()


def _is(python: str, version: str) -> bool:
    """Tell whether that is a Python of the version, with what an application needs of it."""
    if not os.access(python, os.X_OK):
        return False
    code = "import ensurepip, sqlite3, sys, venv; print(*sys.version_info[:2], sep='.')"
    done = run(ROOT, python, "-c", code)
    return done.returncode == 0 and done.stdout.strip() == version


@cache
def found_pythons() -> dict[str, str]:
    """Return the supported Pythons that this machine has.

    They are looked for once: a worker is started with the environment of the process that looked.
    """
    if _FOUND not in os.environ:
        found: dict[str, str] = {}
        for version in choices("python_version"):
            python = next((name for name in _candidates(version) if _is(name, version)), None)
            if python:
                found[version] = python
        os.environ[_FOUND] = json.dumps(found)
    known: dict[str, str] = json.loads(os.environ[_FOUND])
    return known


def environment(version: str, project: Path) -> Path:
    """Return the Python of an environment with the project's dependencies, but not the project.

    It is made once for each Python and set of dependencies, and kept in `.cache/envs`.
    """
    said = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))
    needed = [said["project"]["dependencies"], said["dependency-groups"]["dev"]]
    key = json.dumps([found_pythons()[version], *needed], sort_keys=True)
    kept = ENVIRONMENTS / f"{version}-{hashlib.sha256(key.encode()).hexdigest()[:12]}"
    if not kept.exists():
        ENVIRONMENTS.mkdir(parents=True, exist_ok=True)
        # Made aside and then moved, so that no other process finds half of one.
        new = Path(mkdtemp(prefix=f"{version}-", dir=ENVIRONMENTS))
        uv(
            project,
            "venv",
            "--quiet",
            "--clear",
            "--relocatable",
            "--python",
            found_pythons()[version],
            new,
        )
        uv(
            project,
            *("pip", "install", "--quiet", "--python", new),
            *("--requirement", "pyproject.toml", "--group", "dev"),
        )
        try:
            new.rename(kept)
        except OSError:
            shutil.rmtree(new)
    return kept / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
