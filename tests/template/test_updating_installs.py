"""Updates for real: the engine of the new version is installed by uv, and ends the update."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from calling_update import TOOLS
from pythons import clean_environment
from rendering import Project, TemplateHistory, fresh_folder, git

PYTHON = ".venv/bin/python"
ENGINE = f"{PYTHON} -c 'import everytick.errors as it; print(getattr(it, \"LATER\", 1))'"


def shell(project: Project, command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a command in the project as its user would, with uv and Copier on PATH."""
    path = f"{TOOLS}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        ["sh", "-c", command],
        cwd=project.folder,
        env=clean_environment() | {"PATH": path, "PYTHON": ""} | variables,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )


def said(done: subprocess.CompletedProcess[str]) -> str:
    """Return all that a command printed."""
    return done.stdout + done.stderr


def begin(history: TemplateHistory) -> Project:
    """Make an application from the newest release and install it."""
    project = history.copy()
    done = shell(project, "make install")
    assert done.returncode == 0, said(done)
    project.commit("lock")
    return project


def release_a_later_engine(history: TemplateHistory) -> None:
    """Make a second release, whose engine has the same version number."""
    history.edit("src/everytick/errors.py", lambda old: f"{old}\n\nLATER = 2\n")
    news = "## [Unreleased]\n\n- More light.\n"
    history.edit("CHANGELOG.md", lambda old: old.replace("## [Unreleased]\n", news, 1))
    history.release("2.0.0")


@pytest.fixture(scope="module")
def history() -> TemplateHistory:
    """A template with its engine, and two releases; `copy()` renders the first."""
    made = TemplateHistory(engine=True)
    made.release("1.0.0")
    return made


@pytest.fixture(scope="module")
def one(history: TemplateHistory) -> Iterator[Project]:
    """An application of the first release, installed by uv; another release is out."""
    project = begin(history)
    release_a_later_engine(history)
    yield project
    shutil.rmtree(project.folder)


def restore(project: Project) -> None:
    """Go back to what was committed last."""
    for arguments in (["reset", "--quiet"], ["checkout", "--quiet"], ["clean", "-d", "--force", "--quiet"]):
        git(project.folder, *arguments, "--", ".")


@pytest.fixture
def project(one: Project) -> Iterator[Project]:
    """The same, as it was before each test."""
    yield one
    restore(one)
    done = shell(one, "make install")
    assert done.returncode == 0, said(done)
    assert shell(one, ENGINE).stdout == "1\n"


@pytest.mark.full
@pytest.mark.long
def test_it_installs_migrates_checks_and_says_what_changed(project: Project) -> None:
    done = shell(project, "make update")
    assert done.returncode == 0, said(done)
    assert project.answers()["_commit"] == "2.0.0"
    assert shell(project, ENGINE).stdout == "2\n"
    assert "there is no ledger yet" in done.stdout
    assert "passed" in done.stdout
    assert done.stdout.index("passed") < done.stdout.index("Updated to 2.0.0. What changed for you:")
    assert "- More light." in done.stdout
    # What was unreleased before is no news.
    assert done.stdout.count("## [") == 1
    assert "then commit it, with uv.lock." in done.stdout
    assert "(template 2.0.0, " in shell(project, f"{PYTHON} -m app --version").stdout
    # The lock is of the new commit, so that others install that too.
    line = (project.folder / "pyproject.toml").read_text(encoding="utf-8").partition("@git+")[2]
    assert shell(project, "uv sync --locked").returncode == 0
    assert git(project.folder, "diff", "--name-only").split() == [
        ".copier-answers.yml",
        "app/core/template.toml",
        "pyproject.toml",
        "uv.lock",
    ], line


@pytest.mark.full
def test_what_the_users_own_tests_say_counts(project: Project) -> None:
    project.edit("tests/test_mine.py", lambda _: "def test_mine() -> None:\n    assert not 1\n")
    project.commit("a test that fails")
    done = shell(project, "make update")
    assert done.returncode != 0
    assert "the update was taken, but `make test` does not pass" in done.stderr
    assert "What changed for you" not in done.stdout
    # It is mended, and the same update goes on.
    project.edit("tests/test_mine.py", lambda _: "def test_mine() -> None:\n    assert 1\n")
    done = shell(project, f"{PYTHON} -m app update --finish")
    assert done.returncode == 0, said(done)
    assert "Updated to 2.0.0." in done.stdout
    restore(project)
    (project.folder / "tests/test_mine.py").unlink()
    project.commit("none of it")


@pytest.mark.full
def test_a_bare_copier_update_is_told_in_one_sentence_by_any_command(project: Project) -> None:
    project.update()
    for command in ("jobs", "run", "doctor", "health"):
        done = shell(project, f"{PYTHON} -m app {command}")
        assert done.returncode == 2
        assert done.stderr.startswith("error: the engine that is installed is not the one")
        assert said(done).count("\n") == 1
    assert shell(project, f"{PYTHON} -m app --help").returncode == 0
    assert shell(project, "make outdated").returncode == 0
    # The way out that it names.
    done = shell(project, f"{PYTHON} -m app update --finish")
    assert done.returncode == 0, said(done)
    assert shell(project, ENGINE).stdout == "2\n"


@pytest.mark.full
def test_without_a_network_nothing_is_lost_and_it_goes_on_later(project: Project) -> None:
    away: dict[str, Any] = {"UV_OFFLINE": "1", "UV_CACHE_DIR": str(fresh_folder("cache"))}
    done = shell(project, "make update", **away)
    assert done.returncode != 0
    assert "the update was taken, but `uv lock` does not pass: nothing of yours is lost" in done.stderr
    way_on = "then run `.venv/bin/python -m app update --finish`, and commit. To undo the update instead: git"
    assert way_on in done.stderr
    assert "Traceback" not in done.stderr
    assert shell(project, ENGINE).stdout == "1\n"
    done = shell(project, f"{PYTHON} -m app update --finish")
    assert done.returncode == 0, said(done)
    assert shell(project, ENGINE).stdout == "2\n"
    assert "- More light." in done.stdout
