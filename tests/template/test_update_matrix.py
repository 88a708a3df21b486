"""Every earlier version, every kind of change by a user, then the newest version: at once and in steps.

The rule is the same everywhere, so it is written once: what is the user's is byte for byte as it was,
and all else is as in a fresh render with the same answers and the same changes. Where both changed
the same lines, nothing of either text is lost.
"""

from __future__ import annotations

import shutil
import stat
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from released_versions import AFTER_THE_NEWEST, KEPT, NEWEST, releases, some_routes, yours
from rendering import Project, contents, edit, files, fresh_folder
from test_ownership import SCHEDULE, add, conflicts
from test_render import ownership, row_of
from user_changes import KINDS, Kind, NoSamples


class Journey:
    """A project that a user changed, on its way through versions."""

    def __init__(self, kind: Kind, first: str) -> None:
        self._kind = kind
        self._releases = releases(whole=kind.whole)
        self.project = self._releases.project(first)
        # A fresh render of each version so far, with the answers of the project.
        self._fresh = [self._releases.fresh(first, self.project.answers())]
        kind.yours(self.project, yours(self._fresh[0]))
        kind.theirs(self.project)
        self.project.commit("mine")

    def update(self, version: str) -> None:
        """Take a version, and check all that is there then."""
        before, modes = contents(self.project.folder), executable(self.project.folder)
        self.project.update(vcs_ref=None if version == NEWEST else version)
        after, answers = contents(self.project.folder), self.project.answers()
        self._fresh.append(self._releases.fresh(version, answers))
        assert answers["_commit"] == version

        wanted = self._wanted(set(before))
        mine = self._mine({*before, *wanted})
        expected = {name: data for name, data in before.items() if name in mine}
        expected |= {name: data for name, data in wanted.items() if name not in mine}
        unlike = {name for name in {*after, *expected} if after.get(name) != expected.get(name)}
        disputed = {name for name in unlike - mine if self._kind.may_conflict(name)}
        wrong = sorted(unlike - disputed)
        assert not wrong, f"not as it should be after the update to {version}: {', '.join(wrong)}"
        self._check_that_nothing_is_lost(disputed, before, after)
        assert executable(self.project.folder) & mine == modes & mine

    def decide(self) -> None:
        """End the conflicts by taking the template's text and making the change again, and commit."""
        unfinished = conflicts(self.project)
        for name in unfinished:
            shutil.copyfile(self._fresh[-1] / name, self.project.folder / name)
        if unfinished:
            self._kind.theirs(self.project)
        self.project.commit("updated")

    def _wanted(self, there: set[str]) -> dict[str, bytes]:
        """Return a fresh render; what was there already has the user's changes."""
        folder = fresh_folder("wanted") / "project"
        shutil.copytree(self._fresh[-1], folder)
        wanted = contents(folder)
        self._kind.theirs(Project(folder))
        return wanted | {name: data for name, data in contents(folder).items() if name in there}

    def _mine(self, names: set[str]) -> set[str]:
        """Return what was the user's in any version so far, and what the template never had."""
        shipped = {name for render in self._fresh[-2:] for name in files(render)}
        tables = [ownership(render) for render in self._fresh]
        said = {
            name
            for name in names
            for rows in tables
            if any(rows[row] == "yours" for row in row_of(name, rows))
        }
        return said | (names - shipped) | self._kind.survives

    def _check_that_nothing_is_lost(
        self, names: set[str], before: dict[str, bytes], after: dict[str, bytes]
    ) -> None:
        base, theirs = contents(self._fresh[-2]), contents(self._fresh[-1])
        for name in names:
            sides = before.get(name, b""), theirs.get(name, b"")
            assert lost_lines(base.get(name, b""), sides, after[name]) == [], f"lost lines of {name}"
            assert name in base or name in conflicts(self.project), f"{name} was two files"


def executable(folder: Path) -> set[str]:
    """Return the files that may be run."""
    return {name for name in files(folder) if (folder / name).stat().st_mode & stat.S_IXUSR}


def lost_lines(base: bytes, sides: tuple[bytes, bytes], after: bytes) -> list[bytes]:
    """Return what either side had added and the outcome lacks."""
    there = Counter(after.splitlines())
    lost: list[bytes] = []
    for side in sides:
        added = Counter(side.splitlines()) - Counter(base.splitlines())
        lost += [line for line, number in added.items() if there[line] < number]
    return lost


def through(route: tuple[str, ...]) -> str:
    """Return what pytest shows."""
    return " ".join(route)


@pytest.mark.full
@pytest.mark.parametrize(
    ("kind", "route"),
    [
        pytest.param(kind, route, id=f"{kind.__name__}-{through(route)}")
        for number, kind in enumerate(KINDS)
        for route in some_routes(number)
    ],
)
def test_an_update_keeps_what_the_user_did_and_brings_what_is_new(
    kind: type[Kind], route: tuple[str, ...]
) -> None:
    journey = Journey(kind(), route[0])
    for version in route[1:-1]:
        journey.update(version)
        journey.decide()
    journey.update(AFTER_THE_NEWEST if kind.planted else route[-1])


@pytest.mark.full
@pytest.mark.parametrize("version", KEPT[:2])
@pytest.mark.parametrize("given", [{}, {"copyright_year": "2001"}], ids=["nothing", "a year"])
def test_a_part_that_nobody_was_asked_for_stays_away_whatever_is_answered(
    version: str, given: dict[str, str]
) -> None:
    project = releases().project(version)
    parts = ("container", "dashboard", "deployment")
    assert project.answers().keys().isdisjoint(parts)
    project.update(data=given)
    answers = project.answers()
    assert tuple(answers[part] for part in parts) == (False, False, "none")
    assert not (project.folder / "deploy").exists()
    assert given.items() <= answers.items()


# --- the rule itself

SPOILT: dict[str, Callable[[Path], object]] = {
    SCHEDULE: lambda folder: edit(folder / SCHEDULE, add("# theirs\n")),
    "app/core/config.py": lambda folder: (folder / "app/core/config.py").unlink(),
    "README.md": lambda folder: (folder / "README.md").write_text("brought back\n"),
    "app/__main__.py": lambda folder: (folder / "app/__main__.py").unlink(),
    "Makefile": lambda folder: edit(folder / "Makefile", lambda old: f"<<<<<<< before\n{old}"),
    "Makefile.rej": lambda folder: (folder / "Makefile.rej").write_text("rejected\n"),
}


@pytest.mark.full
@pytest.mark.parametrize("name", SPOILT)
def test_the_rule_names_the_file_that_an_update_spoils(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    journey = Journey(NoSamples(), KEPT[-1])
    update = journey.project.update

    def spoil(**options: Any) -> None:
        update(**options)
        SPOILT[name](journey.project.folder)

    monkeypatch.setattr(journey.project, "update", spoil)
    with pytest.raises(
        AssertionError, match=f"(?m)not as it should be after the update to {NEWEST}: {name}$"
    ):
        journey.update(NEWEST)


def test_a_line_that_gets_lost_is_noticed() -> None:
    base, mine, theirs = b"a\nb\n", b"a\nb\nmine\n", b"b\ntheirs\n"
    assert lost_lines(base, (mine, theirs), b"b\nmine\ntheirs\n") == []
    assert lost_lines(base, (mine, theirs), b"b\ntheirs\n") == [b"mine"]
    assert lost_lines(base, (mine, theirs), b"a\nb\nmine\n") == [b"theirs"]
    assert lost_lines(b"", (b"a\na\n", b"b\n"), b"a\nb\n") == [b"a"]
