"""How long `copier copy` and `copier update` take, of this template and of others, from clones on this disk.

The update is from the release before the newest to the newest. This template's two releases are the working
tree, and the working tree with a line changed, in a clone of the whole repository, as Copier gets it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.environments import CACHE, ROOT, environment

_FOLDER = CACHE / "templates"
_IDENTITY = {
    "GIT_AUTHOR_NAME": "Benchmark", "GIT_AUTHOR_EMAIL": "benchmark@example.org",
    "GIT_COMMITTER_NAME": "Benchmark", "GIT_COMMITTER_EMAIL": "benchmark@example.org",
}  # fmt: skip


@dataclass(frozen=True)
class Source:
    """A template: where it comes from, what must be answered, and whether it has to be trusted."""

    key: str
    title: str
    address: str
    data: tuple[str, ...] = ()
    trust: bool = False


OURS = Source("ours", "this template", "")
SIMPLE = Source("simple-modern-uv", "simple-modern-uv", "https://github.com/jlevy/simple-modern-uv.git",
                ("package_name=thing", "package_author_name=A", "package_author_email=a@example.org",
                 "package_github_org=a", "package_description=d"))  # fmt: skip
COPIER_UV = Source("copier-uv", "copier-uv", "https://github.com/pawamoy/copier-uv.git",
                   ("project_name=thing", "project_description=d", "author_fullname=A",
                    "author_email=a@example.org",
                    "author_username=a", "python_package_distribution_name=thing"), trust=True)  # fmt: skip
COOKIE = Source("cookie", "scientific-python/cookie", "https://github.com/scientific-python/cookie.git",
                ("project_name=thing", "org=a", "url=https://example.org", "full_name=A",
                 "email=a@example.org", "project_short_description=d",
                 "license=BSD", "backend=hatch", "docs=sphinx", "vcs=true"), trust=True)  # fmt: skip
SOURCES = (OURS, SIMPLE, COPIER_UV, COOKIE)


@dataclass(frozen=True)
class Times:
    """Seconds for a copy and for an update; files and bytes that a copy makes; the releases."""

    copy: float
    update: float
    files: int
    size: int
    releases: tuple[str, str]


def clone(source: Source) -> Path:
    """Return a clone of a template on this disk.

    Raises subprocess.CalledProcessError when it cannot be fetched.
    """
    place = _FOLDER / source.key
    if source is OURS:
        shutil.rmtree(place, ignore_errors=True)
        return _own_releases(place)
    if not place.exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        _git(place.parent, "clone", "--quiet", source.address, str(place))
    return place


def times(source: Source, template: Path) -> Times:
    """Copy a template and update the copy; return how long each took."""
    copier = (
        environment("copier", ["copier>=9.19.1", "copier-template-extensions", "cookiecutter"]).parent
        / "copier"
    )
    before, newest = _releases(template)
    target = _FOLDER / f"copy-of-{source.key}"
    options = ["--defaults", "--quiet", *(["--trust"] if source.trust else [])]
    answers = [word for pair in source.data for word in ("--data", pair)]
    copying = [str(copier), "copy", *options, *answers]
    try:
        shutil.rmtree(target, ignore_errors=True)
        copied = _timed([*copying, "--vcs-ref", newest, str(template), str(target)], template)
        made = [file for file in target.rglob("*") if file.is_file()]
        size = sum(file.stat().st_size for file in made)
        shutil.rmtree(target)
        _timed([*copying, "--vcs-ref", before, str(template), str(target)], template)
        _commit(target)
        updated = _timed([str(copier), "update", *options, "--vcs-ref", newest, str(target)], target)
    finally:
        shutil.rmtree(target, ignore_errors=True)
    return Times(copied, updated, len(made), size, (before, newest))


def _own_releases(place: Path) -> Path:
    place.parent.mkdir(parents=True, exist_ok=True)
    _git(place.parent, "clone", "--quiet", "--no-hardlinks", str(ROOT), str(place))
    # Also what is not committed yet.
    _git(place, "--git-dir=.git", f"--work-tree={ROOT}", "add", "--all")
    _git(place, "commit", "--quiet", "--allow-empty", "--message", "The working tree")
    _git(place, "reset", "--quiet", "--hard")
    _git(place, "tag", "1000.0.0")
    with (place / "template/Makefile").open("a") as file:
        file.write("# One line more.\n")
    _git(place, "commit", "--quiet", "--all", "--message", "One line more")
    _git(place, "tag", "1000.1.0")
    # As from a forge, in one pack and without what no branch reaches: that Copier hard-links thousands of
    # objects is no work of the template.
    _git(place, "gc", "--quiet", "--prune=now")
    return place


def _releases(template: Path) -> tuple[str, str]:
    listed = _git(template, "tag", "--sort=-version:refname", "--merged", "HEAD").split()
    found = [tag for tag in listed if tag.lstrip("v").replace(".", "").isdigit()]
    return found[1], found[0]


def _commit(folder: Path) -> None:
    _git(folder, "init", "--quiet")
    _git(folder, "add", "--all", "--force")
    _git(folder, "commit", "--quiet", "--message", "All of it")


def _git(folder: Path, *words: str) -> str:
    command = ["git", "-c", "init.defaultBranch=main", "-c", "core.hooksPath=/dev/null", *words]
    variables = {**os.environ, **_IDENTITY}
    return subprocess.run(
        command, cwd=folder, env=variables, check=True, capture_output=True, text=True
    ).stdout


def _timed(command: Sequence[str], where: Path) -> float:
    begun = time.monotonic()
    variables = {**os.environ, **_IDENTITY}
    done = subprocess.run(
        command, cwd=where, env=variables, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    took = time.monotonic() - begun
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
        raise RuntimeError(f"`{' '.join(command[1:2])}` ended with exit code {done.returncode}: {last}")
    return took
