"""The parts that an application may lack, and the variables that have no effect then."""

from __future__ import annotations

import re

from everytick import app
from everytick.errors import how_to_install, nearest

# Parts that an application may be made without, by the prefix of their variables.
_OPTIONAL_PARTS = {"SCHEDULER_DASHBOARD": "dashboard"}
# The variables of the dashboard, whose settings are a class of its own that derives from this one; a test
# holds the two equal.
DASHBOARD_VARIABLES = frozenset(
    f"SCHEDULER_DASHBOARD{rest}" for rest in ("", "_HOST", "_NAMES", "_PORT", "_READ_TOKEN", "_TOKEN")
)


def made_without(part: str) -> str:
    """Return the sentence for a part that the application lacks, and how it is had."""
    return f"the application was made without the {part}: {how_to_install(part)}"


def missing_part(variable: str) -> str | None:
    """Return the part of the application that would read a variable, if the application lacks that part."""
    for prefix, part in _OPTIONAL_PARTS.items():
        if variable == prefix or variable.startswith(f"{prefix}_"):
            return None if app.current().has_dashboard else part
    return None


def without_effect(name: str, known: list[str]) -> str:
    part = missing_part(name)
    if part is not None:
        return f"{name} has no effect: {made_without(part)}"
    switch = re.sub("_(ENABLED?|ACTIVE|ON)$", "", name, flags=re.IGNORECASE)
    hint = f"; did you mean '{switch.upper()}'?" if switch.upper() in known else nearest(name, known)
    return f"{name} is not a setting and has no effect{hint}"


def names_of_parts() -> frozenset[str]:
    """Return the variables of the parts that this application has."""
    return DASHBOARD_VARIABLES if app.current().has_dashboard else frozenset()
