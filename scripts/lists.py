"""Make the two lists that the questions are checked against: `python scripts/lists.py`.

- `includes/time-zones.txt`: every name in the newest time zone database that is installed here.
- `includes/taken-names.txt`: every package that the application, its tools or its build may need,
  on any system and any supported Python, and every command that they put beside the project's own.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from importlib.resources import files
from pathlib import Path

from app_session import ROOT, render

INCLUDES = ROOT / "includes"
HEADER = "# Made by scripts/lists.py; do not edit.\n"

# A zone that says "not set up yet": a schedule in it would be an accident.
NO_ZONES = {"Factory"}
# Packages that an environment has on other systems, and commands that `make` in the application calls.
COMMANDS = [
    "activate",
    "copier",
    "deactivate",
    "git",
    "make",
    "pip",
    "python",
    "pythonw",
    "uv",
    "uvx",
]


def time_zones() -> list[str]:
    """Return the canonical names and the aliases."""
    names = (files("tzdata") / "zones").read_text(encoding="utf-8").split()
    return sorted(set(names) - NO_ZONES)


def uv(*arguments: str, folder: Path) -> str:
    """Run uv and return what it prints."""
    command = [sys.executable, "-m", "uv", *arguments]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout


def resolved(project: Path) -> set[str]:
    """Return the packages that a rendered project may need, be its dependencies new or old."""
    build = re.search(r"^requires = \[(.+)\]$", (project / "pyproject.toml").read_text(), re.M)
    assert build, "pyproject.toml names no build requirements on one line"
    (project / "build.in").write_text(build[1].replace('"', "").replace(", ", "\n"))
    names: set[str] = set()
    for resolution in ("highest", "lowest-direct"):
        found = uv(
            *("pip", "compile", "--quiet", "--universal", "--python-version", "3.11"),
            *("--resolution", resolution, "--no-header", "--no-annotate"),
            *("--group", "dev", "pyproject.toml", "build.in"),
            folder=project,
        )
        names |= {re.split("==| @ ", line)[0] for line in found.splitlines()}
    return names


def commands(project: Path) -> set[str]:
    """Return the commands in an environment where all of it is installed."""
    uv("venv", "--quiet", "--seed", "--python", sys.executable, "environment", folder=project)
    uv(
        *("pip", "install", "--quiet", "--python", "environment", "--group", "dev"),
        *("--requirement", "pyproject.toml"),
        folder=project,
    )
    folder = project / "environment" / ("Scripts" if os.name == "nt" else "bin")
    return {path.stem for path in folder.iterdir()}


def taken_names() -> list[str]:
    """Return the names that a project must not have, as far as a project could have them."""
    with tempfile.TemporaryDirectory(prefix="copier-scheduler-lists-") as folder:
        project = Path(folder) / "project"
        render(project, {"python_version": "3.11"})
        names = resolved(project) | commands(project) | set(COMMANDS)
    return sorted(name for name in names if re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name))


def main() -> int:
    """Write both lists."""
    for name, lines in (("time-zones", time_zones()), ("taken-names", taken_names())):
        text = HEADER + "".join(f"{line}\n" for line in lines)
        (INCLUDES / f"{name}.txt").write_text(text, encoding="utf-8")
        print(f"includes/{name}.txt: {len(lines)} names")
    return 0


if __name__ == "__main__":
    sys.exit(main())
