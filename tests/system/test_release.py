"""`make release`: what it refuses, and what stands there afterwards."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import copier
import pytest
from packaging.version import Version

from app_session import PARTS, ROOT, copy_source
from release import next_development
from released_versions import extract
from rendering import contents, fresh_folder, git


def ready() -> Path:
    """Make a repository like this one, ready for its first release."""
    folder = copy_source(fresh_folder("repository"))
    shutil.copytree(ROOT / "scripts", folder / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "tests" / "template").mkdir(parents=True)
    (folder / "CHANGELOG.md").write_text("# Changelog\n\n## [Unreleased]\n\n- Light.\n", encoding="utf-8")
    git(folder, "init", "--quiet", "--initial-branch", "main")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "ready")
    return folder


@pytest.fixture
def repository() -> Path:
    """A repository like this one, ready for its first release."""
    return ready()


@pytest.fixture(scope="module")
def released() -> Path:
    """One with a first release, which tests must leave as it is."""
    folder = ready()
    assert release(folder, "0.1.0").returncode == 0
    return folder


def release(repository: Path, *arguments: str) -> Any:
    """Run the script as `make release` does."""
    command = [sys.executable, "-B", "scripts/release.py", *arguments]
    return subprocess.run(command, cwd=repository, capture_output=True, text=True)


@pytest.mark.full
def test_a_release_is_a_changelog_a_kept_copy_and_a_tag(repository: Path) -> None:
    done = release(repository, "0.1.0")
    assert (done.returncode, done.stderr) == (0, "")
    assert git(repository, "status", "--porcelain") == ""
    assert done.stdout.startswith("Released 0.1.0; the tree goes on with 0.1.1.dev0.")
    assert 'version = "0.1.1.dev0"\n' in (repository / "pyproject.toml").read_text(encoding="utf-8")
    git(repository, "checkout", "--quiet", "HEAD~1")
    assert git(repository, "describe", "--tags").strip() == "0.1.0"
    changelog = (repository / "CHANGELOG.md").read_text(encoding="utf-8")
    begin, _, end = changelog.partition("## [0.1.0] - 2")
    assert begin.endswith("## [Unreleased]\n\n")
    assert end.endswith("\n\n- Light.\n")
    assert 'version = "0.1.0"\n' in (repository / "pyproject.toml").read_text(encoding="utf-8")

    kept = fresh_folder("kept")
    extract(repository / "tests/template/released/0.1.0.tar.xz", kept)
    # With the engine of the time: old applications are updated by it, and it wrote their ledgers.
    assert sorted(it.name for it in kept.iterdir()) == sorted(PARTS)
    assert (kept / "src/everytick/store/migrations").is_dir()
    project = fresh_folder("project")
    named = {"project_name": "app"}
    copier.run_copy(str(repository), project, defaults=True, quiet=True, data=named)
    assert "_commit: 0.1.0\n" in (project / ".copier-answers.yml").read_text(encoding="utf-8")
    # From an index an application takes this version or a newer one.
    copier.run_copy(
        str(repository), indexed := fresh_folder(), defaults=True, quiet=True, data={"engine_source": "index"}
    )
    assert 'everytick[alerts,dashboard,postgresql]>=0.1.0"' in (indexed / "pyproject.toml").read_text("utf-8")
    # The kept copy is the released template, to the byte.
    copier.run_copy(str(kept), again := fresh_folder("again"), defaults=True, quiet=True, data=named)
    # All but what says where it was made from.
    apart = {".copier-answers.yml", "pyproject.toml", "README.md", "app/core/template.toml"}
    made = contents(again).keys() - apart
    assert "app/__main__.py" in made
    assert {name: contents(again)[name] for name in made} == {name: contents(project)[name] for name in made}


@pytest.mark.full
@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        ([], 2, "name the version: make release VERSION=0.2.0"),
        (["one"], 1, "'one' is no version by PEP 440, such as 0.2.0 or 1.0.0rc1"),
        (["0.2.0-rc.1"], 1, "write the version as 0.2.0rc1: that is the name of the tag"),
        (["0.2.0+local"], 1, "0.2.0+local has a local part: others could not tell it from 0.2.0"),
        (["0.0.9"], 1, "0.0.9 is not newer than 0.1.0, which is released"),
        (["0.2.0"], 1, "CHANGELOG.md has nothing under [Unreleased]: say what the release brings"),
    ],
)
def test_a_version_that_is_no_release_is_refused(
    released: Path, arguments: list[str], code: int, sentence: str
) -> None:
    newest = git(released, "rev-parse", "HEAD")
    done = release(released, *arguments)
    assert (done.returncode, done.stderr) == (code, f"error: {sentence}\n")
    assert git(released, "tag").split() == ["0.1.0"]
    assert git(released, "status", "--porcelain") == ""
    assert git(released, "rev-parse", "HEAD") == newest


@pytest.mark.full
def test_a_release_that_cannot_be_committed_leaves_everything_as_it_was(repository: Path) -> None:
    hook = repository / ".git/hooks/pre-commit"
    hook.write_text("#!/bin/sh\necho 'the hook says no'\nexit 1\n", encoding="utf-8")
    hook.chmod(0o755)
    done = release(repository, "0.1.0")
    assert (done.returncode, done.stderr) == (1, "error: git commit failed: the hook says no\n")
    assert git(repository, "status", "--porcelain") == ""
    hook.unlink()
    git(repository, "tag", "0.1.0")
    done = release(repository, "0.1.0")
    assert done.stderr == "error: there is a tag 0.1.0 already: delete it, or choose another version\n"
    assert git(repository, "status", "--porcelain") == ""


@pytest.mark.parametrize(
    ("version", "then"),
    [("0.2.0", "0.2.1.dev0"), ("1.9", "1.9.1.dev0"), ("0.3.0rc1", "0.3.0rc2.dev0"), ("1.0a9", "1.0a10.dev0")],
)
def test_a_version_after_a_release_is_newer(version: str, then: str) -> None:
    assert next_development(version) == then
    assert Version(version) < Version(then)


@pytest.mark.full
def test_a_version_that_stands_nowhere_is_no_release(repository: Path) -> None:
    (repository / "pyproject.toml").write_text("[project]\n", encoding="utf-8")
    git(repository, "commit", "--quiet", "--all", "--message", "forget it")
    done = release(repository, "0.1.0")
    assert done.returncode == 1
    assert "pyproject.toml has no line `version` to replace" in done.stderr
    assert git(repository, "status", "--porcelain") == ""
    assert git(repository, "tag") == ""


@pytest.mark.full
def test_uncommitted_changes_are_not_released(repository: Path) -> None:
    (repository / "copier.yml").write_text("", encoding="utf-8")
    for arguments in (["0.1.0"], ["--check", "0.1.0"]):
        done = release(repository, *arguments)
        assert done.returncode == 1
        assert done.stderr.startswith("error: commit everything first")
    assert git(repository, "tag") == ""
