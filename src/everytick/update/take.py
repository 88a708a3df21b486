"""Taking a version: the merge, by the engine that is here, and then the engine that came with it."""

from __future__ import annotations

import os
import re
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from typing import Any

from everytick.command_line import typed_in
from everytick.installed import engine_line, is_stale

from . import apart, conflicts, news, steps
from .problem import UpdateError
from .project import UNDO, Project
from .versions import check_ref, standing

_ENGINE = "everytick"
# A requirement of a package, perhaps with parts, and where it comes from or which versions are wanted.
_REQUIREMENT = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[[^\]]*\])?\s*(?:[@(;<>=!~]|$)")
_COMMIT = re.compile(r"@(?:[0-9a-f]{40}|[0-9a-f]{64})$")
# What tells uv where packages are, of `[tool.uv]`.
_OF_INDEXES = ("index", "index-url", "extra-index-url", "find-links", "no-index", "pip", "workspace")


def take(project: Project, ref: str | None) -> int:
    """Merge the newest release into the working tree, then install and check what came out.

    Args:
        ref: a tag, branch or commit of the template instead of its newest release.

    Returns:
        The exit code.

    Raises:
        UpdateError: it could not be taken, or something is left to decide.
    """
    project.check_working_tree()
    project.check_source()
    if ref is None:
        found = standing(project)
        if found.newer is None:
            print(found.sentence())
            conflicts.check_engine(project)
            return 0
    else:
        check_ref(project, ref)
    before = project.git("rev-parse", "HEAD").strip()
    apart.merge(project, ref)
    conflicts.check(project)
    _tell_what_comes(project, before)
    return install(project, before, merged_just_now=True)


def _tell_what_comes(project: Project, before: str) -> None:
    """Say which engine is installed and run next; refuse one from another place, of which nothing was run."""
    was = project.git("show", f"{before}:./pyproject.toml", ok=(0, 128))
    now = (project.root / "pyproject.toml").read_text(encoding="utf-8")
    # All was committed before the merge.
    uvs_own = project.git("status", "--porcelain", "--", "uv.toml")
    if uvs_own or _redirected(now) != _redirected(was):
        raise UpdateError(
            "the update was taken, and nothing of it was run: uv is told now to take `everytick` from"
            " elsewhere ([tool.uv] of pyproject.toml, or uv.toml). If that is meant (see `git diff`), run"
            f" `{typed_in(project.root, 'update --finish')}`. To undo the update instead: {UNDO}"
        )
    known, others = _places(was), sorted(_places(now) - _places(was))
    if known and others:
        raise UpdateError(
            f"the update was taken, and nothing of it was run: the engine comes from {', '.join(others)}"
            f" now, and came from {', '.join(sorted(known))}. If that is meant (see `git diff"
            " pyproject.toml`), run"
            f" `{typed_in(project.root, 'update --finish')}`. To undo the update instead: {UNDO}"
        )
    came, comes = engine_line(was), engine_line(now)
    if came is None or comes is None or came == comes:
        return
    print(
        f"The engine comes from {comes.address} at {_short(comes.commit)}, and came at"
        f" {_short(came.commit)}. It is installed now, upgrades the ledger of this machine, and is checked"
        " and tested. `git diff` shows the merge."
    )


def _redirected(text: str) -> list[Any]:
    """Return what a `pyproject.toml` tells uv of the engine, and of where packages are, beside its line."""
    uv = _parsed(text).get("tool", {}).get("uv", {})
    sources = {_plain(name): value for name, value in uv.get("sources", {}).items()}
    others = [
        it
        for name in ("override-dependencies", "constraint-dependencies")
        for it in uv.get(name, ())
        if _names_the_engine(it)
    ]
    return [sources.get(_ENGINE), others, *(uv.get(name) for name in _OF_INDEXES)]


def _places(text: str) -> set[str]:
    """Return from where a `pyproject.toml` takes the engine, by all of its requirements, without commits."""
    named = [it for it in _texts(_parsed(text)) if _names_the_engine(it)]
    places = {_COMMIT.sub("", it.partition("@")[2].partition(";")[0].strip()) for it in named if "@" in it}
    return places or ({"an index of packages"} if named else set())


def _texts(value: Any) -> Iterator[str]:
    """Give all texts of a file, wherever they stand."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _texts(each)


def _names_the_engine(requirement: Any) -> bool:
    found = _REQUIREMENT.match(requirement) if isinstance(requirement, str) else None
    return found is not None and _plain(found[1]) == _ENGINE


def _plain(name: str) -> str:
    """Return the name of a package as tools compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _parsed(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return {}


def _short(commit: str | None) -> str:
    return "no fixed commit" if commit is None else commit[:12]


def install(project: Project, since: str, *, merged_just_now: bool = False) -> int:
    """Install what a merge brought, and end the update in a new process.

    Args:
        since: the commit before the update.
        merged_just_now: nobody but Copier has changed anything since.

    Returns:
        The exit code.

    Raises:
        UpdateError: it cannot be installed, or something is left to decide.
    """
    conflicts.check_merged(project)
    # The changelog of the engine that is here goes with it.
    known = news.changelog() if is_stale(project.root) else ""
    for name, command in steps.installing(project):
        if steps.run(project, command):
            raise UpdateError(
                f"the update was taken, but `{name}` does not pass: nothing of yours is lost. See to that (is"
                f" there a network?), then run `{typed_in(project.root, 'update --finish')}`, and commit. To"
                f" undo the update instead: {UNDO}"
            )
    handle, path = tempfile.mkstemp(prefix="everytick-changelog-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(known)
        arguments = ["--since", since, *(["--known", path] if known else [])]
        arguments += ["--merged"] if merged_just_now else []
        sys.stderr.flush()
        return steps.run(project, steps.finishing(project, *arguments))
    finally:
        os.unlink(path)
