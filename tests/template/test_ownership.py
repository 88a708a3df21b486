"""Whose file is whose: what an update may touch, merge, and must leave alone."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from copier import VcsRef
from uv import find_uv_bin

from pythons import run, run_well, uv
from rendering import Project, TemplateHistory, contents, files, fresh_folder, git, render
from test_render import DEPLOYMENT, SHARED, SHARED_DEPLOYMENT, ownership, row_of

SEPARATOR = "go below this line; updates leave them alone\n"
MARKER = re.compile(rb"^(<<<<<<<|>>>>>>>) ", re.MULTILINE)
SERVICE = "app/services/my_tasks.py"
SCHEDULE = "app/components/scheduler/main.py"


def add(text: str) -> Callable[[str], str]:
    """Return an edit that appends."""
    return lambda old: old + text


def put(before: str, text: str) -> Callable[[str], str]:
    """Return an edit that puts a text before another."""
    return lambda old: old.replace(before, text + before, 1)


def change_every_file(history: TemplateHistory, text: str) -> None:
    """Make a version in which no file of the template is as it was."""
    for name in files(history.folder / "template"):
        history.edit(f"template/{name}", add(f"# {text}\n"))


def conflicts(project: Project) -> list[str]:
    """Return the files that an update left unfinished."""
    return [
        name
        for name, data in contents(project.folder).items()
        if name.endswith(".rej") or MARKER.search(data)
    ]


# --- what is the user's


@pytest.mark.full
@pytest.mark.parametrize(
    "answers",
    [
        {},
        pytest.param({"ci": "gitlab", "licence": "Apache-2.0"}, marks=pytest.mark.full),
        pytest.param({"ci": "none", "licence": "none"}, marks=pytest.mark.full),
    ],
    ids=["github-MIT", "gitlab-Apache", "none-none"],
)
def test_an_update_changes_exactly_what_the_table_says(answers: dict[str, str]) -> None:
    history = TemplateHistory()
    history.release("1.0.0")
    project = history.copy(**answers)
    before = contents(project.folder)
    rows = ownership(project.folder)

    change_every_file(history, "second release")
    history.release("2.0.0")
    project.update()

    after = contents(project.folder)
    assert set(after) == set(before)
    changed = {name for name in before if after[name] != before[name]}
    theirs = {name for name in before if rows[row_of(name, rows)[0]] != "yours"}
    assert changed == theirs
    assert conflicts(project) == []


@pytest.mark.full
def test_edited_and_deleted_files_of_the_user_stay_so_through_every_update(
    history: TemplateHistory, project: Project
) -> None:
    project.edit(SERVICE, add("\n\ndef mine() -> None:\n    pass\n"))
    project.edit(SCHEDULE, lambda old: old.replace("hour=9", "hour=7"))
    project.edit("app/core/config.py", add("\n# mine\n"))
    project.edit("app/core/log.py", add("\n# mine\n"))
    project.edit("app/core/project.toml", add("# mine\n"))
    project.edit("app/services/later.py", add('"""A file that a later version also ships."""\n'))
    gone = ["README.md", "LICENSE", ".github/workflows/ci.yml", "tests/test_my_tasks.py"]
    for name in gone:
        (project.folder / name).unlink()
    project.commit("mine")
    rows = ownership(history.copy().folder)
    mine = {
        name: data
        for name, data in contents(project.folder).items()
        if rows[row_of(name, rows)[0]] == "yours"
    }
    assert len(mine) > 4

    change_every_file(history, "second release")
    history.edit("template/app/services/later.py", add('"""The template\'s."""\n'))
    history.release("2.0.0")
    project.update()
    project.commit("second")
    check_that_only_mine_is_there(project, mine, gone)

    # The template drops, moves and rewrites what is the user's.
    (history.folder / "template" / SERVICE).unlink()
    (history.folder / "template" / SCHEDULE).rename(
        history.folder / "template/app/components/scheduler/schedule.py"
    )
    change_every_file(history, "third release")
    history.release("3.0.0")
    project.update()
    check_that_only_mine_is_there(project, mine, gone)


def check_that_only_mine_is_there(project: Project, mine: dict[str, bytes], gone: list[str]) -> None:
    """Compare the user's files with what the user left."""
    there = contents(project.folder)
    assert {name: there.get(name) for name in mine} == mine
    assert [name for name in gone if name in there] == []
    assert conflicts(project) == []


@pytest.mark.full
def test_turning_a_part_off_keeps_the_users_files(history: TemplateHistory, project: Project) -> None:
    project.edit(".github/workflows/ci.yml", add("# mine\n"))
    project.commit("mine")
    before = contents(project.folder)
    history.release("2.0.0")
    project.update(data={"ci": "none", "licence": "none"})
    after = contents(project.folder)
    for name in (".github/workflows/ci.yml", "LICENSE"):
        assert after[name] == before[name]


