"""`make install` in a rendered application: it never harms an environment that works."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from uv import find_uv_bin

from pythons import clean_environment, found_pythons, run, run_well
from rendering import Project, TemplateHistory, edit, git

STAYS = (
    "error: installing failed, see above. The environment that was there stays: .venv/bin/python -m app run\n"
)
MISSING = '    "no-such-package-of-anybody>=1",\n'
BELOW = "    # yours: packages of your own go below this line; updates leave them alone\n]"


@pytest.fixture
def history() -> TemplateHistory:
    """A template with the engine and one release, 1.0.0."""
    made = TemplateHistory(engine=True)
    made.release("1.0.0")
    return made


@pytest.fixture
def nowhere() -> Iterator[str]:
    """The address of a proxy that leads nowhere: bound, so that nobody else has it, and not listening."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"


def make(
    folder: Path, *words: str, variables: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run make as a user would, with further variables of the environment."""
    return subprocess.run(
        ["make", *words],
        cwd=folder,
        env={**clean_environment(), **(variables or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
    )


def offline(proxy: str) -> dict[str, str]:
    """Return what makes every way to packages lead nowhere, whatever this machine has beside the network."""
    names = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")
    return dict.fromkeys(names, proxy) | {
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_EXTRA_INDEX_URL": "",
        "PIP_FIND_LINKS": "",
        "PIP_INDEX_URL": "https://packages.invalid/simple",
        "PIP_RETRIES": "0",
        "UV_FIND_LINKS": "",
        "UV_HTTP_RETRIES": "0",
        "UV_NO_CACHE": "1",
        "UV_NO_CONFIG": "1",
    }


def recorded_uv(folder: Path) -> tuple[str, Path]:
    """Return a uv that writes down how it is called, and where it does."""
    program, calls = folder.parent / "uv", folder.parent / "calls"
    program.write_text(f'#!/bin/sh\necho "$@" >> "{calls}"\nexec "{find_uv_bin()}" "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    calls.touch()
    return f"UV={program}", calls


def works(folder: Path) -> bool:
    """Tell whether the installed application and the scripts of its environment run."""
    run_well(folder, folder / ".venv/bin/python", "-m", "app", "jobs", "--json")
    run_well(folder, folder / ".venv/bin/ruff", "--version")
    return not (folder / ".venv.before").exists()


def engine_commit(folder: Path) -> str:
    """Return the commit of the engine that is installed."""
    [origin] = folder.glob(".venv/lib/python*/site-packages/everytick-*.dist-info/direct_url.json")
    return str(json.loads(origin.read_text(encoding="utf-8"))["vcs_info"]["commit_id"])


@pytest.mark.full
def test_an_environment_is_installed_again_when_what_it_is_made_from_changed(project: Project) -> None:
    folder = project.folder
    uv, calls = recorded_uv(folder)
    assert make(folder, "install", uv).returncode == 0
    assert works(folder)
    assert len(calls.read_text().splitlines()) == 1

    # Git writes files anew with the same text, as after a checkout.
    for name in ("pyproject.toml", "uv.lock"):
        os.utime(folder / name)
    assert make(folder, "install", uv).returncode == 0
    assert len(calls.read_text().splitlines()) == 1

    project.edit("pyproject.toml", lambda old: old.replace('version = "0.1.0"', 'version = "0.2.0"'))
    assert make(folder, "install", uv).returncode == 0
    assert len(calls.read_text().splitlines()) == 2
    assert "0.2.0" in run_well(folder, folder / ".venv/bin/python", "-m", "app", "--version")

    # Somebody stopped the machine while another environment was made: the old one is beside it.
    (folder / ".venv").rename(folder / ".venv.before")
    (folder / ".venv/bin").mkdir(parents=True)
    assert make(folder, "install", uv).returncode == 0
    assert len(calls.read_text().splitlines()) == 2
    assert works(folder)


@pytest.mark.full
def test_without_a_network_uv_leaves_what_works(project: Project, nowhere: str) -> None:
    folder = project.folder
    uv = f"UV={find_uv_bin()}"
    assert make(folder, "install", uv).returncode == 0

    os.utime(folder / "pyproject.toml")
    assert make(folder, "install", uv, variables=offline(nowhere)).returncode == 0

    text = (folder / "pyproject.toml").read_text(encoding="utf-8")
    # A package that cannot be had; a Python that is not here, for which uv would first remove what is there.
    wishes = [(BELOW, BELOW.removesuffix("]") + MISSING + "]"), ('">=3.11"', '">=3.15"')]
    if "3.15" in found_pythons():
        wishes.pop()
    for old, new in wishes:
        assert old in text
        (folder / "pyproject.toml").write_text(text.replace(old, new), encoding="utf-8")
        done = make(folder, "run", uv, variables=offline(nowhere))
        assert done.returncode != 0
        assert STAYS in done.stderr, done.stderr
        assert works(folder)

    (folder / "pyproject.toml").write_text(text, encoding="utf-8")
    assert make(folder, "install", uv, variables=offline(nowhere)).returncode == 0


@pytest.mark.full
def test_pip_brings_another_commit_of_one_version_and_leaves_what_works(
    history: TemplateHistory, nowhere: str
) -> None:
    project = history.copy()
    folder = project.folder
    python = f"PYTHON={next(iter(found_pythons().values()))}"
    assert make(folder, "install", "UV=", python).returncode == 0
    first = engine_commit(folder)

    history.edit("src/everytick/errors.py", lambda old: f"{old}\nNEWER = True\n")
    history.release("1.1.0")
    project.update()
    assert make(folder, "install", "UV=").returncode == 0
    assert engine_commit(folder) == git(history.folder, "rev-parse", "HEAD").strip() != first
    run_well(folder, folder / ".venv/bin/python", "-c", "from everytick.errors import NEWER")

    project.edit("pyproject.toml", lambda old: old.replace(BELOW, BELOW.removesuffix("]") + MISSING + "]"))
    done = make(folder, "run", "UV=", variables=offline(nowhere))
    assert done.returncode != 0
    assert STAYS in done.stderr, done.stderr
    assert works(folder)

    # No Python of this machine is new enough: what is there was put aside for another, and is put back.
    project.edit("pyproject.toml", lambda old: old.replace('">=3.11"', '">=3.99"'))
    done = make(folder, "run", "UV=")
    assert "No suitable Python found: pyproject.toml asks for 3.99 or newer" in done.stderr
    assert STAYS in done.stderr
    assert works(folder)


@pytest.mark.full
def test_uv_brings_another_commit_of_one_version_and_says_where_the_engine_was(
    history: TemplateHistory, nowhere: str
) -> None:
    project = history.copy()
    folder = project.folder
    uv = f"UV={find_uv_bin()}"
    assert make(folder, "install", uv).returncode == 0
    project.commit("installed")
    first = engine_commit(folder)

    history.edit("src/everytick/errors.py", lambda old: f"{old}\nNEWER = True\n")
    history.release("1.1.0")
    project.update()
    assert make(folder, "install", uv).returncode == 0
    assert engine_commit(folder) == git(history.folder, "rev-parse", "HEAD").strip() != first
    run_well(folder, folder / ".venv/bin/python", "-c", "from everytick.errors import NEWER")

    # On another machine there is no such folder.
    clone = folder.parent / "clone"
    git(folder, "clone", "--quiet", ".", str(clone))
    away = history.folder.rename(history.folder.with_name("away"))
    done = make(clone, "install", uv, variables={"UV_NO_CACHE": "1"})
    away.rename(history.folder)
    assert done.returncode != 0
    assert f"The engine comes from {history.folder}, which this machine does not have" in done.stderr
    assert "error: installing failed, see above\n" in done.stderr


@pytest.mark.full
def test_an_application_that_was_moved_is_installed_again(project: Project) -> None:
    uv = f"UV={find_uv_bin()}"
    assert make(project.folder, "install", uv).returncode == 0
    moved = project.folder.with_name("moved")
    project.folder.rename(moved)
    edit(moved / "app/services/my_tasks.py", lambda old: f"{old}\nMOVED = True\n")
    assert make(moved, "install", uv).returncode == 0
    said = run(
        moved.parent,
        moved / ".venv/bin/python",
        "-c",
        "from app.services import my_tasks; print(my_tasks.MOVED)",
    )
    assert said.stdout == "True\n", said.stderr
