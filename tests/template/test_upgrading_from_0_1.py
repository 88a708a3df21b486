"""From a project with the scheduler inside to one that depends on it: nothing is lost silently."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from everytick.update import edits
from everytick.update.project import Project as Updated

import warm_copier
from released_versions import KEPT, NEWEST, RUNTIME, releases
from rendering import Project, fresh_folder, git
from test_git_configurations import configure, ignoring
from test_ownership import add, conflicts
from test_updating_installs import PYTHON, said, shell

OLD_PLACE = RUNTIME.removeprefix("template/")
ENGINE_FILE = f"{OLD_PLACE}/ledger/database.py"
MINE = f"{OLD_PLACE}/of_mine.py"


def head(project: Project) -> str:
    """Return the newest commit."""
    return git(project.folder, "rev-parse", "HEAD").strip()


def edited(version: str) -> tuple[Project, list[str]]:
    """Return a project whose user changed files that went later, and the names of these."""
    project = releases(whole=True).project(version)
    names = ["app/cli.py", ENGINE_FILE]
    project.edit("app/cli.py", add("\n# Mine, with an ä.\n"))
    project.edit(ENGINE_FILE, lambda old: old.replace("\n\n\n", "\n\n\n# mine\n", 1))
    if (project.folder / "app/components/dashboard").exists():
        names.insert(1, "app/components/dashboard/static/style.css")
        project.edit(names[1], lambda old: old[: len(old) // 2])
    project.edit(MINE, lambda _: '"""Mine."""\n')
    project.edit("app/services/watering.py", lambda _: '"""Mine."""\n')
    project.commit("mine")
    return project, names


@pytest.mark.full
@pytest.mark.parametrize("version", KEPT)
def test_changes_in_files_that_went_are_named_and_kept(version: str) -> None:
    project, names = edited(version)
    before = head(project)
    project.update()
    assert conflicts(project) == []
    found = edits.save(Updated(project.folder), before, merged_just_now=True)
    assert (found.lost, found.patch, found.left) == (names, "everytick-edits.patch", [MINE])
    assert (project.folder / MINE).exists()
    # The patch is all that the user had changed in them: put onto the version as it was made, it gives them.
    made = fresh_folder("made") / "project"
    git(project.folder, "worktree", "add", "--quiet", str(made), f"{before}~1")
    git(made, "apply", str(project.folder / "everytick-edits.patch"))
    for name in names:
        assert (made / name).read_text("utf-8") == git(project.folder, "show", f"{before}:{name}")
    # A second look says the same, and writes nothing new.
    assert edits.save(Updated(project.folder), before, merged_just_now=False).lost == names
    assert [it.name for it in project.folder.glob("*.patch")] == ["everytick-edits.patch"]


@pytest.mark.full
def test_a_patch_of_another_update_stays() -> None:
    project, _ = edited(KEPT[-1])
    (project.folder / "everytick-edits.patch").write_text("another\n", encoding="utf-8")
    project.commit("another patch")
    before = head(project)
    project.update()
    assert (
        edits.save(Updated(project.folder), before, merged_just_now=True).patch == "everytick-edits-2.patch"
    )
    assert (project.folder / "everytick-edits.patch").read_text("utf-8") == "another\n"


@pytest.mark.full
@pytest.mark.parametrize("version", KEPT)
def test_who_had_changed_nothing_hears_nothing(version: str) -> None:
    project = releases(whole=True).project(version)
    project.edit("app/services/watering.py", lambda _: '"""Mine."""\n')
    project.edit("Makefile", add("\ndeploy: ## put it on the server\n\t@echo deployed\n"))
    project.commit("mine")
    before = head(project)
    project.update()
    found = edits.save(Updated(project.folder), before, merged_just_now=True)
    assert found == edits.Edits()
    assert (found.sentence(), found.remark()) == (None, None)


@pytest.mark.full
def test_traces_of_the_old_engine_go() -> None:
    project = releases(whole=True).project(KEPT[-1])
    before = head(project)
    compiled = [f"{OLD_PLACE}/ledger/__pycache__/database.pyc", "app/commands/__pycache__/output.pyc"]
    for name in [*compiled, "app/__pycache__/cli.pyc"]:
        project.edit(name, lambda _: "compiled")
    project.update()
    edits.remove_traces(Updated(project.folder), before)
    assert not (project.folder / OLD_PLACE / "ledger").exists()
    assert not (project.folder / "app/commands").exists()
    assert (project.folder / "app/__pycache__").exists()
    assert (project.folder / OLD_PLACE / "__init__.py").exists()


@pytest.mark.full
def test_lines_that_the_old_update_lost_are_back_or_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    # 0.1.0 called Copier with whatever its user had told git.
    project = releases().project(KEPT[-1])
    project.edit("Makefile", add("\ndeploy: ## put it on the server\n\t@echo deployed\n"))
    project.edit(".env.example", lambda text: f"# Mind the step.\n{text}\n# The door bell.\n# BELL=1\n")
    project.commit("mine")
    before = head(project)
    configure(ignoring(".env*", "Makefile"), monkeypatch)
    command = [str(warm_copier.program()), "update", "--defaults", "--quiet"]
    subprocess.run(command, cwd=project.folder, check=True, capture_output=True)
    assert "deployed" not in (project.folder / "Makefile").read_text(encoding="utf-8")
    found = edits.save(Updated(project.folder), before, merged_just_now=True)
    # What stood below a separator is the user's: it is put back. A line above is kept beside.
    assert sorted(found.back) == [".env.example", "Makefile"]
    assert (project.folder / "Makefile").read_text(encoding="utf-8").endswith("\n\t@echo deployed\n")
    assert (project.folder / ".env.example").read_text(encoding="utf-8").endswith("\n# BELL=1\n")
    assert found.lost == [".env.example"]
    patch = (project.folder / "everytick-edits.patch").read_text(encoding="utf-8")
    assert "+# Mind the step.\n" in patch
    # Later the user may have taken lines out on purpose.
    assert edits.save(Updated(project.folder), before, merged_just_now=False).lost == []


@pytest.mark.full
def test_where_it_cannot_be_told_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    project, _ = edited(KEPT[-1])
    before = head(project)
    project.update()
    tools = fresh_folder("tools")
    (tools / "git").symlink_to("/usr/bin/git")
    monkeypatch.setenv("PATH", str(tools))
    monkeypatch.setattr("sysconfig.get_path", lambda _: str(tools))
    sentence = edits.save(Updated(project.folder), before, merged_just_now=True).sentence()
    assert sentence is not None
    assert sentence.startswith(
        "whether you had changed something in files that are gone now cannot be told ("
    )
    shown = sentence.partition("see `")[2].removesuffix("`").split()[1:]
    assert f"-{'# Mine, with an ä.'}\n" in git(project.folder, *shown)


# --- for real


@pytest.mark.full
@pytest.mark.parametrize("version", KEPT)
def test_the_update_of_an_older_version_brings_the_engine_and_says_what_went(version: str) -> None:
    project = releases(engine=True, whole=True).project(version)
    assert shell(project, "make install").returncode == 0
    for name in ("app/cli.py", ENGINE_FILE):
        project.edit(name, add("\n# mine\n"))
    project.edit(MINE, lambda _: '"""Mine."""\n')
    project.commit("mine")

    done = shell(project, "make update")
    if not (project.folder / ".template").exists():
        raise AssertionError(said(done))
    if version != KEPT[-1]:
        # It only merges. What is not installed yet is said in a sentence.
        assert done.returncode == 0, said(done)
        done = shell(project, f"{PYTHON} -m app jobs")
        assert (done.returncode, done.stdout, done.stderr) == (
            1,
            "",
            "error: the engine that pyproject.toml names is not installed here: run `make install`\n",
        )
        done = shell(project, f"{PYTHON} .template/update.py finish")
    assert done.returncode != 0
    assert f"Updated to {NEWEST}. What changed for you:" in done.stdout, said(done)
    assert "## [Unreleased]" in done.stdout
    assert f"These files of yours stay; what they import from the files beside them may be gone:\n{MINE}" in (
        done.stdout
    )
    complaint = done.stderr.partition("is gone with the update; it is kept in everytick-edits.patch")[2]
    assert complaint.splitlines()[1:3] == ["app/cli.py", ENGINE_FILE]
    assert (project.folder / "everytick-edits.patch").exists()
    assert "passed" in done.stdout
    # The application goes on, also by the names that 0.1 gave to its commands.
    assert "daily_report" in shell(project, f"{PYTHON} -m app jobs --json").stdout
    assert "plant-care" in shell(project, ".venv/bin/plant-care --version").stdout
    assert "error" not in shell(project, f"{PYTHON} -m app doctor").stderr
    extras = shell(project, "uv sync --extra otel --extra alerts")
    assert extras.returncode == 0, said(extras)
    project.commit("updated")
    # And the next update is that of the engine.
    done = shell(project, "make outdated")
    assert "has the newest version of the template" in done.stdout


@pytest.mark.full
def test_the_update_of_0_1_0_without_a_network_says_how_to_go_on() -> None:
    project = releases(engine=True, whole=True).project(KEPT[-1])
    assert shell(project, "make install").returncode == 0
    project.commit("lock")
    away = {"UV_OFFLINE": "1", "UV_CACHE_DIR": str(fresh_folder("cache"))}
    done = shell(project, "make update", **away)
    assert done.returncode != 0
    assert "does not pass: nothing of yours is lost" in done.stderr
    assert "Traceback" not in done.stderr
    done = shell(project, "python3 .template/update.py finish")
    assert done.returncode == 0, said(done)
    assert "daily_report" in shell(project, f"{PYTHON} -m app jobs --json").stdout


@pytest.mark.full
def test_the_old_places_can_be_taken_away(monkeypatch: pytest.MonkeyPatch) -> None:
    project = releases(whole=True).project(KEPT[-1])
    project.update()
    project.commit("updated")
    assert project.answers()["legacy"] is True
    to_the_new: dict[str, Callable[[str], str]] = {
        name: lambda old: old.replace("app.components.scheduler.runtime", "everytick")
        for name in ("app/components/scheduler/main.py", "app/core/config.py", "app/core/log.py")
    }
    for name, change in to_the_new.items():
        project.edit(name, change)
    project.commit("the new names")
    project.update(vcs_ref=NEWEST, data={"legacy": False})
    assert project.answers()["legacy"] is False
    for name in (OLD_PLACE, "app/core/ledger.py", ".template"):
        assert not Path(project.folder, name).exists()
    assert "optional-dependencies" not in (project.folder / "pyproject.toml").read_text(encoding="utf-8")
    assert conflicts(project) == []
