"""Changes of the user in the template's files that an update deleted.

Copier deletes a file that the template has no more, whatever its user wrote into it. So the version that the
project had is rendered anew, and compared with what was committed before the update: the difference of the
files that went is kept as a patch.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from everytick.answers import answer_in

from . import plain_git
from .copier import Copier
from .problem import UpdateError
from .project import Project

PATCH = "everytick-edits.patch"
# The line of a shared file below which all is the user's.
_SEPARATOR = re.compile(rb"^[ \t]*(#|--|//) yours: .*\n", re.MULTILINE)


@dataclass
class Edits:
    """The changes that an update deleted, and the files of the user that stayed.

    Args:
        lost: the files with changes that are gone.
        back: shared files whose lines of the user below the separator were gone, and were put back.
        patch: the file that keeps these changes; None if there are none.
        left: files of the user's in folders from which the template's files went.
        untold: why it could not be found out.
    """

    lost: list[str] = field(default_factory=list)
    back: list[str] = field(default_factory=list)
    patch: str | None = None
    left: list[str] = field(default_factory=list)
    untold: str | None = None

    def sentence(self) -> str | None:
        """Return what the user must know of changes that are gone; None if there are none."""
        if self.untold:
            return self.untold
        if not self.patch:
            return None
        return (
            f"what you had changed in these files of the template's is gone with the update; it is kept in"
            f" {self.patch}, to be looked through:\n" + "\n".join(self.lost)
        )

    def remark(self) -> str | None:
        """Return what there is to say of files that stayed, and of lines that were put back."""
        remarks = []
        if self.left:
            why = "These files of yours stay; what they import from the files beside them may be gone:"
            remarks.append("\n".join([why, *self.left]))
        if self.back:
            why = "Your lines below the separator of these files were left out by the update, and are back:"
            remarks.append("\n".join([why, *self.back]))
        return "\n\n".join(remarks) or None


def save(project: Project, since: str, *, merged_just_now: bool) -> Edits:
    """Find what the user had changed and an update took away; keep it as a patch in the project's folder.

    Args:
        since: the commit before the update.
        merged_just_now: nobody but Copier has changed anything since, so that a line of the user's that is
            missing from a file was lost, and not taken out on purpose.
    """
    before = _committed(project, since)
    gone = [name for name in before if not (project.root / name).exists()]
    if not gone and not merged_just_now:
        return Edits()
    text = project.git("show", f"{since}:./{project.answers_file.name}", ok=(0, 128))
    commit, source = answer_in(text, "_commit"), answer_in(text, "_src_path")
    if commit is None or source is None:
        return Edits()
    with TemporaryDirectory(prefix="everytick-edits-") as name:
        folder = Path(name).resolve()
        try:
            Copier(project).render(source, commit, text, folder / "made")
        except UpdateError as problem:
            return Edits(
                untold=f"whether you had changed something in files that are gone now cannot be told"
                f" ({problem}): see `git diff --diff-filter=D {since[:12]}`"
            )
        made = _made(project, folder / "made")
        # Copier's own: what it calls a commit there changes when that gets a tag.
        made.pop(project.answers_file.name, None)
        if merged_just_now:
            candidates = [name for name in made if name in before and made[name] != before[name]]
        else:
            candidates = [name for name in gone if name in made and made[name] != before[name]]
        lost = [name for name in candidates if _is_lost(project, since, name, folder / "made")]
        back = []
        if merged_just_now:
            back = [name for name in lost if _put_back(project, since, name, folder / "made")]
            lost = [name for name in lost if _is_lost(project, since, name, folder / "made")]
        edits = Edits(lost, back, left=_left(project, before, made))
        if lost:
            edits.patch = _write(project, since, lost, folder)
    return edits


def remove_traces(project: Project, since: str) -> None:
    """Remove folders of which only compiled files are left: they could still be imported."""
    folders = {
        parent
        for name in _committed(project, since)
        if not (project.root / name).exists()
        for parent in (project.root / name).parents
        if parent.is_relative_to(project.root) and parent != project.root
    }
    for folder in sorted(folders, key=lambda it: len(it.parts), reverse=True):
        if folder.is_dir() and all(path.name == "__pycache__" for path in folder.iterdir()):
            shutil.rmtree(folder)


def _committed(project: Project, since: str) -> dict[str, str]:
    """Return the files of a commit, with the hash of the content of each."""
    found = {}
    for line in project.names("ls-tree", "-r", "-z", since):
        kind, _, name = line.partition("\t")
        found[name] = kind.split()[2]
    return found


def _made(project: Project, folder: Path) -> dict[str, str]:
    """Return the files of a render, with git's hashes of their contents."""
    names = sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and not path.is_symlink()
    )
    hashes = subprocess.run(
        ["git", "hash-object", "--no-filters", "--stdin-paths"],
        cwd=folder,
        env=plain_git.environment(project.root),
        input="\n".join(names),
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return dict(zip(names, hashes.split(), strict=True))


def _is_lost(project: Project, since: str, name: str, made: Path) -> bool:
    """Return whether a line that the user had added to a file is missing now."""
    file = project.root / name
    mine = Counter(_blob(project, since, name).splitlines())
    added = mine - Counter((made / name).read_bytes().splitlines())
    if not file.exists():
        # To take lines out is a change too.
        return True
    there = Counter(file.read_bytes().splitlines())
    return any(there[line] < number for line, number in added.items() if line.strip())


def _put_back(project: Project, since: str, name: str, made: Path) -> bool:
    """Put the user's lines below a file's last separator back if they are gone; return whether they were."""
    file = project.root / name
    if not file.exists():
        return False
    mine, template = _below(_blob(project, since, name)), _below((made / name).read_bytes())
    text = file.read_bytes()
    now = _below(text)
    if (
        mine is None
        or now is None
        or mine == template
        or now == mine
        or now.strip() != (template or b"").strip()
    ):
        return False
    file.write_bytes(text[: len(text) - len(now)] + mine)
    return True


def _below(text: bytes) -> bytes | None:
    """Return what stands below the last separator of a shared file; None if it has none."""
    found = list(_SEPARATOR.finditer(text))
    return text[found[-1].end() :] if found else None


def _left(project: Project, before: dict[str, str], made: dict[str, str]) -> list[str]:
    """Return the files that the user had added to folders from which the template's files went."""
    emptied = {
        PurePosixPath(name).parent
        for name in made
        if name in before and not (project.root / name).exists() and name.count("/") > 1
    }
    return [
        name
        for name in before
        if name not in made
        and (project.root / name).exists()
        and not emptied.isdisjoint(PurePosixPath(name).parents)
    ]


def _write(project: Project, since: str, names: list[str], folder: Path) -> str:
    """Write the patch; return its name. One that another update left stays."""
    for name in names:
        for side in ("a", "b"):
            (folder / side / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(folder / "made" / name, folder / "a" / name)
        (folder / "b" / name).write_bytes(_blob(project, since, name))
    command = ["git", "diff", "--no-index", "--no-prefix", "--binary", "a", "b"]
    patch = subprocess.run(
        command, cwd=folder, env=plain_git.environment(project.root), capture_output=True
    ).stdout
    path, number = project.root / PATCH, 1
    while path.exists() and path.read_bytes() != patch:
        number += 1
        path = project.root / f"everytick-edits-{number}.patch"
    path.write_bytes(patch)
    return path.name


def _blob(project: Project, since: str, name: str) -> bytes:
    """Return the content of a file of a commit."""
    return subprocess.run(
        ["git", "cat-file", "blob", f"{since}:./{name}"],
        cwd=project.root,
        env=plain_git.environment(project.root),
        capture_output=True,
        check=True,
    ).stdout
