"""What Copier compiles for a render, kept for the next one of the same process."""

from __future__ import annotations

from contextlib import AbstractContextManager
from types import CodeType
from unittest.mock import patch

import jinja2

# By the text, its name, and how the environment reads it. The file is another for each clone of a template.
_compiled: dict[tuple[str, str | None, tuple[object, ...]], CodeType] = {}
_compile = jinja2.Environment.compile
_READ_SO = (
    *("block_start_string", "variable_start_string", "comment_start_string"),
    *("trim_blocks", "lstrip_blocks", "keep_trailing_newline"),
)


def _compile_once(
    environment: jinja2.Environment,
    text: str,
    name: str | None = None,
    filename: str | None = None,
) -> CodeType:
    key = (text, name, tuple(getattr(environment, it) for it in _READ_SO))
    if key not in _compiled:
        _compiled[key] = _compile(environment, text, name, filename)
    return _compiled[key]


def quickly() -> AbstractContextManager[object]:
    """Spare Copier from compiling each part of each path, and each file, anew every time."""
    return patch.object(jinja2.Environment, "compile", _compile_once)
