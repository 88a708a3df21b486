"""The paths that an update never writes, whatever the template names its files.

What runs before anybody has looked (git's settings and hooks, an environment), what keeps state or secrets,
and what `git status` and `git diff` would not show, belong to the user alone.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from pathlib import Path, PurePosixPath

from everytick.text.wording import without_control

from .project import Project

# What HFS leaves out when it compares names, so that `.g<U+200C>it` is `.git` there.
_LEFT_OUT = "\u200c-\u200f\u202a-\u202e\u206a-\u206f\ufeff"
# Names of a repository's folder, on file systems that fold case, drop ends, or have short names: as patterns
# for Copier, which runs git on what it renders, and for names that are folded already.
GITS_OWN = (".[gG][iI][tT]", ".[gG][iI][tT][ .:]*", "[gG][iI][tT]~[0-9]*", f"*[{_LEFT_OUT}]*")
_GITS_OWN = re.compile(rf"\.git([ .:].*)?|git~\d.*|.*[{_LEFT_OUT}].*", re.DOTALL)
_ENVIRONMENT = re.compile(r"\.venv.*|venv", re.DOTALL)
_SECRETS = re.compile(r"\.env(?!\.example$).*|.*\.env", re.DOTALL)
# All that a line of `.gitattributes` may say: line ends, and that a file is shown. `-diff`, `binary`,
# drivers, filters, `ident` and macros keep changes out of `git diff`.
_HIDES_NOTHING = re.compile(r"[-!]?text(=auto)?|!?eol(=(lf|crlf))?|diff")


def is_gits_own(name: str) -> bool:
    """Return whether a path is a repository's, or lies in one."""
    return any(_GITS_OWN.fullmatch(part) for part in PurePosixPath(name.casefold()).parts)


def refused(project: Project, merged: Project, written: list[str], before: Collection[str]) -> dict[str, str]:
    """Return the paths that must not be taken over, each with the reason.

    Args:
        project: what they would be written into.
        merged: the copy of it that the update was merged into.
        written: the paths that the merge made or changed.
        before: the paths that the project had in git.
    """
    found = {}
    for name in written:
        why = _by_name(name) or _by_place(project.root, name, before) or _by_kind(merged.root, name)
        if why := why or _by_look(project.root, merged.root, name):
            found[name] = why
    if found:
        # git may refuse to work in such a place.
        return found
    # Also by what the update itself writes into `.gitignore`.
    return dict.fromkeys(_ignored(project, written) | _ignored(merged, written), "git ignores it")


def _by_name(name: str) -> str | None:
    parts = name.casefold().split("/")
    if is_gits_own(name):
        return "it is git's own"
    if _ENVIRONMENT.fullmatch(parts[0]):
        return "it lies in an environment of Python"
    if parts[0] == "data":
        return "it lies in the folder of the application's data"
    return "it is a file of secrets" if _SECRETS.fullmatch(parts[-1]) else None


def _by_place(root: Path, name: str, before: Collection[str]) -> str | None:
    """Return why nothing may be written to this place in the project; None if it may."""
    place = root / name
    for folder in place.parents:
        if folder == root:
            break
        if folder.is_symlink():
            return "it lies behind a link"
        if os.path.lexists(folder / ".git"):
            return "it lies in another repository"
    if name not in before and os.path.lexists(place) and (place.is_symlink() or not place.is_dir()):
        return "a file of yours that is not in git has this name"
    return None


def _by_kind(merged: Path, name: str) -> str | None:
    """Return why a file of this kind may not be written; None if it may."""
    made = merged / name
    if made.is_symlink() and not _stays(merged, made):
        return "it is a link to what is not the template's"
    folder = made.parent
    if made.name.casefold() == "head" and (folder / "objects").is_dir() and (folder / "refs").is_dir():
        return "git would take its folder for a repository"
    return None


def _by_look(root: Path, merged: Path, name: str) -> str | None:
    """Return why `git diff` would not show what a file brings; None if it would."""
    mine, theirs = root / name, merged / name
    before, after = _content(mine), _content(theirs)
    if theirs.name.casefold() == ".gitattributes":
        known = before.split(b"\n")
        if any(_hides(line.decode("utf-8", "replace")) for line in after.split(b"\n") if line not in known):
            return "it would keep changes out of `git diff`"
    if before and b"\0" not in before and b"\0" in after:
        return "`git diff` would not show it, since it is no text any more"
    if without_control(name) != name or (_is_text(after) and _steers(before, after)):
        return "`git diff` might not show it, since it has characters that steer a terminal"
    return None


def _content(path: Path) -> bytes:
    """Return what `git diff` shows of a path: what a file holds, or where a link leads."""
    if path.is_symlink():
        return os.fsencode(os.readlink(path))
    return path.read_bytes() if path.is_file() else b""


def _is_text(content: bytes) -> bool:
    # As git decides it.
    return b"\0" not in content[:8_000]


def _steers(before: bytes, after: bytes) -> bool:
    """Return whether a line that a file did not have would hide itself, or others, on a terminal."""
    known = set(_lines(before))
    return any(without_control(line) != line for line in _lines(after) if line not in known)


def _lines(content: bytes) -> list[str]:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        # So the controls of eight bits are seen as such.
        text = content.decode("latin-1")
    return text.replace("\r\n", "\n").split("\n")


def _hides(line: str) -> bool:
    """Return whether a line of `.gitattributes` says more than it may."""
    pattern, *attributes = line.split() or [""]
    return not pattern.startswith("#") and not all(_HIDES_NOTHING.fullmatch(it) for it in attributes)


def _stays(merged: Path, link: Path) -> bool:
    """Return whether a link leads to a file of the project's that an update may write."""
    target = link.resolve()
    return target.is_relative_to(merged) and _by_name(target.relative_to(merged).as_posix()) is None


def _ignored(project: Project, names: list[str]) -> set[str]:
    """Return those that the project's git does not look at."""
    given = "\0".join(f"./{name}" for name in names)
    found = project.names("check-ignore", "--stdin", "-z", ok=(0, 1), given=given) if names else []
    return {name.removeprefix("./") for name in found}
