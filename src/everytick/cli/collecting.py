"""When Python looks for garbage: hardly ever in a command that soon ends, as usual in a process that goes on.

While modules are imported and the schedule is made, almost nothing becomes garbage, and each look goes
through all objects that are there: a tenth of the time of a short command.
"""

from __future__ import annotations

import gc

_USUAL = gc.get_threshold()
# How many objects more than before lead to a look; a command such as `jobs` makes fewer.
_MANY = 200_000


def seldom() -> None:
    """Look when many objects have been made."""
    gc.set_threshold(_MANY, *_USUAL[1:])


def as_usual() -> None:
    """Look as often as Python does by itself."""
    gc.set_threshold(*_USUAL)
