"""Which engine is installed, and which one the application's `pyproject.toml` names.

After a bare `copier update` the two differ until the next installation: pip and uv know the engine by its
version number, which need not change with the commit.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from .command_line import typed_in
from .errors import ConfigurationError

# `everytick[parts] @ git+ADDRESS@COMMIT`, as the template writes it into the list of dependencies.
_LINE = re.compile(
    r"""^[^#\n]*?["']everytick\s*(?:\[[^\]"']*\])?\s*@\s*(?P<address>[^"'\s]+?)"""
    r"""(?:@(?P<commit>[0-9a-f]{40}|[0-9a-f]{64}))?["']""",
    re.MULTILINE,
)
# The template's own file, in which each version writes down its commit.
TAKEN = "app/core/template.toml"
_COMMIT = re.compile(r'^commit *= *"([0-9a-f]{40,64})"', re.MULTILINE)


@dataclass(frozen=True)
class EngineLine:
    """The line of a `pyproject.toml` that says where the engine comes from.

    Args:
        address: where from, as a requirement has it, without the commit.
        commit: the full hash; None for a folder that is taken as it is.
        span: where address and commit stand in the text.
    """

    address: str
    commit: str | None
    span: tuple[int, int]


def engine_line(text: str) -> EngineLine | None:
    """Return the line in the text of a `pyproject.toml`; None if there is none, or more than one."""
    found = list(_LINE.finditer(text))
    if len(found) != 1:
        return None
    end = "commit" if found[0]["commit"] else "address"
    return EngineLine(found[0]["address"], found[0]["commit"], (found[0].start("address"), found[0].end(end)))


def installed_commit() -> str | None:
    """Return the commit that the installed engine was built from; None if it came in another way."""
    try:
        origin = distribution("everytick").read_text("direct_url.json")
    except PackageNotFoundError:
        return None
    if origin is None:
        return None
    commit = json.loads(origin).get("vcs_info", {}).get("commit_id")
    return str(commit) if commit else None


def commit_in(text: str) -> str | None:
    """Return the commit that the text of a `template.toml` names; None if none, or if that is undecided."""
    found = _COMMIT.findall(text)
    return found[0] if len(found) == 1 else None


def left_behind(root: Path) -> str | None:
    """Return an error if the engine's line names another commit than the template was updated to.

    So it is when a conflict was decided for the line that was there: all else is of the new version then.
    An application without the template's own file may have the engine from any commit.

    Returns:
        A sentence; None if nothing is wrong, or the engine does not come from a commit.
    """
    file, own = root / "pyproject.toml", root / TAKEN
    if not file.is_file() or not own.is_file():
        return None
    line = engine_line(file.read_text(encoding="utf-8", errors="replace"))
    taken = commit_in(own.read_text(encoding="utf-8", errors="replace"))
    if line is None or line.commit is None or taken is None or taken == line.commit:
        return None
    return (
        f"pyproject.toml names the commit {line.commit[:12]} of the engine, and the template's version here"
        f" is {taken[:12]}: put {taken} behind the `@` of its line, then run"
        f" `{typed_in(root, 'update --finish')}`"
    )


def is_stale(root: Path) -> bool:
    """Return whether the application at that folder names another commit than the one that is installed."""
    file = root / "pyproject.toml"
    if not file.is_file():
        return False
    line = engine_line(file.read_text(encoding="utf-8", errors="replace"))
    if line is None or line.commit is None or not line.address.startswith("git+"):
        return False
    return installed_commit() not in (None, line.commit)


def check(root: Path, *, of_the_template: bool) -> None:
    """Refuse to go on with an engine that is not the one which the application names.

    Args:
        of_the_template: the application was made from the template, whose commands install.

    Raises:
        ConfigurationError: it was updated, and not installed since.
    """
    if is_stale(root):
        advice = (
            f"run `make install` (or `{typed_in(root, 'update --finish')}`, which also upgrades the ledger,"
            " checks and tests)"
            if of_the_template
            else "install what it names"
        )
        raise ConfigurationError(
            f"the engine that is installed is not the one that pyproject.toml names: {advice}"
        )
