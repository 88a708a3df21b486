"""Hints name a command as the person called this one, so that they can be copied."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from everytick.cli.entry import as_called


@pytest.mark.parametrize(
    ("called", "said"),
    [
        (".venv/bin/python -m app runs --limit 3", ".venv/bin/python -m app"),
        ("python -X dev -m app", "python -X dev -m app"),
        # A program of a virtual environment is run by its Python, which nobody typed.
        ("{here}/.venv/bin/python .venv/bin/my-scheduler doctor", ".venv/bin/my-scheduler"),
        ("{here}/.venv/bin/python {here}/.venv/bin/my-scheduler doctor", ".venv/bin/my-scheduler"),
        ("/opt/bin/python -m app", "/opt/bin/python -m app"),
        # By a program of the user's own: its commands need not be these.
        ("python tools/everything.py runs", None),
    ],
)
def test_the_command_as_it_was_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, called: str, said: str | None
) -> None:
    monkeypatch.chdir(tmp_path)
    words = called.format(here=tmp_path).split()
    monkeypatch.setattr(sys, "orig_argv", words)
    module = words.index("-m") + 1 if "-m" in words else 1
    monkeypatch.setattr(sys, "argv", [words[module], *words[module + 1 :]])
    monkeypatch.setattr(sys, "executable", str(tmp_path / ".venv/bin/python"))
    assert as_called() == said


def test_a_command_that_is_found_by_its_name_is_shown_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    program = bin_folder / "my-scheduler"
    program.touch(0o755)
    monkeypatch.setenv("PATH", str(bin_folder))
    monkeypatch.setattr(sys, "orig_argv", [str(bin_folder / "python"), str(program), "jobs"])
    monkeypatch.setattr(sys, "argv", [str(program), "jobs"])
    monkeypatch.setattr(sys, "executable", str(bin_folder / "python"))
    assert as_called() == "my-scheduler"


def test_a_program_that_changed_its_arguments_names_no_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "orig_argv", ["python", "-m", "app", "runs"])
    monkeypatch.setattr(sys, "argv", ["app", "jobs"])
    assert as_called() is None
