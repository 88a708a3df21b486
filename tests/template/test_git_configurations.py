"""What a user has told git for all repositories does not matter to an update."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from everytick.update import edits, plain_git, steps, take
from everytick.update.problem import UpdateError
from everytick.update.project import Project as Updated

import warm_copier
from rendering import Project, TemplateHistory, fresh_folder, git
from test_ownership import add, put

MINE = {
    ".env.example": "\n# The door bell.\n# BELL=1\n",
    "Makefile": "\ndeploy: ## put it on the server\n\t@echo deployed  \n",
    "pyproject.toml": '\n[tool.ruff.lint.per-file-ignores]\n"tests/*" = ["S101"]\n',
    ".gitignore": "/secrets/\n",
}
THEIRS = "# of the second release\n"


def failing_hooks() -> Path:
    """Return a folder with hooks that refuse everything."""
    folder = fresh_folder("template") / "hooks"
    folder.mkdir()
    for name in ("pre-commit", "commit-msg", "post-checkout", "reference-transaction"):
        (folder / name).write_text("#!/bin/sh\necho refused >&2\nexit 1\n", encoding="utf-8")
        (folder / name).chmod(0o755)
    return folder


def ignoring(*patterns: str) -> str:
    """Return the settings of somebody who ignores that in all repositories."""
    file = fresh_folder("config") / "ignore"
    file.write_text("\n".join(patterns) + "\n", encoding="utf-8")
    return f"[core]\nexcludesFile = {file}\n"


def attributes(text: str) -> str:
    """Return the settings of somebody whose files have attributes everywhere."""
    file = fresh_folder("config") / "attributes"
    file.write_text(text, encoding="utf-8")
    return f"[core]\nattributesFile = {file}\n"


CONFIGURATIONS: dict[str, Callable[[], str]] = {
    "ignored names": lambda: ignoring(".env*", "Makefile", "*.toml", ".idea/"),
    "hooks": lambda: f"[core]\nhooksPath = {failing_hooks()}\n",
    "a template with hooks": lambda: f"[init]\ntemplateDir = {failing_hooks().parent}\n",
    "signed commits": lambda: "[commit]\ngpgSign = true\n[tag]\ngpgSign = true\n[gpg]\nprogram = false\n",
    "line ends": lambda: "[core]\nautocrlf = true\nsafecrlf = true\n",
    "another style of conflicts": lambda: "[merge]\nconflictStyle = zdiff3\n",
    "looks": lambda: (
        "[color]\nui = always\ndiff = always\nstatus = always\ngrep = always\n[core]\nquotePath = false\n"
        "pager = false\n[diff]\nexternal = false\nnoprefix = true\nmnemonicPrefix = true\n"
    ),
    "blanks": lambda: "[apply]\nwhitespace = fix\n[core]\nwhitespace = trailing-space,tab-in-indent\n",
    "untracked files are not shown": lambda: "[status]\nshowUntrackedFiles = no\n",
    "attributes": lambda: attributes("* merge=binary -diff\n*.toml ident export-ignore\n"),
}


@pytest.fixture
def mine(history: TemplateHistory, project: Project) -> Project:
    """A project with lines of the user's below separators; the template goes on above them."""
    for name, text in MINE.items():
        project.edit(name, add(text))
    project.edit("Grüße.txt", lambda _: "mine\n")
    project.commit("mine")
    history.edit("template/.env.example.jinja", put("\n# yours: settings", THEIRS))
    history.edit("template/Makefile", put("\n# yours: targets", THEIRS))
    history.edit("template/pyproject.toml.jinja", put("\n# yours: settings", THEIRS))
    history.edit("template/.gitignore.jinja", put("\n# yours: patterns", THEIRS))
    history.edit("template/app/__init__.py", add(THEIRS))
    history.release("2.0.0")
    return project


