"""What of others a rendered project brings in, and what of its own it must not give away."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pathspec
import pytest
import yaml  # type: ignore[import-untyped,unused-ignore]

from app_session import ROOT
from rendering import fresh_folder, git, render, rendered

SECRETS = [
    ".env",
    ".env.production",
    ".env.external",
    ".env.extra",
    "secret.env",
    "deploy/kubernetes/secret.env",
    "deploy/prod.env",
    "deploy/kubernetes/secret.yaml",
    "deploy/kubernetes/secrets.prod.yml",
    "deploy/kubernetes/secret.eu-west.yaml",
    "secret.env.yaml",
    "secret.example.old.yaml",
    "dashboard.token",
    "ledger.db",
    "ledger.db-wal",
]
# A name may begin as that of a sample does.
SECRETS += [f".env.{'example'[:length]}" for length in range(7)]
SECRETS += [f"secret.{'example'[:length]}.yaml" for length in range(7)]
SECRETS += [f".env.example{more}" for more in (".local", ".bak", "2", "s", "~", "-prod")]
# Also one that begins as the template's own file does.
SECRETS += [f".env.example{'.jinja2'[:length]}" for length in range(1, 8)]
SECRETS += ["deploy/.env.example.local", "secret.example.yml", "secret.example2.yaml", "secret.examples.yml"]
WORKFLOWS = sorted(ROOT.glob(".github/workflows/*.yml"))


@pytest.fixture(scope="module")
def project() -> Path:
    """A project with everything, in git."""
    folder = fresh_folder("secrets") / "project"
    render(folder, deployment="kubernetes")
    git(folder, "init", "--quiet")
    return folder


def test_git_leaves_files_with_secrets_out(project: Path) -> None:
    for folder in (project, ROOT):
        command = ["git", "check-ignore", "--no-index", *SECRETS]
        said = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        ignored = said.stdout.splitlines()
        named = [name for name in SECRETS if not name.startswith(("ledger", "dashboard"))]
        assert [name for name in (SECRETS if folder == project else named) if name not in ignored] == []
    git(project, "add", "--all")
    kept = git(project, "ls-files").splitlines()
    assert ".env.example" in kept
    assert "deploy/kubernetes/secret.example.yaml" in kept


def test_the_image_is_made_without_files_with_secrets(project: Path) -> None:
    lines = (project / ".dockerignore").read_text("utf-8").splitlines()
    # Docker reads a pattern from the folder of the build, as git reads one that begins with a slash.
    anchored = [line if line.startswith(("#", "/", "**")) or not line else f"/{line}" for line in lines]
    ignored = pathspec.GitIgnoreSpec.from_lines(anchored)
    for name in [*SECRETS, "app/services/secret.yaml", "app/__pycache__/x.pyc", "app/x.egg-info/PKG-INFO"]:
        assert ignored.match_file(name), name
    for name in ("pyproject.toml", "uv.lock", "app/__main__.py", "README.md"):
        assert not ignored.match_file(name), name


@pytest.mark.parametrize("file", ["rendered", *(path.name for path in WORKFLOWS)])
def test_actions_are_pinned_by_their_commit(file: str) -> None:
    paths = {path.name: path for path in WORKFLOWS}
    paths["rendered"] = rendered() / ".github/workflows/ci.yml"
    text = paths[file].read_text("utf-8")
    used = re.findall(r"uses: (.*)", text)
    for action in used:
        # The comment is the tag: Renovate and Dependabot bring both up to date.
        assert re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v[\d.]+", action), action
    assert used
    assert yaml.safe_load(text)


def test_base_images_are_pinned_by_the_first_run_of_renovate() -> None:
    found = json.loads((rendered() / "renovate.json").read_text("utf-8"))
    # By digest; and the version of uv, which a comment in the Dockerfile tells it.
    assert {"docker:pinDigests", "customManagers:dockerfileVersions"} <= set(found["extends"])
    page = (ROOT / "docs/how-to/keep-up-with-renovate.md").read_text("utf-8")
    assert found == json.loads(page.partition("```json\n")[2].partition("```")[0])
    used = re.findall(r"^FROM (\S+)", (rendered() / "Dockerfile").read_text("utf-8"), re.MULTILINE)
    assert all(re.fullmatch(r"python:3\.\d+-slim", image) for image in used)


def test_the_image_is_built_with_one_version_of_uv_and_by_the_lock() -> None:
    text = (rendered() / "Dockerfile").read_text("utf-8")
    assert re.search(r"# renovate: datasource=pypi depName=uv\nENV UV_VERSION=\d+\.\d+\.\d+\n", text)
    assert '"uv==$UV_VERSION"' in text
    syncs = re.findall(r"uv sync (.*)", text)
    assert len(syncs) == 2
    assert all(it.startswith("$([ ! -f uv.lock ] || echo --locked) --no-dev") for it in syncs)