@pytest.mark.full
@pytest.mark.long
def test_parts_that_are_turned_off_and_on_leave_a_project_whose_checks_pass() -> None:
    history = TemplateHistory(engine=True)
    history.release("1.0.0")
    project = history.copy()
    make = ("make", f"UV={find_uv_bin()}")
    routes = "app/components/dashboard/routes.py"
    project.edit(routes, add("\n# mine\n"))
    project.commit("mine")

    nothing = {"parts": [], "dashboard": False, "container": False, "deployment": "none", "ci": "none"}
    project.update(vcs_ref=VcsRef.CURRENT, data={**nothing, "licence": "none"})
    assert conflicts(project) == []
    # Of what went only files stay that are the user's.
    fresh = set(contents(history.copy(**nothing, licence="none").folder))
    assert set(contents(project.folder)) - fresh == {
        routes,
        "LICENSE",
        ".github/workflows/ci.yml",
        "renovate.json",
    }
    run_well(project.folder, *make, "install", "check", "test")
    python = project.folder / ".venv/bin/python"
    assert run(project.folder, python, "-c", "import fastapi").returncode != 0
    assert "made without the dashboard" in dashboard_link(project, python)
    project.commit("nothing")

    project.update(vcs_ref=VcsRef.CURRENT, data={"dashboard": True, "parts": ["tracing"]})
    assert conflicts(project) == []
    run_well(project.folder, *make, "install", "check", "test")
    run_well(project.folder, python, "-c", "import fastapi, opentelemetry.sdk")
    assert "no dashboard of this ledger has made its token yet" in dashboard_link(project, python)


def dashboard_link(project: Project, python: Path) -> str:
    """Return the link that the application prints, or why it has none."""
    done = run(project.folder, python, "-m", "app", "dashboard", "--link")
    return done.stdout.strip() or done.stderr.strip()


@pytest.mark.full
def test_the_dashboard_comes_to_a_project_that_was_made_without(history: TemplateHistory) -> None:
    project = history.copy(dashboard=False)
    project.update(vcs_ref=VcsRef.CURRENT, data={"dashboard": True})
    said = run_well(
        project.folder,
        sys.executable,
        "-c",
        "from app import application; from everytick.api.loading import own_routers;"
        " print(application.has_dashboard, own_routers())",
    )
    assert said == "True []\n"


# --- what is shared

# What a user adds below each separator, and what the template changes right above it.
BELOW = {
    "Makefile": ["\ndeploy: ## put it on the server\n\t@echo deployed\n"],
    ".gitignore": ["/secrets/\n"],
    ".env.example": ["\n# The door bell.\n# BELL=1\n"],
    "pyproject.toml": [
        '    "httpx>=0.28",\n',
        '    "hypothesis>=6",\n',
        '\n[tool.ruff.lint.per-file-ignores]\n"tests/*" = ["S101"]\n',
    ],
    "Dockerfile": ["\nUSER root\nRUN apt-get update\nUSER app\n"],
    ".dockerignore": ["/notes/\n"],
    "deploy/systemd/scheduler.service": ["\nNice=5\n"],
    "deploy/postgresql/roles.sql": ["\nGRANT scheduler_reader TO grafana;\n"],
    "deploy/kubernetes/kustomization.yaml": ["\nnamePrefix: mine-\n"],
    "compose.yaml": [
        '    ports: ["80:80"]\n',
        "\n  redis:\n    image: redis\n",
        "  redis:\n",
    ],
}


def below_the_separators(texts: list[str]) -> Callable[[str], str]:
    """Return an edit that puts one text below each separator of a file."""

    def change(old: str) -> str:
        parts = old.split(SEPARATOR)
        assert len(parts) == len(texts) + 1
        return parts[0] + "".join(
            SEPARATOR + text + part for text, part in zip(texts, parts[1:], strict=True)
        )

    return change


