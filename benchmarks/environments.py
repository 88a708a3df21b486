"""An environment of its own for each peer, so that none decides which versions another gets."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
# Not below .cache, which belongs to the builder of the documentation: it empties it.
CACHE = ROOT / "build/benchmarks"


def environment(name: str, requirements: Sequence[str], python: str = sys.executable) -> Path:
    """Return the Python of an environment with these requirements; make it if it is not there yet.

    Raises subprocess.CalledProcessError when they cannot be installed.
    """
    digest = hashlib.sha256("\n".join([python, *requirements]).encode()).hexdigest()[:8]
    folder = CACHE / f"{name}-{digest}"
    inside = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    complete = folder / "complete"
    if not complete.exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.parent.mkdir(parents=True, exist_ok=True)
        make_environment(folder, python)
        if requirements:
            install(inside, *requirements)
        complete.touch()
    return inside


def make_environment(folder: Path, python: str = sys.executable) -> None:
    """Make an empty environment."""
    _run([python, "-m", "venv", "--without-pip", str(folder)])


def install(python: Path, *what: str) -> None:
    """Install requirements, by uv: it takes a tenth of the time of pip, which each environment would need."""
    _run([sys.executable, "-m", "uv", "pip", "install", "--quiet", "--python", str(python), *what])


def versions(python: Path, packages: Sequence[str]) -> dict[str, str]:
    """Return the version of each package in an environment."""
    program = (
        "import sys; from importlib.metadata import version\nfor name in sys.argv[1:]: print(version(name))"
    )
    done = subprocess.run([str(python), "-c", program, *packages], check=True, capture_output=True, text=True)
    return dict(zip(packages, done.stdout.split(), strict=True))


def _run(command: Sequence[str]) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
