"""The application under test: the template of this working tree, rendered with the defaults and installed."""

from __future__ import annotations

import shutil
from functools import cache
from pathlib import Path

from app_session import render
from benchmarks.environments import CACHE, ROOT, install, make_environment
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
        make_environment(inside.parents[1])
    install(inside, "--editable", str(FOLDER / "project"))
    # In a kept environment an engine of the same version is left as it is.
    install(inside, "--no-deps", "--editable", str(ROOT))
    return inside


def write_schedule(project: Path) -> None:
    """Write the schedule and its service as a user would."""
    shutil.copy2(PEERS / "ours_schedule.py", project / "app/components/scheduler/main.py")
    shutil.copy2(PEERS / "recording.py", project / "app/services/recording.py")
