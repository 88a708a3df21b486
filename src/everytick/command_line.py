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
    return shlex.join([*_short(words[0]), *words[1:]])


def python() -> str:
    """Return the Python of this process, as a person types it where no environment is active."""
    return shlex.join(_short(sys.executable or "python"))


def script(name: str) -> str:
    """Return a program that is installed with this Python, as a person types it; else `python -m name`."""
    beside = Path(sys.executable).with_name(f"{name}.exe" if os.name == "nt" else name)
    return shlex.join(_short(str(beside))) if beside.exists() else f"{python()} -m {name}"


def typed_in(root: Path, command: str) -> str:
    """Return a command of the application in that folder as a person there types it.

    With the Python of the environment in the folder: `.venv/bin/python -m app update --finish`. Without
    such an environment it is the one of this process.
    """
    own = Path(".venv", "Scripts/python.exe" if os.name == "nt" else "bin/python")
    return f"{own if (root / own).exists() else python()} -m app {command}"


def _short(program: str) -> list[str]:
    """Return the words by which a person in this folder would call a program."""
    path = Path(program)
    found = shutil.which(path.name)
    if found is not None and program in (path.name, found):
        return ["uv", "run", path.name] if _is_of_uv(found) else [path.name]
    try:
        here = Path.cwd()
    except OSError:
        return [program]
    return [str(path.relative_to(here)) if path.is_absolute() and path.is_relative_to(here) else program]


def _is_of_uv(program: str) -> bool:
    """Return whether a program is found only where `uv run` put its folder on the PATH, and in no shell."""
    environment = os.environ.get("VIRTUAL_ENV")
    is_active = "VIRTUAL_ENV_PROMPT" in os.environ
    is_run = environment is not None and "UV_RUN_RECURSION_DEPTH" in os.environ and not is_active
    return is_run and Path(program).is_relative_to(environment or "")
