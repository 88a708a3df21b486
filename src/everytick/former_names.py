"""Names that this package had in an earlier version, for files of yours that still use them.

A name that goes works on for one minor version, with a warning that says what to write instead.
"""

from __future__ import annotations

import warnings
from typing import NamedTuple


class Renamed(NamedTuple):
    """What a former name is called now, and the version of the template in which it stops working."""

    name: str
    until: str


FORMER_NAMES: dict[str, Renamed] = {}


def present_name(module: str, name: str) -> str:
    """Return what `module` calls `name` now, with a DeprecationWarning at the line that used it.

    Raises:
        AttributeError: it never had that name, or has it no more.
    """
    if name not in FORMER_NAMES:
        raise AttributeError(f"module {module!r} has no attribute {name!r}")
    now = FORMER_NAMES[name]
    warnings.warn(
        f"{module}.{name} is called {now.name} now: write that; the old name goes with version {now.until}"
        " of the template",
        DeprecationWarning,
        # Over this function and the package's __getattr__, to the import.
        stacklevel=3,
    )
    return now.name
