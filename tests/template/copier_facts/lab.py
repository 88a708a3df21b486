"""Tiny templates and tiny projects, to see what the installed Copier and git do with them."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import copier
import yaml  # type: ignore[import-untyped,unused-ignore]

import warm_copier
from rendering import Project, fresh_folder, git, quickly

# What is in which file; None: the file is not there.
Files = Mapping[str, str | None]
Finished = subprocess.CompletedProcess[str]

NINE = "1\n2\n3\n4\n5\n6\n7\n8\n9\n"
_ANSWERS = {"{{ _copier_conf.answers_file }}.jinja": "{{ _copier_answers | to_nice_yaml }}"}


def write(folder: Path, files: Files) -> None:
    """Bring files into a state."""
    for name, text in files.items():
        path = folder / name
        if text is None:
            path.unlink(missing_ok=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="\n")


def read(path: Path) -> str | None:
    """Return what is in a file; None if it is not there."""
    return path.read_text(encoding="utf-8") if path.exists() else None


def run_copier(folder: Path, *arguments: str | Path, python: Path | str | None = None) -> Finished:
    """Run the program, as somebody does who sits in a folder and has no terminal to be asked at."""
    copier = [python, "-m", "copier"] if python else [warm_copier.program()]
    command = [*map(str, copier), *map(str, arguments)]
    return subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True)


def last_line(done: Finished) -> str:
    """Return how a program that failed ended its report."""
    return done.stderr.rstrip().rpartition("\n")[2]


class Template:
    """A git repository with a template in it; `rules` is what its copier.yml says."""

    def __init__(self, files: Files | None = None, *, tag: str | None = "1.0.0", **rules: Any) -> None:
        self.folder = fresh_folder("tiny")
        self.rules: dict[str, Any] = {"_subdirectory": "template"}
        git(self.folder, "init", "--quiet", "--initial-branch", "main")
        self.release(tag, _ANSWERS | dict(files or {}), **rules)

    def change(self, files: Files | None = None, **rules: Any) -> None:
        """Change files and rules, without a commit."""
        self.rules |= rules
        said = yaml.safe_dump(self.rules, sort_keys=False)
        write(self.folder, {"copier.yml": said})
        write(self.folder / "template", files or {})

    def release(self, tag: str | None, files: Files | None = None, **rules: Any) -> None:
        """Commit a change, and tag it unless the tag is None."""
        self.change(files, **rules)
        git(self.folder, "add", "--all")
        git(self.folder, "commit", "--quiet", "--allow-empty", "--message", tag or "not released")
        if tag:
            git(self.folder, "tag", tag)

    def render(self, *, quiet: bool = True, **options: Any) -> Path:
        """Render the newest release into a new folder, as `copier copy --defaults` does."""
        folder = fresh_folder("tiny-project") / "project"
        with quickly():
            copier.run_copy(str(self.folder), folder, defaults=True, quiet=quiet, **options)
        return folder

    def project(self, **options: Any) -> Project:
        """Render the newest release and commit it, as a user would."""
        return committed(self.render(**options))


def committed(folder: Path) -> Project:
    """Make a git repository of a rendered folder."""
    git(folder, "init", "--quiet", "--initial-branch", "main")
    project = Project(folder)
    project.commit("first")
    return project


class Outcome(NamedTuple):
    """What an update left behind, and what it said."""

    project: Path
    said: Finished

    def text(self, name: str) -> str | None:
        """Return what is in a file now; None if it is gone."""
        return read(self.project / name)


class OneUpdate:
    """Files that go through one update together, each a case of its own: an update takes a second."""

    def __init__(self, **rules: Any) -> None:
        self._rules = rules
        self._first: dict[str, str | None] = {}
        self._mine: dict[str, str | None] = {}
        self._theirs: dict[str, str | None] = {}
        self._outcomes: dict[tuple[str, ...], Outcome] = {}

    def file(self, name: str, first: str | None, *, mine: str | None, theirs: str | None) -> str:
        """Say how the first release has a file, what the user makes of it, and how the second has it."""
        assert name not in self._first
        self._first[name], self._mine[name], self._theirs[name] = first, mine, theirs
        return name

    def outcome(self, *options: str) -> Outcome:
        """Run `copier update --defaults` with more options, in a new project; once for each of them."""
        if options not in self._outcomes:
            template = Template(self._first, **self._rules)
            project = template.project()
            write(project.folder, self._mine)
            project.commit("mine")
            template.release("2.0.0", self._theirs)
            said = run_copier(project.folder, "update", "--defaults", *options)
            self._outcomes[options] = Outcome(project.folder, said)
        return self._outcomes[options]
