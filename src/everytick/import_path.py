"""The folders in which the modules of an application are looked for that did not register itself.

Modules are code that runs. So a folder is only put on Python's path if no other user of the machine can put
files there. An application that is installed needs none.
"""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

# The folders that were left out, with how a sentence begins about who else can write there.
_left_out: dict[Path, str] = {}


def put_on_path(*folders: Path, first: bool) -> None:
    """Have modules looked for in folders, unless others can write there; those on the path already stay.

    first: before the installed packages, as by `python -m`; else after it.
    """
    _left_out.clear()
    for folder in dict.fromkeys(folders):
        name = str(folder)
        if name not in sys.path and (others := _others(folder)):
            _left_out[folder] = others
        elif first:
            sys.path[:] = [name, *(entry for entry in sys.path if entry != name)]
        elif name not in sys.path:
            sys.path.append(name)


def is_left_out(folder: Path) -> bool:
    """Return whether a folder was not put on the path, since others can write there."""
    return folder in _left_out


def why_not_found() -> str:
    """Say where a module was looked for in vain, and where not; how it is written comes after that."""
    here = Path.cwd()
    found = "which is not installed" if here in _left_out else f"which is neither in {here} nor installed"
    if not _left_out:
        return f"{found}:"
    reasons = ", nor ".join(
        f"in {folder}, for {others} put modules there" for folder, others in _left_out.items()
    )
    trusted = shlex.quote(os.pathsep.join(map(str, _left_out)))
    return (
        f"{found}; modules are not looked for {reasons}: install the application, or have it in a folder of"
        f" your own, or, if all that is there is trusted, set PYTHONPATH={trusted}; else"
    )


def _others(folder: Path) -> str | None:
    # It loads asyncio, which importing the package does not.
    from .system.rights import other_writers

    return next((other.begun for other in other_writers(folder)), None)
