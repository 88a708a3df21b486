"""Who has pip and no uv: one environment is installed, updated, and left as it was where that fails."""

from __future__ import annotations

import pytest

from pythons import found_pythons
from rendering import TemplateHistory, git
from test_generated_app import JOBS, jobs
from test_make_install import BELOW, MISSING, STAYS, engine_commit, make, offline, works
from test_make_install import nowhere as nowhere
from test_updating_installs import ENGINE, release_a_later_engine, said, shell


@pytest.mark.full
@pytest.mark.long
def test_pip_installs_brings_another_commit_of_one_version_and_leaves_what_works(nowhere: str) -> None:
    history = TemplateHistory(engine=True)
    history.release("1.0.0")
    version, python = next(iter(found_pythons().items()))
    project = history.copy(python_version=version)
    folder = project.folder

    # With the oldest Python, and all that pip does by itself.
    done = make(folder, "install", "UV=", f"PYTHON={python}")
    assert done.returncode == 0, said(done)
    assert not (folder / "uv.lock").exists()
    assert jobs(folder, folder / ".venv/bin/project") == JOBS
    first = engine_commit(folder)
    project.commit("installed")

    # The new engine comes though its version is the same.
    release_a_later_engine(history)
    done = shell(project, "make update UV=")
    assert done.returncode == 0, said(done)
    assert shell(project, ENGINE).stdout == "2\n"
    assert engine_commit(folder) == git(history.folder, "rev-parse", "HEAD").strip() != first
    assert " passed in " in done.stdout
    assert "- More light." in done.stdout
    assert not (folder / "uv.lock").exists()

    project.edit("pyproject.toml", lambda old: old.replace(BELOW, BELOW.removesuffix("]") + MISSING + "]"))
    done = make(folder, "run", "UV=", variables=offline(nowhere))
    assert done.returncode != 0
    assert STAYS in done.stderr, done.stderr
    assert works(folder)

    # No Python of this machine is new enough: what is there was put aside for another, and is put back.
    project.edit("pyproject.toml", lambda old: old.replace(f'">={version}"', '">=3.99"'))
    done = make(folder, "run", "UV=")
    assert "No suitable Python found: pyproject.toml asks for 3.99 or newer" in done.stderr
    assert STAYS in done.stderr
    assert works(folder)
