"""Every combination of answers: what must be there, what must not, and nothing left over."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped,unused-ignore]
from everytick.dashboard.settings import DashboardSettings
from everytick.settings import SchedulerSettings
from packaging.requirements import Requirement

from app_session import ROOT
from pythons import environment, found_pythons
from rendering import choices, combinations, contents, files, fresh_folder, git, render, rendered

CI_FILES = {"github": ".github/workflows/ci.yml", "gitlab": ".gitlab-ci.yml"}
LICENCES = {
    "MIT": ("MIT License\n", "Permission is hereby granted, free of charge", 21),
    "BSD-3-Clause": ("BSD 3-Clause License\n", "Redistribution and use in source and binary", 28),
    "Apache-2.0": ("Apache License\n", "END OF TERMS AND CONDITIONS", 201),
}
OWNERS = {"yours", "shared", "the template's"}
CONTAINER = {"Dockerfile", "compose.yaml", ".dockerignore"}
DASHBOARD = (
    "app/components/dashboard/",
    "deploy/grafana-dashboard.json",
    "deploy/prometheus-alerts.yml",
    "deploy/kubernetes/dashboard.yaml",
)
# What each answer to the question of deployment brings, and what of it is shared.
DEPLOYMENT = {
    "systemd": ("deploy/systemd/", "deploy/postgresql/"),
    "kubernetes": ("deploy/kubernetes/", "deploy/postgresql/"),
    "none": (),
}
SHARED_DEPLOYMENT = {
    "deploy/systemd/scheduler.service",
    "deploy/kubernetes/kustomization.yaml",
    "deploy/postgresql/roles.sql",
}
# What only a project of version 0.1 has.
OF_AN_OLDER_PROJECT = ("app/components/scheduler/runtime/", "app/core/ledger.py", ".template/")
# Braces mean something in these by themselves.
BRACES = (".py", ".py.mako", "grafana-dashboard.json", "prometheus-alerts.yml")
SHARED = {"pyproject.toml", ".env.example", "Makefile", ".gitignore", *CONTAINER}


def name_of(combination: dict[str, Any]) -> str:
    """Return what pytest shows."""
    return "-".join("+".join(it) if isinstance(it, list) else str(it) for it in combination.values())


def ownership(folder: Path) -> dict[str, str]:
    """Return who owns which path, by the table in the README; a folder ends with a slash."""
    found: dict[str, str] = {}
    for line in (folder / "README.md").read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 3 and cells[1] in OWNERS:
            for path in re.findall(r"`([^`]+)`", cells[0]):
                assert path not in found, f"{path} has two rows"
                found[path] = cells[1]
    return found


def row_of(path: str, rows: dict[str, str]) -> list[str]:
    """Return the rows that speak of a file: of a folder and of what is named in it, the latter."""
    found = [row for row in rows if row == path or (row.endswith("/") and path.startswith(row))]
    longest = max(map(len, found), default=0)
    return [row for row in found if len(row) == longest]


def tree(folder: Path) -> str:
    """Return a hash of what the checks of the Python files depend on: not on the packages, which are here."""
    project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))
    digest = hashlib.sha256(project["project"]["requires-python"].encode())
    tools = {name: said for name, said in project["tool"].items() if name != "hatch"}
    digest.update(json.dumps(tools, sort_keys=True).encode())
    for name in files(folder):
        if name.endswith(".py"):
            digest.update(f"\0{name}\0".encode() + (folder / name).read_bytes())
    return digest.hexdigest()


def check(folder: Path, *command: str, python: str | Path = sys.executable) -> str:
    """Run a tool in a rendered application; return what it says, nothing when it is content."""
    done = subprocess.run([python, "-m", *command], cwd=folder, capture_output=True, text=True)
    return "" if done.returncode == 0 else done.stdout + done.stderr


def mypy(folder: Path, version: str) -> str:
    """Check the types as that Python would see them, where the engine is installed as users have it.

    So the cache is that of the applications which other tests install: looking at all packages takes long.
    """
    oldest = next(iter(found_pythons()))
    python = environment(oldest, rendered(python_version=oldest))
    return check(folder, "mypy", "--python-version", version, python=python)


# --- every combination


def with_marks(combination: dict[str, Any]) -> Any:
    """Leave to the full suite what differs from the defaults in more than one answer."""
    defaults = {name: choices(name)[0] for name in combination}
    quick = sum(combination[name] != value for name, value in defaults.items()) <= 1
    return pytest.param(combination, id=name_of(combination), marks=[] if quick else [pytest.mark.full])


def is_tried(combination: dict[str, Any]) -> bool:
    """Tell whether a combination is rendered: some answers have nothing to do with each other."""
    usual = {name for name, value in combination.items() if value == choices(name)[0]}
    # What is installed, and from where, shows in the files for CI and images, not in the licence.
    packages = {"parts", "engine_source"} <= usual or {"python_version", "licence"} <= usual
    servers = "deployment" in usual or {"python_version", "ci", "licence", "parts", "engine_source"} <= usual
    return packages and servers


@pytest.mark.full
@pytest.mark.parametrize("combination", [with_marks(it) for it in combinations() if is_tried(it)])
def test_a_combination_renders_what_was_asked_for_and_nothing_else(
    combination: dict[str, Any],
) -> None:
    folder = rendered(**combination)
    there = contents(folder)

    assert set(there) == expected_files(combination)
    for name, data in there.items():
        check_leftovers(name, data.decode("utf-8"))
        check_syntax(name, data.decode("utf-8"))
    check_project(tomllib.loads(there["pyproject.toml"].decode()), combination)
    check_parts(tomllib.loads(there["pyproject.toml"].decode()), combination)
    check_dashboard(there, combination["dashboard"])
    check_licence(there, combination["licence"])
    check_ci(there, combination)

    rows = ownership(folder)
    assert {name: len(row_of(name, rows)) for name in there} == dict.fromkeys(there, 1)
    assert [row for row in rows if not any(row_of(name, {row: ""}) for name in there)] == []
    shared = SHARED if combination["container"] else SHARED - CONTAINER
    brought = {name for name in SHARED_DEPLOYMENT if name.startswith(DEPLOYMENT[combination["deployment"]])}
    assert {name for name, owner in rows.items() if owner == "shared"} == shared | brought

    # The checks below run for each Python, with the dashboard and without; this ties the rest to them.
    same = {name: combination[name] for name in ("python_version", "dashboard")}
    assert tree(folder) == tree(rendered(**same))


def expected_files(combination: dict[str, Any]) -> set[str]:
    """Return the template's files less the parts that were not asked for."""
    template = ROOT / "template"
    found = {name.removesuffix(".jinja") for name in files(template) if not is_trace(name)}
    found.remove("{{_copier_conf.answers_file}}")
    found.add(".copier-answers.yml")
    for ci, name in CI_FILES.items():
        if combination["ci"] != ci:
            found.remove(name)
    if combination["ci"] == "none":
        found.remove("renovate.json")
    if combination["licence"] == "none":
        found.remove("LICENSE")
    if not combination["dashboard"]:
        found = {name for name in found if not name.startswith(DASHBOARD)}
    parts = {part for brought in DEPLOYMENT.values() for part in brought}
    absent = tuple(parts.difference(DEPLOYMENT[combination["deployment"]]))
    found = {name for name in found if not name.startswith(absent)}
    found = {name for name in found if not name.startswith(OF_AN_OLDER_PROJECT)}
    return found if combination["container"] else found - CONTAINER


