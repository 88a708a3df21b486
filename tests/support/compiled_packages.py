"""What was compiled in an environment that uv made, given to uv's cache: the next environment has it already.

uv compiles nothing that it installs: the first process of each environment compiles all that it loads.
"""

from __future__ import annotations

import os
import subprocess
from contextlib import suppress
from pathlib import Path

from temporary import of_this_run

# What builds an application, in environments that are gone at once.
_BUILDS = ("hatchling", "pathspec", "trove_classifiers", "packaging", "pluggy")
# Compiled when the tests of an application have run, with most of what there is.
_LAST = "_pytest/__pycache__/runner.*.pyc"
# Environments that were looked through; None when the cache has what there is.
_seen: set[Path | None] = set()


def keep() -> None:
    """Take what is compiled from the first environment of uv's in which the tests of an application ran."""
    cache = Path(os.environ["UV_CACHE_DIR"]) / "archive-v0"
    if None in _seen or not cache.exists():
        return
    if any(cache.glob(f"*/{_LAST}")):
        _seen.add(None)
        return
    for environment in (of_this_run() / str(os.getpid())).glob("*/*/.venv"):
        found = next(environment.glob(f"lib/python*/site-packages/{_LAST}"), None)
        if found and environment not in _seen:
            _seen.add(environment)
            if _take(found.parents[2], cache):
                _compile_builds(environment / "bin/python", cache)
                return


def _take(installed: Path, cache: Path) -> bool:
    """Return whether anything was taken: pip's environments have nothing from there."""
    # uv makes links to the files in its cache, which have the same number there.
    kept = {file.stat().st_ino: file for file in cache.rglob("*.py")}
    for compiled in installed.rglob("__pycache__/*.pyc"):
        written = compiled.parents[1] / f"{compiled.name.partition('.')[0]}.py"
        with suppress(FileNotFoundError):
            if place := kept.get(written.stat().st_ino):
                _link(compiled, place.parent / "__pycache__" / compiled.name)
    return any(cache.glob(f"*/{_LAST}"))


def _link(compiled: Path, place: Path) -> None:
    place.parent.mkdir(exist_ok=True)
    with suppress(FileExistsError):
        os.link(compiled, place)


def _compile_builds(python: Path, cache: Path) -> None:
    found = [str(it) for name in _BUILDS for it in cache.glob(f"*/{name}")]
    subprocess.run([python, "-m", "compileall", "-q", *found], capture_output=True, check=False)