def configure(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let that be what the user has told git."""
    file = fresh_folder("config") / "gitconfig"
    file.write_text(text, encoding="utf-8")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(file))


@pytest.mark.full
@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_no_line_is_lost_whatever_git_was_told(
    name: str, mine: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(steps, "run", lambda *_: 0)
    configure(CONFIGURATIONS[name](), monkeypatch)
    # What is ignored everywhere does not make the tree dirty.
    mine.edit(".idea/workspace.xml", lambda _: "<mine/>\n") if name == "ignored names" else None
    assert take.take(Updated(mine.folder), None) == 0
    for file, text in MINE.items():
        there = (mine.folder / file).read_text(encoding="utf-8")
        assert text in there
        assert THEIRS in there
    assert (mine.folder / "app/__init__.py").read_text("utf-8").endswith(THEIRS)
    assert mine.answers()["_commit"] == "2.0.0"


@pytest.mark.full
@pytest.mark.parametrize("name", ["another style of conflicts", "looks", "untracked files are not shown"])
def test_a_conflict_is_found_whatever_git_was_told(
    name: str, mine: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine.edit("app/__init__.py", add("# mine\n"))
    mine.commit("at the same place")
    configure(CONFIGURATIONS[name](), monkeypatch)
    with pytest.raises(UpdateError) as problem:
        take.take(Updated(mine.folder), None)
    assert str(problem.value).endswith("and commit:\napp/__init__.py")
    text = (mine.folder / "app/__init__.py").read_text("utf-8")
    assert f"<<<<<<< before updating\n# mine\n=======\n{THEIRS}>>>>>>> after updating\n" in text


@pytest.mark.full
def test_copier_alone_loses_lines_with_ignored_names(mine: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once it does not, the shield may go."""
    configure(CONFIGURATIONS["ignored names"](), monkeypatch)
    command = [str(warm_copier.program()), "update", "--defaults", "--quiet"]
    subprocess.run(command, cwd=mine.folder, check=True, capture_output=True)
    assert MINE["Makefile"] not in (mine.folder / "Makefile").read_text(encoding="utf-8")


@pytest.mark.full
def test_lines_that_copier_alone_has_lost_are_put_back(
    mine: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the updater of 0.1 does it, which has no shield."""
    before = git(mine.folder, "rev-parse", "HEAD").strip()
    configure(CONFIGURATIONS["ignored names"](), monkeypatch)
    command = [str(warm_copier.program()), "update", "--defaults", "--quiet"]
    subprocess.run(command, cwd=mine.folder, check=True, capture_output=True)
    found = edits.save(Updated(mine.folder), before, merged_just_now=True)
    assert (found.lost, found.patch) == ([], None)
    assert sorted(found.back) == [".env.example", "Makefile", "pyproject.toml"]
    assert "Makefile" in (found.remark() or "")
    for file, text in MINE.items():
        there = (mine.folder / file).read_text(encoding="utf-8")
        assert there.count(text) == 1
        assert THEIRS in there


def test_how_to_reach_the_template_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = fresh_folder("project")
    git(folder, "init", "--quiet")
    configure(
        '[url "/srv/mirrors/"]\ninsteadOf = https://example.org/\n[http]\nproxy = http://proxy:3128\n'
        '[credential "https://example.org"]\nhelper = store\n[core]\nsshCommand = ssh -v\neditor = ed\n'
        "[safe]\ndirectory = *\n[alias]\nstatus = log\n",
        monkeypatch,
    )
    monkeypatch.setenv("GIT_DIR", "/not/there")
    monkeypatch.setenv("GIT_SSH_COMMAND", "ssh -4")
    monkeypatch.setenv("GIT_CONFIG_PARAMETERS", "'color.ui'='always'")
    environment = plain_git.environment(folder)
    assert "GIT_DIR" not in environment
    assert environment["GIT_SSH_COMMAND"] == "ssh -4"
    said = subprocess.run(
        ["git", "config", "--list"], cwd=folder, env=environment, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert "url./srv/mirrors/.insteadof=https://example.org/" in said
    assert "http.proxy=http://proxy:3128" in said
    assert "credential.https://example.org.helper=store" in said
    assert "core.sshcommand=ssh -v" in said
    assert "safe.directory=*" in said
    assert [it for it in said if it.startswith(("alias.", "core.editor"))] == []
    assert said[-1] != "color.ui=always"