def is_trace(name: str) -> bool:
    """Tell what running the template in place leaves."""
    return name.endswith(".pyc") or "_cache/" in name or name.startswith(("data/", ".venv/"))


def check_leftovers(name: str, text: str) -> None:
    """Find what a template forgets. Python files are no templates: they may hold any braces."""
    # So may the pages: they are templates, but not Copier's.
    python = name.endswith((".py", ".py.mako")) or name.startswith(DASHBOARD[0])
    assert ".jinja" not in name
    for mark in () if python or name.endswith(BRACES) else (".jinja", "{{", "{%", "{#", "%}"):
        assert mark not in text, f"{name} has a left-over {mark}"
    assert text.endswith("\n") or not text, f"{name} does not end with a newline"
    assert not text.endswith("\n\n"), f"{name} ends with empty lines"
    assert not text.startswith("\n"), f"{name} begins with an empty line"
    for number, line in enumerate(text.split("\n"), 1):
        assert line == line.rstrip(), f"{name}:{number} has trailing blanks"
    if not python:
        assert "\n\n\n" not in text, f"{name} has empty lines in a row"


def documents(text: str) -> list[Any]:
    """Return what is in a YAML file, which may hold several documents."""
    found = list(yaml.safe_load_all(text))
    return found if all(found) else []


