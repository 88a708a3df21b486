"""The application that comes out: installed as a user would, on every Python of this machine."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path
from textwrap import indent

import pytest
from uv import find_uv_bin

from pythons import environment, found_pythons, run, run_well, uv
from questions import HOSTILE, canonical, included
from rendering import choices, edit, fresh_folder, render, rendered

JOBS = {"daily_report", "temp_cleanup", "weekly_backup"}


def own_copy(version: str) -> Path:
    """Return a rendered application that a test may write into."""
    made = fresh_folder() / "app"
    shutil.copytree(rendered(python_version=version), made)
    return made


def jobs(folder: Path, *command: str | Path) -> set[str]:
    """Return the ids of the jobs that the application tells of."""
    return {job["id"] for job in json.loads(run_well(folder, *command, "jobs", "--json"))}


def test_this_machine_has_more_than_one_supported_python() -> None:
    found = found_pythons()
    assert found, "no supported Python was found, not even the one that runs this"
    if os.environ.get("CI"):
        assert len(found) > 1, f"only Python {', '.join(found)} was found"


@pytest.mark.full
@pytest.mark.parametrize("version", found_pythons())
def test_the_applications_own_tests_pass(version: str) -> None:
    folder = own_copy(version)
    python = environment(version, folder)
    said = run_well(folder, python, "-m", "pytest", "-p", "no:cacheprovider")
    passed = re.search(r"=+ (\d+) passed in ", said)
    assert passed, said
    assert int(passed[1]) >= 2
    assert jobs(folder, python, "-m", "app") == JOBS


@pytest.mark.full
@pytest.mark.parametrize("version", found_pythons())
def test_nothing_is_installed_that_a_project_could_replace_by_its_name(version: str) -> None:
    python = environment(version, rendered(python_version=version))
    listed = json.loads(uv(python.parent, "pip", "list", "--python", python, "--format", "json"))
    packages = {canonical(package["name"]) for package in listed}
    commands = {path.stem for path in python.parent.iterdir() if re.fullmatch(r"[a-z-]+", path.stem)}
    assert len(packages) > 20
    assert (packages | commands) - set(included("taken-names.txt")) == set()


@pytest.mark.full
def test_the_first_five_minutes_of_the_readme_go_as_it_says() -> None:
    version = list(found_pythons())[-1]
    folder = own_copy(version)
    python = environment(version, folder)
    readme = (folder / "README.md").read_text(encoding="utf-8")
    task, job, embedding = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    edit(folder / "app/services/my_tasks.py", lambda old: f"{old}\n\n{task}")
    edit(
        folder / "app/components/scheduler/main.py",
        lambda old: old.replace(
            "import backup_database,", "import water_the_plants, backup_database,"
        ).replace("    return scheduler\n", f"{job}\n    return scheduler\n"),
    )
    head, body = embedding.split("\n\n")
    inside = body.replace("...  # your application", "await asyncio.sleep(11)")
    program = f"import asyncio\n{head}\nasync def main():\n{indent(inside, '    ')}\n"
    (folder / "program.py").write_text(f"{program}asyncio.run(main())\n", encoding="utf-8")

    log = run_well(folder, python, "program.py", stderr=True)
    assert "The plants have water" in log
    assert jobs(folder, python, "-m", "app") == {*JOBS, "water_the_plants"}
    runs = json.loads(run_well(folder, python, "-m", "app", "runs", "--json"))
    assert ("water_the_plants", "succeeded") in {(run["job_id"], run["state"]) for run in runs}


@pytest.mark.full
def test_make_installs_with_uv_and_the_checks_pass_whatever_was_answered() -> None:
    version, python = list(found_pythons().items())[-1]
    folder = render(
        fresh_folder() / "engine",
        project_name="engine",
        project_description=HOSTILE,
        author_name=HOSTILE,
        author_email="o'neil&co@example.org",
        python_version=version,
    )
    run_well(folder, "make", "install", f"UV={find_uv_bin()}", f"PYTHON={python}")
    assert (folder / "uv.lock").exists()
    assert jobs(folder, folder / ".venv/bin/engine") == JOBS
    run_well(folder, "make", "check", "test", f"UV={find_uv_bin()}")


def test_make_refuses_a_python_that_is_too_old_or_lacks_a_part() -> None:
    folder = own_copy("3.15")
    bin_folder = fresh_folder("bin")
    for name in ("python", "python3", *(f"python{version}" for version in choices("python_version"))):
        (bin_folder / name).write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
        (bin_folder / name).chmod(0o755)
    path = f"PATH={bin_folder}{os.pathsep}{os.environ['PATH']}"
    done = run(folder, "env", path, "make", "install", "UV=")
    assert done.returncode != 0
    assert "No suitable Python found: pyproject.toml asks for 3.15 or newer" in done.stderr
    assert not (folder / ".venv").exists()


def test_make_alone_lists_what_it_can_do() -> None:
    said = run_well(rendered(), "make").splitlines()
    assert [line.split()[:2] for line in said] == [
        ["make", verb] for verb in ("help", "install", "run", "test", "check", "update", "outdated")
    ]
