"""Copier is found where the user has it."""

from __future__ import annotations

from pathlib import Path

import pytest
from everytick.update import source
from everytick.update.copier import Copier
from everytick.update.problem import UpdateError
from everytick.update.project import Project


def program(file: Path, says: str = "copier 9.19.1") -> Path:
    """Make a program that tells a version."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"#!/bin/sh\necho '{says}'\n", encoding="utf-8")
    file.chmod(0o755)
    return file


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of a template in a folder, with nothing on PATH and nothing in the environment."""
    (tmp_path / "template").mkdir()
    (tmp_path / "app").mkdir()
    (tmp_path / "app/.copier-answers.yml").write_text(
        f"_commit: 1.0.0\n_src_path: {tmp_path}/template\n", encoding="utf-8"
    )
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr("sysconfig.get_path", lambda _: str(tmp_path / "env/bin"))
    return tmp_path


def found(here: Path) -> list[str]:
    return Copier(Project(here / "app")).command


def test_it_is_looked_for_on_path_in_the_environment_and_beside_the_template(here: Path) -> None:
    beside = program(here / "template/.venv/bin/copier")
    assert found(here) == [str(beside)]
    own = program(here / "env/bin/copier")
    assert found(here) == [str(own)]
    on_path = program(here / "bin/copier")
    assert found(here) == [str(on_path)]


def test_one_that_is_too_old_or_broken_is_passed_over(here: Path) -> None:
    program(here / "bin/copier", "copier 9.18.3")
    program(here / "env/bin/copier", "Traceback")
    beside = program(here / "template/venv/bin/copier", "copier 10.0.0")
    assert found(here) == [str(beside)]


def test_a_template_that_moved_may_have_it_and_is_not_blamed_where_there_is_none(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved = here / "moved"
    beside = program(moved / ".venv/bin/copier")
    assert Copier(Project(here / "app"), str(moved)).command == [str(beside)]
    beside.unlink()
    monkeypatch.setattr(Project, "check_working_tree", lambda _: None)
    with pytest.raises(UpdateError, match=r"^an update needs Copier: "):
        source.move(Project(here / "app"), str(moved))


@pytest.mark.parametrize(
    ("runner", "arguments"),
    [
        ("uvx", ["copier>=9.19.1"]),
        ("uv", ["tool", "run", "copier>=9.19.1"]),
        ("pipx", ["run", "--spec", "copier>=9.19.1", "copier"]),
    ],
)
def test_uv_and_pipx_fetch_it(here: Path, runner: str, arguments: list[str]) -> None:
    program(here / "bin/copier", "copier 9.4.0")
    there = program(here / "bin" / runner)
    assert found(here) == [str(there), *arguments]


def test_where_there_is_none_the_command_that_brings_it_is_named(here: Path) -> None:
    with pytest.raises(UpdateError, match=r"needs Copier: pipx install 'copier>=9.19.1', or install uv$"):
        found(here)
    old = program(here / "bin/copier", "copier 9.4.0")
    with pytest.raises(UpdateError) as problem:
        found(here)
    assert str(problem.value) == f"{old} is too old for the template: pipx install --force 'copier>=9.19.1'"