def check_syntax(name: str, text: str) -> None:
    """Parse what has a parser."""
    parsers: dict[str, Callable[[str], Any]] = {
        "toml": tomllib.loads,
        "yml": documents,
        "yaml": documents,
        "json": json.loads,
    }
    if parser := parsers.get(name.rsplit(".", 1)[-1]):
        assert parser(text), f"{name} is empty"


def check_project(project: dict[str, Any], combination: dict[str, Any]) -> None:
    """Compare the package's description with the answers."""
    said = project["project"]
    assert said["requires-python"] == f">={combination['python_version']}"
    assert said.get("license", "none") == combination["licence"]
    assert said["scripts"] == {said["name"]: "app.__main__:main"}
    assert "authors" not in said


def check_parts(project: dict[str, Any], combination: dict[str, Any]) -> None:
    """Compare what the engine brings along with the answers."""
    [engine] = [it for it in project["project"]["dependencies"] if it.startswith("everytick")]
    requirement = Requirement(engine)
    wanted = {*combination["parts"], *(["dashboard"] if combination["dashboard"] else [])}
    assert requirement.extras == wanted
    from_template = combination["engine_source"] == "template"
    assert bool(requirement.url) == from_template
    assert bool(requirement.specifier) == (not from_template)
    # An application that needs no such permission does not have it.
    assert ("hatch" in project["tool"] and "metadata" in project["tool"]["hatch"]) == from_template


def check_dashboard(there: dict[str, bytes], wanted: bool) -> None:
    """Compare what is explained with the answer."""
    for name in ("README.md", ".env.example"):
        assert ("dashboard" in there[name].decode().lower()) == wanted


def check_licence(there: dict[str, bytes], licence: str) -> None:
    """Compare the licence's text and where it is named with the answer."""
    readme = there["README.md"].decode()
    assert ("LICENSE" in readme) == (licence != "none")
    if licence != "none":
        begin, phrase, lines = LICENCES[licence]
        text = there["LICENSE"].decode()
        assert text.lstrip().startswith(begin)
        assert phrase in text
        assert len(text.splitlines()) == lines
        assert re.search(r"Copyright (\(c\) )?20\d\d,? the app authors\n", text)


def check_ci(there: dict[str, bytes], combination: dict[str, Any]) -> None:
    """Compare the pipeline with the answers: it runs the same targets as a person."""
    if combination["ci"] != "none":
        text = there[CI_FILES[combination["ci"]]].decode()
        assert combination["python_version"] in text
        assert re.findall(r"make (\w+)", text) == ["install", "check", "test"]
    for name in CI_FILES.values():
        assert (name in there["README.md"].decode()) == (name in there)


# --- each distinct tree of Python files


@pytest.mark.full
@pytest.mark.parametrize("dashboard", [True, False], ids=["dashboard", "bare"])
@pytest.mark.parametrize("version", choices("python_version"))
def test_a_fresh_render_is_formatted_and_free_of_lint(version: str, dashboard: bool) -> None:
    folder = rendered(python_version=version, dashboard=dashboard)
    for command in (["check"], ["format", "--check"]):
        said = check(folder, "ruff", *command, "--no-cache", ".")
        assert not said, said


@pytest.mark.full
@pytest.mark.parametrize("dashboard", [True, False], ids=["dashboard", "bare"])
def test_a_fresh_render_has_correct_types_on_the_oldest_python(dashboard: bool) -> None:
    said = mypy(rendered(python_version="3.11", dashboard=dashboard), "3.11")
    assert not said, said


@pytest.mark.full
def test_a_fresh_render_has_correct_types_on_the_newest_python() -> None:
    """What types ask of a version, they ask of those after it, up to one that lacks what was taken away."""
    newest = choices("python_version")[-1]
    said = mypy(rendered(python_version=newest), newest)
    assert not said, said


@pytest.mark.full
def test_the_checks_of_a_rendered_application_find_what_is_planted() -> None:
    folder = render(fresh_folder() / "app", python_version="3.11")
    bad = "import os\n\n\ndef twice(number):\n    return number*2\n"
    (folder / "app" / "services" / "bad.py").write_text(bad, encoding="utf-8")
    assert "F401" in check(folder, "ruff", "check", "--no-cache", ".")
    assert "bad.py" in check(folder, "ruff", "format", "--no-cache", "--check", ".")
    assert "bad.py:4: error: Function is missing a type annotation" in mypy(folder, "3.11")


