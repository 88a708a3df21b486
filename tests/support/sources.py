"""Source text, for tests that look at how code is written."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path


@cache
def parsed(file: Path) -> ast.Module:
    """Return the syntax tree of a file, which nobody may change: several tests look at each module."""
    return ast.parse(file.read_text(encoding="utf-8"))
