"""Whether the template has a newer version: by its tags, without Copier."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass

from everytick.errors import nearest

from . import plain_git
from .problem import UpdateError
from .project import Project

# https://packaging.python.org/en/latest/specifications/version-specifiers/
_VERSION = re.compile(
    r"v?(?:(?P<epoch>\d+)!)?(?P<release>\d+(?:\.\d+)*)"
    r"(?:[-_.]?(?P<pre>alpha|a|beta|b|preview|pre|c|rc)[-_.]?(?P<pre_number>\d*))?"
    r"(?:-(?P<post_only>\d+)|[-_.]?(?P<post>post|rev|r)[-_.]?(?P<post_number>\d*))?"
    r"(?:[-_.]?(?P<dev>dev)[-_.]?(?P<dev_number>\d*))?"
    r"(?:\+(?P<local>[a-z0-9]+(?:[-_.][a-z0-9]+)*))?",
    re.IGNORECASE,
)
_PHASES = {"alpha": 0, "a": 0, "beta": 1, "b": 1, "preview": 2, "pre": 2, "c": 2, "rc": 2}
# The forms of `git describe`: a commit after a tag, and one without any tag.
_PAST = re.compile(r"(?:(?P<tag>.+)-\d+-g)?[0-9a-f]{7,40}")
# A tag or a branch: nothing that git computes (`main~1`), nor a word of Copier's (`:current:`).
_NAME = re.compile(r"(?!HEAD$|@$)[^~^:\s{}]+")


class Version:
    """A version as Python packages have them, with their order.

    Args:
        text: how it is written.

    Raises:
        ValueError: it is none.
    """

    def __init__(self, text: str) -> None:
        found = _VERSION.fullmatch(text.strip())
        if found is None:
            raise ValueError(f"{text!r} is no version")
        self.text = text
        release = [int(number) for number in found["release"].split(".")]
        while len(release) > 1 and release[-1] == 0:
            release.pop()
        post = found["post_only"] or (found["post_number"] or "0" if found["post"] else None)
        if found["pre"]:
            phase = (_PHASES[found["pre"].lower()], int(found["pre_number"] or 0))
        else:
            # A preview of the release itself comes before its alphas.
            phase = (-1, 0) if found["dev"] and post is None else (3, 0)
        local = tuple(
            (1, int(part), "") if part.isdigit() else (0, 0, part.lower())
            for part in re.split(r"[-_.]", found["local"] or "")
            if part
        )
        self.is_preview = bool(found["pre"] or found["dev"])
        self._key = (
            int(found["epoch"] or 0),
            tuple(release),
            phase,
            -1 if post is None else int(post),
            (0, int(found["dev_number"] or 0)) if found["dev"] else (1, 0),
            local,
        )

    def __lt__(self, other: Version) -> bool:
        return self._key < other._key


@dataclass(frozen=True)
class Standing:
    """How old a project is.

    Args:
        current: the version of the template that it has.
        newest: the newest release of the template; None if there is none.
    """

    current: str
    newest: Version | None

    @property
    def newer(self) -> str | None:
        """The newest release, if the project has an older one."""
        here = release_of(self.current)
        return self.newest.text if self.newest is not None and (here is None or here < self.newest) else None

    def sentence(self) -> str:
        """Return the sentence that says it."""
        head = "`make update REF=HEAD` (or --ref HEAD) takes what the template has now"
        if self.newer is not None:
            return (
                f"Version {self.newer} of the template is out; this project is at {self.current}. Take it"
                " with: make update"
            )
        if self.newest is None:
            return f"This project is at {self.current}. The template has no release yet: {head}."
        if _PAST.fullmatch(self.current):
            return (
                f"This project is at {self.current}, past the newest release of the template, and will take"
                f" the next one. Until then {head}."
            )
        return f"This project has the newest version of the template, {self.current}."


def standing(project: Project) -> Standing:
    """Return how old a project is.

    Raises:
        UpdateError: the template cannot be asked.
    """
    releases = [
        version
        for version in map(_version, _names(project, "tags"))
        if version is not None and not version.is_preview
    ]
    return Standing(project.answer("_commit"), max(releases, default=None, key=lambda it: it._key))


def check_ref(project: Project, ref: str) -> None:
    """Refuse what the template's repository cannot have: Copier would end with a traceback.

    Raises:
        UpdateError: it has no such tag or branch, or cannot be asked.
    """
    if not _NAME.fullmatch(ref) or _PAST.fullmatch(ref) or re.fullmatch("[0-9a-f]{4,64}", ref):
        # A commit, or what leads to one, is in no list.
        return
    known = _names(project, "tags", "heads")
    if ref not in known and f"refs/{ref.removeprefix('refs/')}" not in known.values():
        raise UpdateError(f"the template has no tag or branch {ref!r}{nearest(ref, known)}")


def release_of(commit: str) -> Version | None:
    """Return the release that a project has, or that it is a bit past of; None if it has none."""
    past = _PAST.fullmatch(commit)
    tag = past["tag"] if past else commit
    try:
        return Version(tag) if tag else None
    except ValueError:
        return None


def _version(text: str) -> Version | None:
    try:
        return Version(text)
    except ValueError:
        return None


def _names(project: Project, *kinds: str) -> dict[str, str]:
    """Return the short and the full names of what the template's repository has of some kinds."""
    address = git_address(project.check_source())
    environment = plain_git.environment(project.root)
    if not sys.stdin.isatty():
        # No person is there to answer git's questions.
        environment = environment | {"GIT_TERMINAL_PROMPT": "0"}
    done = subprocess.run(
        ["git", "ls-remote", *(f"--{kind}" for kind in kinds), "--refs", "--", address],
        cwd=project.root,
        env=environment,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        first_line = (done.stderr.strip().splitlines() or ["it said nothing"])[0]
        raise UpdateError(f"git cannot tell what the newest version of the template is: {first_line}")
    full = [line.partition("\t")[2] for line in done.stdout.splitlines()]
    return {name.split("/", 2)[2]: name for name in full}


def git_address(source: str) -> str:
    """Return an address as git has it: Copier also knows short forms."""
    for short, host in (("gh:", "https://github.com/"), ("gl:", "https://gitlab.com/")):
        if source.startswith(short):
            name = source.removeprefix(short).strip("/")
            return f"{host}{name.removesuffix('.git')}.git"
    source = source.removeprefix("git+")
    return os.path.expanduser(source) if source.startswith("~") else source