# --- how much there is to read


def test_a_new_project_is_small() -> None:
    there = contents(rendered())
    assert len(there) <= 45
    assert sum(len(data.splitlines()) for name, data in there.items() if name.endswith(".py")) <= 300


def test_the_readme_fits_on_two_screens() -> None:
    readme = (rendered() / "README.md").read_text(encoding="utf-8")
    assert len(readme.splitlines()) <= 95


# --- what belongs together


def test_python_files_are_copied_as_they_are() -> None:
    for name, data in contents(rendered()).items():
        if name.endswith(".py"):
            assert data == (ROOT / "template" / name).read_bytes()


def test_no_text_of_this_repository_has_carriage_returns() -> None:
    # Git is told to leave line ends alone (.gitattributes), so they would reach users as they are.
    listed = git(ROOT, "ls-files", "--eol").splitlines()
    assert listed
    assert [it for it in listed if re.match("[^\t]*/(crlf|mixed)", it)] == []


def test_no_file_name_of_the_template_has_a_condition() -> None:
    names = [name for name in files(ROOT / "template") if not is_trace(name)]
    assert [name for name in names if "{%" in name] == []
    assert [name for name in names if name.endswith((".py.jinja", ".pyi.jinja"))] == []


WITHOUT_A_DEFAULT = {
    "SCHEDULER_QUEUES",
    *(f"SCHEDULER_DASHBOARD_{name}" for name in ("TOKEN", "READ_TOKEN", "NAMES", "URL")),
}


def test_every_setting_is_explained_with_its_default() -> None:
    folder = rendered(timezone="Asia/Tokyo", project_name="engine")
    example = (folder / ".env.example").read_text(encoding="utf-8")
    readme = (folder / "README.md").read_text(encoding="utf-8")
    explained = dict(re.findall(r"^# [^\n]+\.\n# ([A-Z_]+)=(.*)$", example, re.MULTILINE))
    table = dict(re.findall(r"^\| `([A-Z_]+)` \| `([^`]+)` \|", readme, re.MULTILINE))
    fields = {name.upper(): field for name, field in DashboardSettings.model_fields.items()}
    assert set(SchedulerSettings.model_fields) < set(DashboardSettings.model_fields)

    # `.env.example` is complete; the README has the common ones, in the same order, and says where all are.
    assert list(table) == [name for name in explained if name in table]
    assert len(table) >= 6
    assert "copy `.env.example`, which has all of them" in readme
    assert set(explained) == set(fields)
    assert Counter(re.findall(r"[A-Z]+_[A-Z_]+", example)).most_common(1)[0][1] == 1
    for name, field in fields.items():
        if name == "SCHEDULER_TIMEZONE":
            assert explained[name] == table[name] == "Asia/Tokyo"
        elif name == "SCHEDULER_DATABASE_URL":
            assert explained[name].startswith("sqlite:////")
            assert table[name] == "sqlite:///data/ledger.db"
        elif name in WITHOUT_A_DEFAULT:
            assert explained[name] == ""
            assert name not in table
        elif name == "SCHEDULER_ALERT_URLS":
            assert explained[name].startswith("mailto://")
            assert table[name] == "(none)"
            assert str(field.default) == ""
        else:
            default = str(field.default)
            default = default.lower() if isinstance(field.default, bool) else default
            assert explained[name] == default
            assert table.get(name, default) == default


def test_this_repository_checks_the_template_as_a_user_will() -> None:
    here = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    there = tomllib.loads((rendered() / "pyproject.toml").read_text(encoding="utf-8"))
    assert here["tool"]["ruff"]["line-length"] == there["tool"]["ruff"]["line-length"]
    assert here["tool"]["ruff"]["lint"]["select"] == there["tool"]["ruff"]["lint"]["select"]
    ours = here["project"]["dependencies"] + here["dependency-groups"]["dev"]
    theirs = there["project"]["dependencies"] + there["dependency-groups"]["dev"]
    assert {it for it in theirs if not it.startswith("everytick")} - set(ours) == set()


def test_the_name_and_the_zone_reach_the_running_application() -> None:
    folder = rendered(project_name="engine", timezone="Asia/Tokyo")
    text = (folder / "app" / "core" / "project.toml").read_text(encoding="utf-8")
    assert tomllib.loads(text) == {"name": "engine", "timezone": "Asia/Tokyo"}
