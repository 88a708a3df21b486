"""How a person types the commands of an application: for hints, which are to be copied."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from pathlib import Path


def as_called() -> str | None:
    """Return how a person called this process, up to the command: `.venv/bin/python -m app`.

    Returns:
        None if another program called these commands, whose own arguments are not known.
    """
    before = len(sys.orig_argv) - len(sys.argv) + 1
    if sys.orig_argv[before:] != sys.argv[1:]:
        return None
    words = sys.orig_argv[:before]
    if "-m" not in words:
        # The script of a virtual environment, which is run by the Python that lies beside it; perhaps by a
        # link to it, as `pipx` and `uv tool` put one into a folder of the PATH.
        words = sys.argv[:1]
        if Path(words[0]).resolve().parent != Path(sys.executable).parent.resolve():
            return None
    return shlex.join([_short(words[0]), *words[1:]])


def python() -> str:
    """Return the Python of this process, as a person types it where no environment is active."""
    return shlex.quote(_short(sys.executable or "python"))


def script(name: str) -> str:
    """Return a program that is installed with this Python, as a person types it; else `python -m name`."""
    beside = Path(sys.executable).with_name(f"{name}.exe" if os.name == "nt" else name)
    return shlex.quote(_short(str(beside))) if beside.exists() else f"{python()} -m {name}"


def typed_in(root: Path, command: str) -> str:
    """Return a command of the application in that folder as a person there types it.

    With the Python of the environment in the folder: `.venv/bin/python -m app update --finish`. Without
    such an environment it is the one of this process.
    """
    own = Path(".venv", "Scripts/python.exe" if os.name == "nt" else "bin/python")
    return f"{own if (root / own).exists() else python()} -m app {command}"


def _short(program: str) -> str:
    """Return the path of a program as a person in this folder would write it."""
    path = Path(program)
    if shutil.which(path.name) == program:
        return path.name
    try:
        here = Path.cwd()
    except OSError:
        return program
    return str(path.relative_to(here)) if path.is_absolute() and path.is_relative_to(here) else program
