"""`make update` and `make outdated` in a rendered application: what they refuse, do, and say."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import copier
import pytest
import yaml  # type: ignore[import-untyped,unused-ignore]
from copier.errors import DirtyLocalWarning

from app_session import ROOT
from pythons import clean_environment, uv
from rendering import Project, TemplateHistory, files, fresh_folder, git, render

LOOK = "app/core/ledger.py"
OUTDATED = [sys.executable, ".template/update.py", "outdated"]


def call(project: Project, *command: str, path: Path | None = None) -> Any:
    """Run a command in the application, with the Copier of these tests on PATH, or another one."""
    found = f"{path or Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = clean_environment() | {"PATH": found}
    return subprocess.run(command, cwd=project.folder, env=environment, capture_output=True, text=True)


def make(project: Project, *arguments: str, path: Path | None = None) -> Any:
    """Run make in the application."""
    return call(project, "make", *arguments, path=path)


# --- what it refuses


@pytest.mark.full
def test_it_refuses_a_dirty_tree(history: TemplateHistory, project: Project) -> None:
    history.release("2.0.0")
    project.edit("notes.txt", lambda old: f"{old}not committed\n")
    done = make(project, "update")
    assert done.returncode == 2
    assert "error: commit or stash your changes first" in done.stderr
    assert "notes.txt" in done.stderr
    assert project.answers()["_commit"] == "1.0.0"


@pytest.mark.full
def test_it_needs_git() -> None:
    done = make(Project(render(fresh_folder("no-git") / "app")), "update")
    assert done.returncode == 2
    assert "error: an update needs git: run git init, then commit everything" in done.stderr


@pytest.mark.full
def test_it_needs_copier(project: Project) -> None:
    tools = fresh_folder("tools")
    (tools / "git").symlink_to(shutil.which("git") or "git")
    script = [sys.executable, ".template/update.py"]
    done = subprocess.run(
        script, cwd=project.folder, env={"PATH": str(tools)}, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stderr == "error: an update needs Copier: pipx install copier, or install uv\n"


@pytest.mark.full
@pytest.mark.parametrize("action", ["update", "outdated"])
def test_a_template_recorded_as_a_relative_path_that_is_gone_is_explained(
    history: TemplateHistory, action: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(history.folder.parent)
    folder = fresh_folder("project") / "app"
    copier.run_copy(history.folder.name, folder, defaults=True, quiet=True)
    git(folder, "init", "--quiet", "--initial-branch", "main")
    project = Project(folder)
    project.commit("first")

    done = make(project, action)
    assert done.returncode == 2
    assert f"error: the template was recorded as the folder {history.folder.name}, " in done.stderr
    assert "Traceback" not in done.stderr

    # The way back that the sentence names.
    project.edit(
        ".copier-answers.yml",
        lambda old: re.sub(r"(?m)^_src_path: .*$", f"_src_path: {history.folder}", old),
    )
    project.commit("where the template is now")
    done = make(project, action)
    assert (done.returncode, done.stdout) == (
        0,
        "This project has the newest version of the template, 1.0.0.\n",
    )


@pytest.mark.full
def test_a_template_that_cannot_be_reached_is_explained(history: TemplateHistory, project: Project) -> None:
    git(history.folder, "tag", "--delete", "1.0.0")
    shutil.rmtree(history.folder / ".git")
    # The folder is there, and no template that has versions.
    for action in ("update", "outdated"):
        done = make(project, action)
        assert done.returncode == 2
        assert re.search("^error: Copier cannot tell what the newest version", done.stderr, re.MULTILINE)
        assert "Traceback" not in done.stderr


@pytest.mark.full
def test_a_template_that_was_the_working_directory_is_no_folder_to_find_again(
    history: TemplateHistory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(history.folder)
    folder = fresh_folder("project") / "app"
    copier.run_copy(".", folder, defaults=True, quiet=True)
    git(folder, "init", "--quiet", "--initial-branch", "main")
    Project(folder).commit("first")
    done = make(Project(folder), "outdated")
    assert done.returncode == 2
    assert "error: the template was recorded as the folder ., not an absolute one" in done.stderr


@pytest.mark.full
def test_a_project_of_a_state_that_no_repository_has_is_told_the_way_back(history: TemplateHistory) -> None:
    history.edit(f"template/{LOOK}", lambda old: f"{old}# not committed\n")
    folder = fresh_folder("project") / "app"
    with pytest.warns(DirtyLocalWarning):
        copier.run_copy(str(history.folder), folder, defaults=True, quiet=True, vcs_ref="HEAD")
    git(folder, "init", "--quiet", "--initial-branch", "main")
    project = Project(folder)
    project.commit("first")
    history.release("2.0.0")
    made_from = project.answers()["_commit"]
    done = make(project, "update")
    assert done.returncode == 2
    assert f"that its repository does not have, {made_from}: write the release nearest to it" in done.stderr
    assert "Traceback" not in done.stderr

    project.edit(".copier-answers.yml", lambda old: old.replace(f"_commit: {made_from}", "_commit: 1.0.0"))
    project.commit("the nearest release")
    project.update()
    assert project.answers()["_commit"] == "2.0.0"


@pytest.mark.full
def test_what_the_daily_workflow_renders_can_be_updated(tmp_path: Path) -> None:
    history = TemplateHistory()
    history.release("1.0.0")
    workflow = yaml.safe_load((ROOT / ".github/workflows/day-one.yml").read_text(encoding="utf-8"))
    for job, step, folder in (("render", 3, "fresh"), ("update", 3, "project")):
        command = workflow["jobs"][job]["steps"][step]["run"]
        environment = clean_environment() | {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        }
        subprocess.run(["sh", "-ec", command], cwd=history.folder, env=environment, check=True)
        made = Project(history.folder.parent / folder)
        assert "has the newest version of the template" in call(made, *OUTDATED).stdout


# --- what is newest


@pytest.mark.full
def test_outdated_says_whether_there_is_a_newer_version(history: TemplateHistory, project: Project) -> None:
    done = make(project, "outdated")
    assert (done.returncode, done.stdout) == (
        0,
        "This project has the newest version of the template, 1.0.0.\n",
    )
    history.release("2.0.0")
    done = make(project, "outdated")
    assert done.returncode != 0
    assert done.stdout == (
        "Version 2.0.0 of the template is out; this project is at 1.0.0. Take it with: make update\n"
    )
    assert git(project.folder, "status", "--porcelain") == ""


@pytest.mark.full
def test_a_project_past_the_last_release_is_told_the_way_back(history: TemplateHistory) -> None:
    history.edit(f"template/{LOOK}", lambda old: f"{old}# later\n")
    git(history.folder, "commit", "--quiet", "--all", "--message", "later")
    folder = fresh_folder("project") / "app"
    copier.run_copy(str(history.folder), folder, defaults=True, quiet=True, vcs_ref="HEAD")
    git(folder, "init", "--quiet", "--initial-branch", "main")
    project = Project(folder)
    project.commit("first")

    for action in ("update", "outdated"):
        done = make(project, action)
        assert done.returncode == 0
        assert "past the newest release of the template, and will take the next one" in done.stdout
    # The next release is taken as any other.
    history.release("2.0.0")
    project.update()
    assert project.answers()["_commit"] == "2.0.0"


# --- what conflicts


def both_change_a_line(history: TemplateHistory, project: Project) -> None:
    """Let the user and the next release change the same line of two files."""
    for name in (LOOK, ".editorconfig"):
        project.edit(name, lambda old: f"# mine\n{old}")
        history.edit(f"template/{name}", lambda old: f"# theirs\n{old}")
    project.commit("mine")
    history.release("2.0.0")


@pytest.mark.full
def test_it_fails_with_the_list_of_conflicts(history: TemplateHistory, project: Project) -> None:
    both_change_a_line(history, project)
    done = make(project, "update")
    assert done.returncode != 0
    listed = done.stderr.partition("and commit:\n")[2].splitlines()[:2]
    assert listed == [".editorconfig", LOOK]
    for name in listed:
        text = (project.folder / name).read_text(encoding="utf-8")
        assert "# mine\n" in text
        assert "# theirs\n" in text
    # Nothing goes on before they are solved, and no check passes.
    for action in ("finish", "conflicts"):
        done = call(project, sys.executable, ".template/update.py", action)
        assert done.returncode == 1
        assert "you and the template changed the same lines" in done.stderr
    for name in listed:
        project.edit(name, lambda _: "# decided\n")
        git(project.folder, "add", name)
    assert call(project, sys.executable, ".template/update.py", "conflicts").returncode == 0


@pytest.mark.full
def test_it_fails_with_the_list_of_rejected_changes(history: TemplateHistory, project: Project) -> None:
    both_change_a_line(history, project)
    folder = fresh_folder("bin")
    rejecting = 'test "$1" = update && set -- "$@" --conflict rej'
    program = f'#!/bin/sh\n{rejecting}\nexec "{sys.executable}" -m copier "$@"\n'
    (folder / "copier").write_text(program, encoding="utf-8")
    (folder / "copier").chmod(0o755)
    done = make(project, "update", path=folder)
    assert done.returncode != 0
    assert f".editorconfig.rej\n{LOOK}.rej\n" in done.stderr


# --- what it does


@pytest.fixture(scope="module")
def installed() -> Iterator[tuple[TemplateHistory, Project]]:
    """A whole application with its environment, one release behind."""
    history = TemplateHistory()
    history.release("1.0.0")
    project = history.copy()
    uv(project.folder, "sync", "--quiet")
    git(project.folder, "add", "uv.lock")
    project.commit("lock")
    history.edit(f"template/{LOOK}", lambda old: f"{old}\n\nLATER = True\n")
    history.edit("template/pyproject.toml.jinja", lambda old: old.replace("rich>=14", "rich>=14.1"))
    history.edit(
        "CHANGELOG.md", lambda old: old.replace("## [Unreleased]\n", "## [Unreleased]\n\n- More light.\n")
    )
    history.release("2.0.0")
    yield history, project
    shutil.rmtree(project.folder)


@pytest.mark.full
def test_it_installs_migrates_checks_and_says_what_changed(
    installed: tuple[TemplateHistory, Project],
) -> None:
    _, project = installed
    done = make(project, "update")
    assert done.returncode == 0, done.stdout + done.stderr
    assert project.answers()["_commit"] == "2.0.0"
    assert 'name = "rich", specifier = ">=14.1"' in (project.folder / "uv.lock").read_text(encoding="utf-8")
    assert "there is no ledger yet" in done.stdout
    assert "passed" in done.stdout
    assert done.stdout.index("passed") < done.stdout.index("Updated to 2.0.0. What changed for you:")
    assert "- More light." in done.stdout
    assert "(template 2.0.0, " in call(project, ".venv/bin/python", "-m", "app", "--version").stdout

    # What the user's own tests say counts.
    git(project.folder, "checkout", "--quiet", "--", ".")
    project.edit("tests/test_mine.py", lambda _: "def test_mine() -> None:\n    assert not 1\n")
    project.commit("a test that fails")
    done = make(project, "update")
    assert done.returncode != 0
    assert "the update was taken, but `make test` does not pass" in done.stderr
    assert "What changed for you" not in done.stdout
    # The way back that it names.
    assert "git reset -- . && git checkout -- . && git clean -d --force -- ." in done.stderr
    for arguments in (["reset", "--quiet"], ["checkout", "--quiet"], ["clean", "-d", "--force", "--quiet"]):
        git(project.folder, *arguments, "--", ".")
    assert project.answers()["_commit"] == "1.0.0"
    assert "LATER" not in (project.folder / LOOK).read_text(encoding="utf-8")


@pytest.mark.full
def test_another_template_beside_it_is_left_alone(history: TemplateHistory) -> None:
    folder = fresh_folder("project") / "app"
    options: dict[str, Any] = {"defaults": True, "quiet": True, "answers_file": ".scheduler-answers.yml"}
    copier.run_copy(str(history.folder), folder, **options)
    (folder / ".copier-answers.yml").write_text("_commit: 7.0.0\n_src_path: /not/there\n", encoding="utf-8")
    git(folder, "init", "--quiet", "--initial-branch", "main")
    project = Project(folder)
    project.commit("first")
    history.release("2.0.0")
    assert "is out; this project is at 1.0.0" in make(project, "outdated").stdout


@pytest.mark.full
def test_without_make_it_uses_the_tools_themselves(project: Project) -> None:
    assert ".template/update.py" in files(project.folder)
    asked = (
        "import sys; sys.path.insert(0, '.template'); import update; print([it[0] for it in update.steps()])"
    )
    tools = fresh_folder("tools")
    (tools / "uv").symlink_to(shutil.which("uv", path=str(Path(sys.executable).parent)) or "uv")
    command = [sys.executable, "-B", "-c", asked]
    done = subprocess.run(
        command, cwd=project.folder, env={"PATH": str(tools)}, capture_output=True, text=True
    )
    assert done.stdout == (
        "['uv sync', 'python -m app migrate', 'ruff check .', 'ruff format --check .', 'mypy', 'pytest']\n"
    )
