"""The entries of the changelog that are new. The engine brings its changelog along."""

from __future__ import annotations

import re
from pathlib import Path

from .versions import Version

_PACKAGE = Path(__file__).resolve().parents[1]
# In a checkout, as an editable installation has it, the changelog stands at the top.
_PLACES = (_PACKAGE / "CHANGELOG.md", _PACKAGE.parents[1] / "CHANGELOG.md")


def changelog() -> str:
    """Return the changelog of the engine that is installed; nothing if it came without one."""
    for file in _PLACES:
        if file.is_file():
            return file.read_text(encoding="utf-8")
    return ""


def news(new: str, old: str, before: Version | None) -> str:
    """Return the parts of a changelog that are about what an update brought.

    Args:
        old: the changelog as it was; nothing if that cannot be had.
        before: the version that the project had; it decides where there is no old changelog.
    """
    sections = re.split(r"^(?=## )", new, flags=re.MULTILINE)[1:]
    if old:
        known = set(old.splitlines())
        # A heading alone is no news: what was unreleased may have got its version.
        fresh = [
            section for section in sections if any(_is_news(line, known) for line in section.splitlines())
        ]
    else:
        fresh = [section for section in sections if _is_later(section, before)]
    return "\n\n".join(section.strip() for section in fresh) or "nothing that its changelog speaks of"


def _is_later(section: str, before: Version | None) -> bool:
    heading = re.match(r"## \[?([^\]\s]+)", section)
    try:
        return before is None or heading is None or before < Version(heading[1])
    except ValueError:
        # The changes that are not released yet.
        return section.count("\n") > 2


def _is_news(line: str, known: set[str]) -> bool:
    return line[:1] not in ("", "#") and line not in known
