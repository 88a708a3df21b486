"""Copier, loaded once for all tests of a run: see `warm`."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import warm

_ROOT = Path(__file__).parents[2]
_TRACES = shutil.ignore_patterns("__pycache__", ".*_cache")


def program() -> Path:
    """Return the program `copier`."""
    return warm.program("copier", "warm_copier")


@contextmanager
def loaded(folder: Path) -> Iterator[None]:
    """Render this repository's template once as well: what was compiled for it is there for each call."""
    import copier
    from copier._cli import CopierApp  # noqa: F401

    from quick_copier import quickly

    template = folder / "template"
    for part in ("includes", "template"):
        shutil.copytree(_ROOT / part, template / part, ignore=_TRACES)
    shutil.copy2(_ROOT / "copier.yml", template)
    with quickly():
        copier.run_copy(str(template), folder / "made", defaults=True, quiet=True, pretend=True)
        yield


def call(arguments: list[str]) -> None:
    """Do as the program does."""
    from copier._cli import CopierApp
    from plumbum import local

    # plumbum has a folder and variables of its own, for all that Copier calls.
    local.cwd.chdir(os.getcwd())
    local.env.clear()
    local.env.update(os.environ)
    sys.argv = arguments
    CopierApp.run()
