"""When Python looks for garbage: hardly ever in a command that soon ends, as usual in a process that goes on.

While modules are imported and the schedule is made, almost nothing becomes garbage, and each look goes
through all objects that are there. The last one, at the end of the process, takes as long as a dozen queries.
"""

from __future__ import annotations

import atexit
import gc

_USUAL = gc.get_threshold()
# How many objects more than before lead to a look; a command such as `jobs` makes fewer.
_MANY = 200_000


def seldom() -> None:
    """Look when many objects have been made, and not at the end, when the memory is given back as a whole."""
    gc.set_threshold(_MANY, *_USUAL[1:])
    atexit.register(gc.freeze)


def as_usual() -> None:
    """Look when Python does so by itself."""
    gc.set_threshold(*_USUAL)
    atexit.unregister(gc.freeze)
