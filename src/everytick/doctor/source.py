"""A look at the line of a declaration: what the objects do not tell."""

from __future__ import annotations

import ast
from pathlib import Path

from everytick.source_text import text_of

_TRIGGERS = ("CronTrigger", "IntervalTrigger", "DateTrigger", "CalendarIntervalTrigger")


def zoneless_trigger(root: Path, where: str) -> bool:
    """Return whether the call at `file:line` makes a trigger object that names no zone."""
    name, _, line = where.rpartition(":")
    if not line.isdigit():
        return False
    for node in text_of(str(root / name)).calls.values():
        if node.lineno <= int(line) <= (node.end_lineno or node.lineno) and _is_add_job(node):
            return any(_lacks_zone(inner) for inner in ast.walk(node) if isinstance(inner, ast.Call))
    return False


def _is_add_job(node: ast.Call) -> bool:
    return isinstance(node.func, ast.Attribute) and node.func.attr in ("add_job", "scheduled_job")


def _lacks_zone(node: ast.Call) -> bool:
    function = node.func
    if isinstance(function, ast.Attribute) and function.attr == "from_crontab":
        return len(node.args) < 2 and not _names_zone(node)
    named = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    # An interval has no time of day.
    return named in _TRIGGERS and named != "IntervalTrigger" and not _names_zone(node)


def _names_zone(node: ast.Call) -> bool:
    return any(keyword.arg in ("timezone", None) for keyword in node.keywords)
