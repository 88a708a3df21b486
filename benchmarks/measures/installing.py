"""How long it takes to install the rendered application, and how much that is."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from dataclasses import dataclass

from app_session import render
from benchmarks.environments import CACHE, environment

_FOLDER = CACHE / "installing"


@dataclass(frozen=True)
class Installation:
    """Seconds (everything downloaded before), packages and megabytes installed; files and their kilobytes."""

    seconds: float
    packages: int
    megabytes: float
    files: int
    kilobytes: float


def install() -> Installation:
    """Render with the defaults and install into a new environment with uv, without tools for development."""
    uv = environment("uv", ["uv"]).parent / "uv"
    shutil.rmtree(_FOLDER, ignore_errors=True)
    try:
        render(_FOLDER / "project", {})
        files = [file for file in (_FOLDER / "project").rglob("*") if file.is_file()]
        kilobytes = sum(file.stat().st_size for file in files) / 1024
        python = _FOLDER / "environment/bin/python"
        steps = (
            [str(uv), "venv", "--quiet", "--python", sys.executable, str(python.parents[1])],
            [str(uv), "pip", "install", "--quiet", "--python", str(python), str(_FOLDER / "project")],
        )
        for step in steps:
            subprocess.run(step, check=True, capture_output=True)
        # Once more: now all of it is in uv's cache.
        shutil.rmtree(python.parents[1])
        begun = time.monotonic()
        for step in steps:
            subprocess.run(step, check=True, capture_output=True)
        took = time.monotonic() - begun
        packages = next((python.parents[1] / "lib").glob("python*")) / "site-packages"
        size = sum(file.stat().st_size for file in packages.rglob("*") if file.is_file())
        return Installation(
            took, len(list(packages.glob("*.dist-info"))), size / 1024 / 1024, len(files), kilobytes
        )
    finally:
        shutil.rmtree(_FOLDER, ignore_errors=True)
