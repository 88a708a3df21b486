"""`make package`: what is wrong with a wheel or an sdist is told, and what cannot be had as well."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import package
from app_session import ROOT

PROJECT = {"name": "everytick", "version": "1.0", "license": "MIT"}
METADATA = (
    "Metadata-Version: 2.4\nName: everytick\nVersion: 1.0\nLicense-Expression: MIT\n"
    "Requires-Dist: loguru>=0.7\nDescription-Content-Type: text/markdown\n\n"
    "See [there](https://example.org) and [below](#below).\n"
)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return package.build(tmp_path_factory.mktemp("built"))


def test_metadata_that_is_right() -> None:
    assert package.wrong_metadata(METADATA.encode(), PROJECT) == []


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        (
            "Name: everytick",
            "Name: every tick",
            "the metadata is not valid: 'every tick' is invalid for 'name'",
        ),
        ("Version: 1.0", "Version: 1.1", "the metadata has the version 1.1, and not 1.0"),
        ("MIT\n", "BSD-3-Clause\n", "the metadata has the licence BSD-3-Clause, and not MIT"),
        ("text/markdown", "text/x-rst", "has the form of the description text/x-rst, and not text/markdown"),
        ("loguru>=0.7", "loguru @ https://x.org/y.whl", "an index refuses the direct reference loguru"),
        ("https://example.org", "docs/index.md", "the link to docs/index.md in the description would lead"),
    ],
)
def test_metadata_that_an_index_refuses_or_shows_wrongly(old: str, new: str, sentence: str) -> None:
    [found] = package.wrong_metadata(METADATA.replace(old, new).encode(), PROJECT)
    assert sentence in found


@pytest.mark.full
def test_a_file_too_many_or_too_few_is_told(built: tuple[Path, Path], tmp_path: Path) -> None:
    wheel, sdist = built
    package.check_contents(wheel, sdist)
    package.check_metadata(wheel, sdist)
    for without, added, sentence in (
        ("everytick/py.typed", None, "the wheel lacks everytick/py.typed"),
        ("/licenses/LICENSE", None, "the wheel lacks the licence"),
        (None, "tests/test_x.py", "the wheel has tests/test_x.py"),
        (None, "app/__init__.py", "the wheel has app/__init__.py"),
    ):
        changed = tmp_path / wheel.name
        with zipfile.ZipFile(wheel) as old, zipfile.ZipFile(changed, "w") as new:
            for name in old.namelist():
                if without is None or not name.endswith(without):
                    new.writestr(name, old.read(name))
            if added is not None:
                new.writestr(added, "")
        with pytest.raises(package.PackageError, match=sentence):
            package.check_contents(changed, sdist)
    changed = tmp_path / sdist.name
    with tarfile.open(changed, "w:gz") as archive:
        text = tarfile.TarInfo(f"{sdist.name.removesuffix('.tar.gz')}/PKG-INFO")
        archive.addfile(text, io.BytesIO())
    with pytest.raises(package.PackageError, match="the sdist lacks "):
        package.check_contents(wheel, changed)
    with pytest.raises(package.PackageError, match="the metadata of the wheel and of the sdist differ"):
        package.check_metadata(wheel, changed)


@pytest.mark.full
def test_without_a_network_and_a_cache_it_fails_and_says_so(tmp_path: Path) -> None:
    """A build whose tools cannot be had is a failure, not a build that was left out."""
    paths = [str(ROOT / name) for name in ("tests/support", "tests/template", "scripts")]
    nowhere = {
        "UV_OFFLINE": "1",
        "UV_CACHE_DIR": str(tmp_path / "cache"),
        "UV_FIND_LINKS": "",
        "UV_NO_CONFIG": "1",
    }
    done = subprocess.run(
        [sys.executable, "scripts/package.py", str(tmp_path / "built")],
        cwd=ROOT,
        env={**os.environ, **nowhere, "PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("error: `")
    assert "hatchling" in done.stderr
