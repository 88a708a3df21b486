"""A life of the application that ends with the death of its process.

`python -m pitfalls.victim WORLD FOLDER LIFE MOMENT` lives it; `dies_in` lets a story do that.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path

from . import bodies, world
from .world import World

Life = Callable[[World], Awaitable[None]]

_ROOT = Path(__file__).parents[3]
_PATHS = ("src", "tests/support", "tests/system")


async def dies_in(here: World, life: Life) -> None:
    """Let another process live a life in this world; return when it is dead."""
    arguments = [
        type(here).__name__,
        str(here.folder),
        f"{life.__module__}:{life.__name__}",
        datetime.now(UTC).isoformat(),
    ]
    paths = os.pathsep.join(str(_ROOT / name) for name in _PATHS)
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "pitfalls.victim", *arguments],
        env={**os.environ, "PYTHONPATH": paths, bodies.VICTIM: "yes"},
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == bodies.KILLED, done.stderr.decode(errors="replace")


def main(kind: str, folder: str, life: str, moment: str) -> None:
    module, _, name = life.partition(":")
    with world.opened(getattr(world, kind), Path(folder), moment) as here:
        asyncio.run(getattr(import_module(module), name)(here))


if __name__ == "__main__":
    main(*sys.argv[1:])
