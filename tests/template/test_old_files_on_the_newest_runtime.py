"""What users wrote for an earlier version works with the files of the newest.

An update leaves the files of the user's as they are and replaces the others, so a project that was
made from an earlier version and updated is just that: old services, schedule, settings and tests on
the newest scheduler.
"""

from __future__ import annotations

import ast
import json
import re
import sys
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from everytick.former_names import FORMER_NAMES

from child_pytest import PYTEST
from pythons import run_well
from released_versions import KEPT, RUNTIME, releases, unpack, yours
from rendering import contents, fresh_folder
from test_render import mypy

# What an import from where the scheduler was until version 0.1 is answered with.
HANDED_ON = re.compile(r"app\.components\.scheduler\.runtime\.(\w+) is everytick\.\1 now: import it")
PLUGIN = "the pytest plugin app.components.scheduler.runtime.testing is everytick.testing now"
WARNING = re.compile(r"^\s*(\S.*?):\d+: DeprecationWarning: (.*)$", re.MULTILINE)


@cache
def updated(version: str) -> Path:
    """Return a project of an earlier version that was brought up to the newest one."""
    project = releases(whole=True).project(version)
    project.update()
    return project.folder


def unannounced(folder: Path, said: str) -> list[str]:
    """Return the warnings of the project's own files that do not say what to write now."""
    return [
        f"{place}: {text}"
        for place, text in WARNING.findall(said)
        if (folder / place).is_relative_to(folder)
        and not any(name in text for name in FORMER_NAMES)
        and not HANDED_ON.match(text)
        and not text.startswith(PLUGIN)
    ]


def jobs(folder: Path) -> tuple[set[str], str]:
    """Return the ids of the jobs that the application tells of, and what it prints besides."""
    command = [sys.executable, "-W", "always::DeprecationWarning", "-m", "app", "jobs", "--json"]
    said = run_well(folder, *command, stderr=True)
    listed, end = json.JSONDecoder().raw_decode(said)
    return {job["id"] for job in listed}, said[end:]


@pytest.mark.full
@pytest.mark.parametrize("version", KEPT)
def test_the_users_files_are_those_of_the_earlier_version(version: str) -> None:
    answers = {**releases(whole=True).project(version).answers()}
    made = releases(whole=True).fresh(version, answers)
    there = contents(updated(version))
    kept = {name: (made / name).read_bytes() for name in yours(made)}
    assert {name: there.get(name) for name in kept} == kept
    assert {"app/services/my_tasks.py", "app/core/config.py"} <= set(kept)


@pytest.mark.full
@pytest.mark.parametrize("version", KEPT)
def test_their_own_tests_pass(version: str) -> None:
    folder = updated(version)
    python, *called = PYTEST
    said = run_well(folder, python, "-W", "always::DeprecationWarning", *called, stderr=True)
    written = sum(path.read_text("utf-8").count("def test_") for path in folder.glob("tests/**/*.py"))
    passed = re.search(r"=+ (\d+) passed", said)
    assert passed, said
    assert int(passed[1]) >= written >= 2
    assert unannounced(folder, said) == []


@pytest.mark.full
@pytest.mark.parametrize("version", KEPT)
def test_the_jobs_are_the_same(version: str) -> None:
    then, _ = jobs(releases(whole=True).project(version).folder)
    now, said = jobs(updated(version))
    assert now == then != set()
    assert unannounced(updated(version), said) == []


@pytest.mark.full
@pytest.mark.parametrize("version", KEPT)
def test_their_types_are_correct(version: str) -> None:
    said = mypy(updated(version), "3.11")
    assert not said, said


@pytest.mark.parametrize("version", KEPT)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_every_name_that_they_could_import_is_still_there(version: str) -> None:
    folder = unpack(version, fresh_folder(version))
    names = public_names(folder / RUNTIME / "__init__.py")
    assert "AsyncIOScheduler" in names
    for package in (import_module("everytick"), import_module("app.components.scheduler.runtime")):
        assert [name for name in names if not hasattr(package, name)] == []


OLD_IMPORTS = """\
import sys
import app.components.scheduler.runtime
assert "pytest" not in sys.modules
assert "everytick.api.scheduler" not in sys.modules
from app.components.scheduler.runtime import current_run
from app.components.scheduler.runtime import AsyncIOScheduler, SchedulerSettings
import everytick
assert AsyncIOScheduler is everytick.AsyncIOScheduler
assert current_run is everytick.current_run
"""


@pytest.mark.full
@pytest.mark.parametrize("version", KEPT)
def test_the_old_place_hands_on_lazily_and_says_the_new_one_once(version: str) -> None:
    folder = updated(version)
    command = [sys.executable, "-W", "always::DeprecationWarning", "-c", OLD_IMPORTS]
    said = run_well(folder, *command, stderr=True)
    warned = [text for _, text in re.findall(r"^(\S*):\d+: DeprecationWarning: (.*)$", said, re.MULTILINE)]
    named = [match[1] for text in warned if (match := HANDED_ON.match(text))]
    assert named == ["current_run", "AsyncIOScheduler", "SchedulerSettings"]
    assert all("--data legacy=false" in text for text in warned)


def test_what_the_old_place_never_had_is_no_name() -> None:
    runtime = import_module("app.components.scheduler.runtime")
    with pytest.raises(AttributeError, match="has no attribute 'LedgerReader'"):
        _ = runtime.LedgerReader
    with pytest.raises(AttributeError, match="has no attribute 'app'"):
        _ = runtime.app


def public_names(module: Path) -> list[str]:
    """Return what a module's `__all__` says."""
    for node in ast.parse(module.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            found: Any = ast.literal_eval(node.value)
            return [str(name) for name in found]
    raise AssertionError(f"{module} has no __all__")


def test_a_warning_that_nobody_announced_is_found(tmp_path: Path) -> None:
    said = (
        "tests/test_schedule.py::test_due\n"
        "  app/components/scheduler/main.py:3: DeprecationWarning: old is called new now\n"
        f"{tmp_path}/app/cli.py:10: DeprecationWarning: gone soon\n"
        "/usr/lib/python3/library.py:7: DeprecationWarning: of somebody else\n"
    )
    assert unannounced(tmp_path, said) == [
        "app/components/scheduler/main.py: old is called new now",
        f"{tmp_path}/app/cli.py: gone soon",
    ]