@pytest.mark.full
@pytest.mark.parametrize("deployment", ["systemd", "kubernetes"])
def test_lines_below_a_separator_never_conflict(history: TemplateHistory, deployment: str) -> None:
    assert set(BELOW) == SHARED | SHARED_DEPLOYMENT
    project = history.copy(deployment=deployment)
    there = {
        name: texts
        for name, texts in BELOW.items()
        if name in SHARED or name.startswith(DEPLOYMENT[deployment])
    }
    for name, texts in there.items():
        project.edit(name, below_the_separators(texts))
    project.commit("mine")

    for number in (2, 3):
        history.edit("template/Makefile", put("\n# yours: targets", f"\n# release {number}\n"))
        history.edit("template/.gitignore.jinja", put("\n# yours: patterns", f"/release-{number}/\n"))
        history.edit("template/.env.example.jinja", put("\n# yours: settings", f"# RELEASE_{number}=1\n"))
        pyproject = "template/pyproject.toml.jinja"
        history.edit(pyproject, put("    # yours: packages", f'    "release-{number}",\n'))
        history.edit(pyproject, put("    # yours: tools", f'    "release-{number}",\n'))
        history.edit(pyproject, put("\n# yours: settings", f"release = {number}\n"))
        history.edit("template/Dockerfile.jinja", put("\n# yours: steps", f"ENV RELEASE={number}\n"))
        history.edit("template/.dockerignore", put("\n# yours: patterns", f"/release-{number}/\n"))
        compose = "template/compose.yaml.jinja"
        history.edit(compose, put("    # yours: lines of your own", f"    x-release: {number}\n"))
        history.edit(compose, put("\n  # yours: services", f"\n  release-{number}:\n    build: .\n"))
        history.edit(compose, put("  # yours: volumes", f"  release-{number}:\n"))
        unit, roles = (
            "template/deploy/systemd/scheduler.service.jinja",
            "template/deploy/postgresql/roles.sql",
        )
        history.edit(unit, put("\n# yours: directives", f"\n# release {number}\n"))
        history.edit(roles, put("\n-- yours: roles", f"\n-- release {number}\n"))
        kustomization = "template/deploy/kubernetes/kustomization.yaml.jinja"
        history.edit(kustomization, put("\n# yours: names", f"\n# release {number}\n"))
        history.release(f"{number}.0.0")
        project.update()
        assert conflicts(project) == []
        project.commit(f"update {number}")

    fresh = history.copy(deployment=deployment)
    for name, texts in there.items():
        theirs = (fresh.folder / name).read_text(encoding="utf-8")
        merged = (project.folder / name).read_text(encoding="utf-8")
        assert "elease" in theirs.replace("RELEASE", "release")
        assert merged == below_the_separators(texts)(theirs)


@pytest.mark.full
def test_uv_add_puts_packages_below_the_separators() -> None:
    project = Project(render(fresh_folder() / "app"))
    before = (project.folder / "pyproject.toml").read_text(encoding="utf-8")
    for group in ([], ["--dev"]):
        for package in ("aiohttp>=3", "zope-interface>=7", "httpx>=0.28"):
            uv(project.folder, "add", "--frozen", *group, package)

    added = "".join(f'    "{name}",\n' for name in ("aiohttp>=3", "zope-interface>=7", "httpx>=0.28"))
    after = (project.folder / "pyproject.toml").read_text(encoding="utf-8")
    assert after == below_the_separators([added, added, ""])(before)


@pytest.mark.full
def test_another_pin_beside_the_engines_line_and_packages_of_uv_never_conflict(
    history: TemplateHistory, project: Project
) -> None:
    for number in (2, 3, 4):
        if number == 2:
            project.edit("pyproject.toml", lambda old: old.replace('"loguru>=0.7.3"', '"loguru>=0.7.2"'))
        uv(project.folder, "add", "--frozen", f"aiohttp>={number}")
        if number == 3:
            uv(project.folder, "add", "--frozen", "zope-interface>=7")
        if number == 4:
            uv(project.folder, "remove", "--frozen", "zope-interface")
        project.commit("mine")
        history.edit("template/Makefile", lambda old: f"# a later release\n{old}")
        history.release(f"{number}.0.0")
        project.update()
        assert conflicts(project) == []
        text = (project.folder / "pyproject.toml").read_text(encoding="utf-8")
        assert f"@{git(history.folder, 'rev-parse', 'HEAD').strip()}" in text
        project.commit("update")
    rows = text.partition("dependencies = [\n")[2].partition("\n]")[0].splitlines()
    firsts = ['"loguru>=0.7.2",', "# The", '"everytick', "# yours:", '"aiohttp>=']
    for row, first in zip(rows, firsts, strict=True):
        assert row.strip().startswith(first)


@pytest.mark.full
def test_edits_elsewhere_in_the_templates_files_are_merged(
    history: TemplateHistory, project: Project
) -> None:
    project.edit("app/__main__.py", add("\n# mine, at the end\n"))
    project.edit("pyproject.toml", lambda old: old.replace('"0.1.0"', '"0.2.0"'))
    project.commit("mine")
    history.edit("template/app/__main__.py", lambda old: f"# theirs, at the start\n{old}")
    history.edit("template/pyproject.toml.jinja", lambda old: old.replace("loguru>=", "loguru>"))
    history.release("2.0.0")
    project.update()

    merged = (project.folder / "app/__main__.py").read_text(encoding="utf-8")
    assert merged.startswith("# theirs, at the start\n")
    assert merged.endswith("\n# mine, at the end\n")
    pyproject = (project.folder / "pyproject.toml").read_text(encoding="utf-8")
    assert '"0.2.0"' in pyproject
    assert "loguru>0" in pyproject
    assert conflicts(project) == []
