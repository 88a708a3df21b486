"""One finding of an examination."""

from __future__ import annotations

from dataclasses import dataclass

LEVELS = ("ok", "note", "warning", "error")


@dataclass(frozen=True)
class Finding:
    """One thing that is in order, or is not.

    level: one of `LEVELS`. check: a stable word for what was looked at. what: a sentence. where: file and
    line of the declaration, a variable, a file or a job. right: what would be right.
    """

    level: str
    check: str
    what: str
    where: str | None = None
    right: str | None = None


def ok(check: str, what: str, where: str | None = None) -> Finding:
    """Return that something is in order."""
    return Finding("ok", check, what, where)


def worst(findings: list[Finding]) -> str:
    """Return the highest level among findings."""
    return max((finding.level for finding in findings), key=LEVELS.index, default="ok")
