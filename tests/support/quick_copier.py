"""Copier, spared what it does again and again: for each file it compiles templates, and asks git the same.

What it renders and merges is the same. The processes of git would take longer than all the rest of a render.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import CodeType
from typing import Any
from unittest.mock import patch

import jinja2
from copier import _main, _vcs
from plumbum import local
from plumbum.commands import ProcessExecutionError
from plumbum.commands.base import BaseCommand

# By the text, its name, and how the environment reads it. The file is another for each clone of a template.
_compiled: dict[tuple[str, str | None, tuple[object, ...]], CodeType] = {}
_compile = jinja2.Environment.compile
_sync_mode = _main.Worker._sync_git_index_executable_bit
_get_git = _vcs.get_git
_READ_SO = (
    *("block_start_string", "variable_start_string", "comment_start_string"),
    *("trim_blocks", "lstrip_blocks", "keep_trailing_newline"),
)


@contextmanager
def quickly() -> Iterator[None]:
    """Spare Copier that, for as long as the block lasts."""
    with (
        patch.object(jinja2.Environment, "compile", _compile_once),
        patch.object(_main.Worker, "_sync_git_index_executable_bit", _sync_mode_if_git_does_not_look),
        patch.object(_vcs, "get_git", _Git),
    ):
        yield


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


def _sync_mode_if_git_does_not_look(worker: _main.Worker, path: Path, mode: int) -> None:
    """Ask once in a render whether git looks at the modes of files; it nearly always does."""
    known = vars(worker)
    if "git_looks" not in known:
        known["git_looks"] = _looks_at_modes(worker.subproject.local_abspath)
    if not known["git_looks"]:
        _sync_mode(worker, path, mode)


def _looks_at_modes(folder: Path) -> bool:
    try:
        said = _get_git(folder)("config", "--type=bool", "--get", "core.fileMode")
    except ProcessExecutionError:
        # No repository, or nothing is said of it.
        return True
    return bool(said.strip() != "false")


class _Git:
    """git, without the update of submodules where there are none: a shell script of some twenty processes."""

    def __init__(self, folder: str | Path | None = None) -> None:
        self._git: BaseCommand = _get_git(folder)

    def __call__(self, *arguments: str) -> Any:
        if arguments[:2] == ("submodule", "update") and not Path(local.cwd, ".gitmodules").exists():
            return ""
        return self._git(*arguments)

    def __getitem__(self, arguments: Any) -> BaseCommand:
        return self._git[arguments]

    def with_env(self, **variables: str) -> BaseCommand:
        return self._git.with_env(**variables)
