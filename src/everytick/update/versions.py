"""Whether the template has a newer version: by its tags, without Copier."""

from __future__ import annotations

import os
import re
import subprocess
import sys

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


def outdated(project: Project) -> str | None:
    """Return the newest release of the template if this project has an older one.

    Raises:
        UpdateError: the template cannot be asked.
    """
    releases = [it for it in _tags(project) if not it.is_preview]
    here = release_of(project.answer("_commit"))
    newest = max(releases, default=None, key=lambda it: it._key)
    return newest.text if newest is not None and (here is None or here < newest) else None


def news_of(project: Project, newer: str | None) -> str:
    """Return the sentence that says how old the project is."""
    current = project.answer("_commit")
    if newer is not None:
        return (
            f"Version {newer} of the template is out; this project is at {current}. Take it with: make update"
        )
    if _PAST.fullmatch(current):
        return (
            f"This project is at {current}, past the newest release of the template, and will take the next"
            " one. Until then `make update REF=HEAD` (or --ref HEAD) takes what the template has now."
        )
    return f"This project has the newest version of the template, {current}."


def release_of(commit: str) -> Version | None:
    """Return the release that a project has, or that it is a bit past of; None if it has none."""
    past = _PAST.fullmatch(commit)
    tag = past["tag"] if past else commit
    try:
        return Version(tag) if tag else None
    except ValueError:
        return None


def _tags(project: Project) -> list[Version]:
    """Return the versions that the template's repository has."""
    address = git_address(project.check_source())
    environment = plain_git.environment(project.root)
    if not sys.stdin.isatty():
        # Nobody is there to answer.
        environment = environment | {"GIT_TERMINAL_PROMPT": "0"}
    done = subprocess.run(
        ["git", "ls-remote", "--tags", "--refs", "--", address],
        cwd=project.root,
        env=environment,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["it said nothing"])[0]
        raise UpdateError(f"git cannot tell what the newest version of the template is: {said}")
    found = []
    for line in done.stdout.splitlines():
        try:
            found.append(Version(line.partition("\trefs/tags/")[2]))
        except ValueError:
            continue
    return found


def git_address(source: str) -> str:
    """Return an address as git has it: Copier also knows short forms."""
    for short, host in (("gh:", "https://github.com/"), ("gl:", "https://gitlab.com/")):
        if source.startswith(short):
            name = source.removeprefix(short).strip("/")
            return f"{host}{name.removesuffix('.git')}.git"
    source = source.removeprefix("git+")
    return os.path.expanduser(source) if source.startswith("~") else source
