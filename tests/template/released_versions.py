"""The earlier versions of the template, as a git repository that projects can be made from.

A clone may lack history and tags, so what each release shipped is kept in `released/`. `releases()`
puts all of them, and the working tree as the newest version, into one repository.
"""

from __future__ import annotations

import json
import os
import shutil
import tarfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import copier
from packaging.version import Version

from app_session import PARTS, copy_source
from rendering import Project, contents, fresh_folder, git, quickly
from test_render import OF_AN_OLDER_PROJECT, ownership, row_of

ARCHIVES = Path(__file__).parent / "released"
ENDING = ".tar.xz"
RUNTIME = "template/app/components/scheduler/runtime"

# What the user of every project here answered: enough to see that answers come back.
ANSWERS = {
    "project_name": "plant-care",
    "project_description": "Waters what is dry.",
    "author_name": "The Gardener",
    "timezone": "Europe/Berlin",
}

# What the version after the newest ships besides: where users may already have files of their own.
PLANTED = {
    "app/services/later.py": '"""A task that a later version brings."""\n\nTHEIRS = 1\n',
    "app/later.py": '"""A module that a later version brings."""\n\nTHEIRS = 2\n',
}


def kept_versions() -> list[str]:
    """Return the earlier versions, oldest first."""
    names = [path.name.removesuffix(ENDING) for path in ARCHIVES.glob(f"*{ENDING}")]
    return sorted(names, key=Version)


KEPT = kept_versions()
# Higher than every migration that the working tree may have.
NEWEST = f"{Version(KEPT[-1]).major + 1}.0.0"
# A preview: only who asks for it by its name gets it.
AFTER_THE_NEWEST = f"{Version(KEPT[-1]).major + 2}.0.0.dev0"


def routes() -> list[tuple[str, ...]]:
    """Return the ways to the newest version: from each one at once, and through all between."""
    in_steps = [(*KEPT[start:], NEWEST) for start in range(len(KEPT) - 1)]
    at_once = [(version, NEWEST) for version in KEPT]
    return in_steps + at_once


def some_routes(number: int) -> list[tuple[str, ...]]:
    """Return the way that the kind of change of that number goes; each way is gone by some kind.

    Each further release would add ways for each kind: before a release all are gone, with WHOLE_MATRIX=1.
    """
    found = routes()
    return found if os.environ.get("WHOLE_MATRIX") else [found[number % len(found)]]


def unpack(version: str, folder: Path) -> Path:
    """Put what a release shipped into a folder."""
    return extract(ARCHIVES / f"{version}{ENDING}", folder)


def extract(packed: Path, folder: Path) -> Path:
    """Put what an archive holds into a folder."""
    with tarfile.open(packed) as archive:
        # The default before 3.14, and unknown before 3.11.4.
        archive.extraction_filter = getattr(tarfile, "data_filter", None)
        archive.extractall(folder)
    return folder


def pack(folder: Path) -> None:
    """Put what git keeps into one file, so that copies and clones are quick."""
    git(folder, "gc", "--quiet")


def owners(folder: Path) -> dict[str, str]:
    """Return whose each file of a fresh render is, by the table in its README.

    That of a new project does not speak of what only an older one has.
    """
    rows = dict.fromkeys(OF_AN_OLDER_PROJECT, "the template's") | ownership(folder)
    return {name: rows[row_of(name, rows)[0]] for name in contents(folder)}


class Releases:
    """The repository, the projects made from it, and fresh renders to compare them with.

    Without the files of the scheduler itself, unless the whole is asked for: with them an update
    takes three times as long. The package, into which they moved later, is only needed to install it.
    """

    def __init__(self, *, whole: bool, engine: bool) -> None:
        self.folder = fresh_folder("releases")
        self._whole = whole
        self._projects: dict[str, Path] = {}
        self._renders: dict[tuple[str, str], Path] = {}
        git(self.folder, "init", "--quiet", "--initial-branch", "main")
        for version in KEPT:
            self._empty()
            unpack(version, self.folder)
            self._release(version)
        self._empty()
        copy_source(self.folder)
        if not engine:
            shutil.rmtree(self.folder / "src")
        self._release(NEWEST)
        for name, text in PLANTED.items():
            (self.folder / "template" / name).write_text(text, encoding="utf-8")
        self._release(AFTER_THE_NEWEST)
        pack(self.folder)

    def _empty(self) -> None:
        for part in PARTS:
            path = self.folder / part
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)

    def _release(self, version: str) -> None:
        if not self._whole and version in KEPT:
            for path in (self.folder / RUNTIME).glob("*"):
                if path.is_dir():
                    shutil.rmtree(path)
                elif path.name != "__init__.py":
                    path.unlink()
        git(self.folder, "add", "--all")
        git(self.folder, "commit", "--quiet", "--allow-empty", "--message", version)
        git(self.folder, "tag", version)

    def _copy(self, version: str, destination: Path, answers: Mapping[str, Any]) -> None:
        with quickly():
            copier.run_copy(
                str(self.folder),
                destination,
                data=dict(answers),
                vcs_ref=version,
                defaults=True,
                quiet=True,
            )

    def project(self, version: str) -> Project:
        """Return a new project that was made from a version, and committed."""
        if version not in self._projects:
            made = Project(fresh_folder(version) / "project")
            self._copy(version, made.folder, ANSWERS)
            git(made.folder, "init", "--quiet", "--initial-branch", "main")
            made.commit("first")
            pack(made.folder)
            self._projects[version] = made.folder
        folder = fresh_folder("project") / "project"
        shutil.copytree(self._projects[version], folder, symlinks=True)
        return Project(folder)

    def fresh(self, version: str, answers: Mapping[str, Any]) -> Path:
        """Return a fresh render with recorded answers; it is shared and must be left as it is."""
        asked = {name: answer for name, answer in answers.items() if name[0] != "_"}
        key = (version, json.dumps(asked, sort_keys=True))
        if key not in self._renders:
            self._renders[key] = fresh_folder("fresh") / "project"
            self._copy(version, self._renders[key], asked)
        return self._renders[key]


@cache
def releases(*, whole: bool = False, engine: bool = False) -> Releases:
    """Return the repository that all tests of a process share."""
    return Releases(whole=whole, engine=engine)


def yours(folder: Path) -> list[str]:
    """Return the files of a fresh render that are the user's."""
    return [name for name, owner in owners(folder).items() if owner == "yours"]
