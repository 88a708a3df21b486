"""Make a release of template and engine: `make release VERSION=0.2.0` runs this after all checks and tests.

Gives the changelog's unreleased part its version and date, writes the version into pyproject.toml, keeps a
copy in `tests/template/released/` (from it the tests build every version: a clone may lack tags), commits all
that and tags the commit. A second commit gives the version under development its number, so that no later
state can be taken for the release.

Nothing is published by it: that is what the workflow for tags does, where it has been set up.
"""

from __future__ import annotations

import datetime
import lzma
import re
import subprocess
import sys

from packaging.version import InvalidVersion, Version

from app_session import PARTS, ROOT

KEPT = ROOT / "tests" / "template" / "released"
UNRELEASED = "## [Unreleased]\n"


class ReleaseError(Exception):
    """One sentence that says why there is no release."""


def main(arguments: list[str]) -> int:
    """Release the version that the command line names; return the exit code."""
    only_check = arguments[:1] == ["--check"]
    arguments = arguments[only_check:]
    if len(arguments) != 1:
        print("error: name the version: make release VERSION=0.2.0", file=sys.stderr)
        return 2
    try:
        version = acceptable(arguments[0])
        check_working_tree()
        changelog = with_version(version)
        if only_check:
            return 0
        after = release(version, changelog)
    except ReleaseError as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 1
    print(f"Released {version}; the tree goes on with {after}. Publish it: git push --follow-tags")
    return 0


def release(version: str, changelog: str) -> str:
    """Write, keep, commit and tag; return the version of what comes after it."""
    after = next_development(version)
    try:
        (ROOT / "CHANGELOG.md").write_text(changelog, encoding="utf-8")
        write_project(version)
        write_requirement(version)
        keep(version)
        commit(f"Release {version}")
        git("tag", "--annotate", "--message", f"Release {version}", version)
        write_project(after)
        commit(f"Go on with {after}")
    except ReleaseError:
        # The tree was clean when this began.
        git("reset", "--quiet", "--hard")
        raise
    return after


def acceptable(text: str) -> str:
    """Return a version in its normal form; refuse one that is none or not the newest."""
    try:
        version = Version(text)
    except InvalidVersion:
        raise ReleaseError(f"{text!r} is no version by PEP 440, such as 0.2.0 or 1.0.0rc1") from None
    if str(version) != text:
        raise ReleaseError(f"write the version as {version}: that is the name of the tag")
    if version.local:
        raise ReleaseError(f"{version} has a local part: others could not tell it from {version.public}")
    if git("tag", "--list", text):
        raise ReleaseError(f"there is a tag {text} already: delete it, or choose another version")
    released = [Version(it.name.removesuffix(".tar.xz")) for it in KEPT.glob("*.tar.xz")]
    newest = max(released, default=None)
    if newest is not None and version <= newest:
        raise ReleaseError(f"{version} is not newer than {newest}, which is released")
    return text


def check_working_tree() -> None:
    """Refuse to release what is not committed."""
    if git("status", "--porcelain"):
        raise ReleaseError("commit everything first: a release is what was committed and tested")


def with_version(version: str) -> str:
    """Return the changelog in which what is unreleased has its version and today's date (UTC)."""
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    said = re.search(rf"^{re.escape(UNRELEASED)}(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    if not said or not said.group(1).strip():
        raise ReleaseError("CHANGELOG.md has nothing under [Unreleased]: say what the release brings")
    today = datetime.datetime.now(datetime.UTC).date()
    heading = f"{UNRELEASED}\n## [{version}] - {today}\n"
    return text.replace(UNRELEASED, heading, 1)


def next_development(version: str) -> str:
    """Return the version of what comes after a release: newer than that, and older than what may follow."""
    released = Version(version)
    if released.pre:
        kind, number = released.pre
        return f"{released.base_version}{kind}{number + 1}.dev0"
    return f"{released.major}.{released.minor}.{released.micro + 1}.dev0"


def write_project(version: str) -> None:
    """Write the version into the package's description."""
    path = ROOT / "pyproject.toml"
    text, number = re.subn(
        r'(?m)^version = ".*"$', f'version = "{version}"', path.read_text(encoding="utf-8"), count=1
    )
    if not number:
        raise ReleaseError("pyproject.toml has no line `version` to replace")
    path.write_text(text, encoding="utf-8")


def write_requirement(version: str) -> None:
    """Write the version that applications require of a package index into the template."""
    path = ROOT / "includes" / "engine.jinja"
    text, number = re.subn(
        r"newest_release = '.*'", f"newest_release = '{version}'", path.read_text(encoding="utf-8"), count=1
    )
    if not number:
        raise ReleaseError("includes/engine.jinja has no `newest_release` to replace")
    path.write_text(text, encoding="utf-8")


def keep(version: str) -> None:
    """Put what is released where the tests find it, whatever tags a clone has.

    The engine is part of it: updating begins with the old one, and ledgers are those that it wrote.
    """
    git("add", "--all")
    tree = git("write-tree").strip()
    command = ["git", "archive", "--format=tar", tree, *PARTS]
    archive = subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout
    KEPT.mkdir(parents=True, exist_ok=True)
    (KEPT / f"{version}.tar.xz").write_bytes(lzma.compress(archive, preset=9 | lzma.PRESET_EXTREME))


def commit(message: str) -> None:
    """Commit everything."""
    git("add", "--all")
    git("commit", "--quiet", "--message", message)


def git(*arguments: str) -> str:
    """Run git and return what it prints."""
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise ReleaseError(f"git {arguments[0]} failed: {(done.stderr + done.stdout).strip()}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
