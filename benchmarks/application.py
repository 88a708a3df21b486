"""The application under test: the template of this working tree, rendered with the defaults and installed."""

from __future__ import annotations

import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

from app_session import render
from benchmarks.environments import CACHE, ROOT
from benchmarks.running import PEERS

FOLDER = CACHE / "application"


@cache
def python() -> Path:
    """Return the Python of its environment; the application itself is made anew each time."""
    shutil.rmtree(FOLDER / "project", ignore_errors=True)
    FOLDER.mkdir(parents=True, exist_ok=True)
    render(FOLDER / "project", {})
    write_schedule(FOLDER / "project")
    inside = FOLDER / "environment/bin/python"
    if not inside.exists():
        subprocess.run([sys.executable, "-m", "venv", str(FOLDER / "environment")], check=True)
    install = [str(inside), "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
    subprocess.run([*install, "--editable", str(FOLDER / "project")], check=True)
    # In a kept environment pip leaves an engine of the same version as it is.
    subprocess.run([*install, "--no-deps", "--editable", str(ROOT)], check=True)
    return inside


def write_schedule(project: Path) -> None:
    """Write the schedule and its service as a user would."""
    shutil.copy2(PEERS / "ours_schedule.py", project / "app/components/scheduler/main.py")
    shutil.copy2(PEERS / "recording.py", project / "app/services/recording.py")
