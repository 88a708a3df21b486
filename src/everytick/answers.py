"""Reads Copier's file of answers, which names the template of a project, without a parser of YAML.

The template leaves `core/template.toml` in the package that it renders: without that file, the answers at
the root belong to another template.
"""

from __future__ import annotations

import json
import re
from pathlib import Path


def answers_name(package: Path) -> str | None:
    """Return the name of the file of answers; None if the package was not made from the template.

    By its line alone: after a merge the rest of `template.toml` may be undecided.
    """
    named = package / "core" / "template.toml"
    if not named.is_file():
        return None
    text = named.read_text(encoding="utf-8", errors="replace")
    found = re.search(r'^answers *= *"(.+)"', text, re.MULTILINE)
    return found[1] if found else ".copier-answers.yml"


def answer_in(text: str, name: str) -> str | None:
    """Return an answer from a file of answers: a text on one line, or one that was folded."""
    found = re.search(rf"^{name}: *(\S.*(?:\n +.+)*)$", text, re.MULTILINE)
    if not found:
        return None
    value = re.sub(r"\n +", " ", found[1]).strip()
    if value[0] == value[-1] == "'":
        return value[1:-1].replace("''", "'")
    if value[0] == value[-1] == '"':
        return str(json.loads(value))
    return value
