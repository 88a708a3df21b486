"""The merge, apart from the project, and taking over what came out.

The names of a template's files are made while it is rendered, and may be others the next time; so they
cannot be judged beforehand. Copier therefore never works in the project, but in a second working tree of its
repository, where `.git` is a file and only committed files are. The files that it changed there are looked
through, and are then taken over as a whole or not at all.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from .copier import Copier
from .never_taken import is_gits_own, refused
from .problem import UpdateError
from .project import UNDO, Project


def merge(project: Project, ref: str | None) -> None:
    """Merge a version, the newest release if none is named, into the project's working tree.

    Raises:
        UpdateError: it could not be merged, or would write where the template has no business;
            then nothing was written.
    """
    copier = Copier(project)
    # Copier leaves these out of the merge without a word; they are asked for to be told.
    _refuse({name: "it is git's own" for name in copier.names(ref) if is_gits_own(name)})
    with _second_tree(project) as merged:
        before, staged = _files(merged.root), _staged(merged)
        copier.update(ref, merged.root)
        after = _files(merged.root)
        gone = sorted(before.keys() - after.keys())
        written = sorted(name for name, content in after.items() if before.get(name) != content)
        _refuse(refused(project, merged, written, before))
        try:
            _take_over(merged.root, project.root, written, gone)
        except OSError as problem:
            raise UpdateError(f"the update cannot be written here ({problem}). To undo it: {UNDO}") from None
        _stage(project, staged, _staged(merged))


def _refuse(found: dict[str, str]) -> None:
    if found:
        lines = [
            f"{name if name.isprintable() else repr(name)} ({why})" for name, why in sorted(found.items())
        ]
        raise UpdateError(
            "the update was not taken, and nothing was written: this version of the template has files for"
            " places that are yours alone:\n" + "\n".join(lines)
        )


@contextmanager
def _second_tree(project: Project) -> Iterator[Project]:
    """Give the project as it is committed, in a folder of its own."""
    inside = project.git("rev-parse", "--show-prefix").rstrip("\n")
    with TemporaryDirectory(prefix="everytick-update-") as name:
        top = Path(name).resolve() / project.root.name
        project.git("worktree", "add", "--quiet", "--detach", str(top), "HEAD")
        try:
            yield Project(top / inside)
        finally:
            project.git("worktree", "remove", "--force", str(top))


def _files(root: Path) -> dict[str, tuple[int, bytes]]:
    """Return all files below a folder: whether they are links or programs, and what they hold."""
    found = {}
    for folder, folders, names in os.walk(root):
        links = [name for name in folders if os.path.islink(os.path.join(folder, name))]
        for name in (*names, *links):
            path = Path(folder, name)
            if path == root / ".git":
                continue
            if path.is_symlink():
                content = (-1, os.fsencode(os.readlink(path)))
            else:
                content = (path.stat().st_mode & 0o111, hashlib.sha256(path.read_bytes()).digest())
            found[path.relative_to(root).as_posix()] = content
    return found


def _take_over(merged: Path, root: Path, written: list[str], gone: list[str]) -> None:
    for name in gone:
        (root / name).unlink(missing_ok=True)
        for folder in Path(name).parents:
            if not (merged / folder).exists():
                with suppress(OSError):
                    (root / folder).rmdir()
    for name in written:
        place = root / name
        place.parent.mkdir(parents=True, exist_ok=True)
        if place.is_symlink() or (merged / name).is_symlink():
            place.unlink(missing_ok=True)
        shutil.copyfile(merged / name, place, follow_symlinks=False)
        if not place.is_symlink():
            shutil.copymode(merged / name, place)


def _staged(project: Project) -> dict[str, list[str]]:
    """Return what git's index has of each file, which is more than one entry where a merge is undecided."""
    found: dict[str, list[str]] = {}
    for entry in project.names("ls-files", "--stage", "--full-name", "-z"):
        found.setdefault(entry.partition("\t")[2], []).append(entry)
    return found


def _stage(project: Project, before: dict[str, list[str]], after: dict[str, list[str]]) -> None:
    """Let the project's index say what the merge has left undecided."""
    entries = []
    for name in before.keys() | after.keys():
        if before.get(name) != after.get(name):
            entries += [f"0 {'0' * 40}\t{name}", *after.get(name, ())]
    if entries:
        project.git("update-index", "-z", "--index-info", given="\0".join(entries) + "\0")
