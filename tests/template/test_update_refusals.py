"""What `update` and `outdated` refuse, and what they say is newest."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import copier
import pytest
import yaml  # type: ignore[import-untyped,unused-ignore]
from copier.errors import DirtyLocalWarning
from everytick.update import take, versions
from everytick.update.project import Project as Updated

from app_session import ROOT
from calling_update import LOOK, OUTDATED, TOOLS, call, committed
from calling_update import history as history
from calling_update import taken as taken
from pythons import clean_environment
from rendering import Project, TemplateHistory, fresh_folder, git, render


@pytest.mark.full
def test_it_refuses_a_dirty_tree(history: TemplateHistory, project: Project) -> None:
    history.release("2.0.0")
    project.edit("notes.txt", lambda old: f"{old}not committed\n")
    done = call(project, "update")
    assert done.returncode == 1
    assert "error: commit or stash your changes first" in done.stderr
    assert "notes.txt" in done.stderr
    assert project.answers()["_commit"] == "1.0.0"


@pytest.mark.full
def test_it_needs_git() -> None:
    done = call(Project(render(fresh_folder("no-git") / "app")), "update")
    assert done.returncode == 1
    assert done.stderr == "error: an update needs git: run git init, then commit everything\n"


@pytest.mark.full
def test_where_git_is_not_a_step_is_a_sentence(tmp_path: Path) -> None:
    folder = render(fresh_folder("no-git") / "app")
    project = Project(folder)
    for command in (["app", "outdated"], ["everytick.update", "conflicts"], ["everytick.update", "finish"]):
        done = subprocess.run(
            [sys.executable, "-m", *command],
            cwd=folder,
            env=clean_environment() | {"PATH": str(tmp_path)},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 1
        assert done.stderr == "error: an update needs git, which is not on PATH: install it\n"
    # With git, and without a repository: there is nothing to decide, and nothing to go back to.
    here = {"cwd": folder, "env": clean_environment(), "capture_output": True, "text": True}
    done = subprocess.run([sys.executable, "-m", "everytick.update", "conflicts"], **here)  # type: ignore[call-overload]
    assert (done.returncode, done.stderr) == (0, "")
    done = subprocess.run([sys.executable, "-m", "everytick.update", "finish"], **here)  # type: ignore[call-overload]
    assert done.returncode == 1
    assert done.stderr == "error: an update needs git: run git init, then commit everything\n"
    done = call(project, "update", "--finish")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "error: an update needs git: run git init, then commit everything\n"


@pytest.mark.full
def test_options_that_exclude_each_other_are_wrong_usage(project: Project) -> None:
    done = call(project, "update", "--ref", "HEAD", "--finish")
    assert done.returncode == 2
    assert done.stderr == "error: --ref, --source and --finish exclude each other\n"


@pytest.mark.full
@pytest.mark.parametrize("action", ["update", "outdated"])
def test_a_template_recorded_as_a_relative_path_that_is_gone_is_explained(
    history: TemplateHistory, action: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(history.folder.parent)
    folder = fresh_folder("project") / "app"
    copier.run_copy(history.folder.name, folder, defaults=True, quiet=True)
    project = committed(folder)

    done = call(project, action)
    assert done.returncode == 1
    assert f"error: the template was recorded as the folder {history.folder.name}, " in done.stderr
    assert "Traceback" not in done.stderr

    # The way back that the sentence names.
    assert "`python -m app update --source ADDRESS`" in done.stderr
    done = call(project, "update", "--source", str(history.folder))
    assert done.returncode == 0, done.stderr
    project.commit("where the template is now")
    done = call(project, action)
    assert (done.returncode, done.stdout) == (
        0,
        "This project has the newest version of the template, 1.0.0.\n",
    )


@pytest.mark.full
def test_a_template_that_cannot_be_reached_is_explained(history: TemplateHistory, project: Project) -> None:
    shutil.rmtree(history.folder / ".git")
    # The folder is there, and no template that has versions.
    for action in ("update", "outdated"):
        done = call(project, action)
        assert done.returncode == 1
        assert done.stderr.startswith("error: git cannot tell what the newest version of the template is: ")
        assert "Traceback" not in done.stderr


@pytest.mark.full
def test_a_template_that_was_the_working_directory_is_no_folder_to_find_again(
    history: TemplateHistory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(history.folder)
    folder = fresh_folder("project") / "app"
    copier.run_copy(".", folder, defaults=True, quiet=True)
    done = call(committed(folder), "outdated")
    assert done.returncode == 1
    assert "error: the template was recorded as the folder ., not an absolute one" in done.stderr


@pytest.mark.full
def test_a_project_of_a_state_that_no_repository_has_is_told_the_way_back(history: TemplateHistory) -> None:
    history.edit(f"template/{LOOK}", lambda old: f"{old}# not committed\n")
    folder = fresh_folder("project") / "app"
    with pytest.warns(DirtyLocalWarning):
        copier.run_copy(str(history.folder), folder, defaults=True, quiet=True, vcs_ref="HEAD")
    project = committed(folder)
    history.release("2.0.0")
    made_from = project.answers()["_commit"]
    done = call(project, "update")
    assert done.returncode == 1
    assert f"that its repository does not have, {made_from}: write the release nearest to it" in done.stderr

    project.edit(".copier-answers.yml", lambda old: old.replace(f"_commit: {made_from}", "_commit: 1.0.0"))
    project.commit("the nearest release")
    project.update()
    assert project.answers()["_commit"] == "2.0.0"


@pytest.mark.full
def test_a_version_that_is_not_there_is_not_the_projects_fault(
    history: TemplateHistory, project: Project
) -> None:
    git(history.folder, "branch", "feature/light")
    done = call(project, "update", "--ref", "1.0.1")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "error: the template has no tag or branch '1.0.1'; did you mean '1.0.0'?\n"
    for ref in (
        "1.0.0",
        "main",
        "feature/light",
        "heads/main",
        "refs/tags/1.0.0",
        "HEAD",
        ":current:",
        "main~0",
    ):
        versions.check_ref(Updated(project.folder), ref)
    # What is in no list: commits.
    for ref in ("7654321", "main~9"):
        done = call(project, "update", "--ref", ref)
        assert done.returncode == 1
        assert "Traceback" not in done.stderr
        assert "error: Copier could not update this project (" in done.stderr
        assert ref in done.stderr.splitlines()[-1]
        assert done.stderr.endswith("); nothing was committed\n")


@pytest.mark.full
def test_renders_of_the_daily_workflow_can_be_updated(tmp_path: Path) -> None:
    history = TemplateHistory()
    history.release("1.0.0")
    workflow = yaml.safe_load((ROOT / ".github/workflows/day-one.yml").read_text(encoding="utf-8"))
    for job, step, folder in (("render", 3, "fresh"), ("update", 3, "project")):
        command = workflow["jobs"][job]["steps"][step]["run"]
        environment = clean_environment() | {"PATH": f"{TOOLS}{os.pathsep}{os.environ['PATH']}"}
        subprocess.run(["sh", "-ec", command], cwd=history.folder, env=environment, check=True)
        made = Project(history.folder.parent / folder)
        assert "has the newest version of the template" in call(made, "outdated").stdout


@pytest.mark.full
def test_outdated_needs_no_copier_and_changes_nothing(history: TemplateHistory, project: Project) -> None:
    tools = fresh_folder("tools")
    (tools / "git").symlink_to(shutil.which("git") or "git")
    done = call(project, "outdated", path=str(tools))
    assert (done.returncode, done.stdout) == (
        0,
        "This project has the newest version of the template, 1.0.0.\n",
    )
    history.release("3.0.0rc1")
    history.release("no-version")
    assert call(project, "outdated", path=str(tools)).returncode == 0
    history.release("2.0.0")
    history.release("1.10.0")
    done = call(project, "outdated", path=str(tools))
    assert (done.returncode, done.stdout) == (
        OUTDATED,
        "Version 2.0.0 of the template is out; this project is at 1.0.0. Take it with: make update\n",
    )
    assert git(project.folder, "status", "--porcelain") == ""


@pytest.mark.full
def test_a_project_past_the_last_release_is_told_the_way_back(
    history: TemplateHistory, taken: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    history.edit(f"template/{LOOK}", lambda old: f"{old}# later\n")
    git(history.folder, "commit", "--quiet", "--all", "--message", "later")
    folder = fresh_folder("project") / "app"
    copier.run_copy(str(history.folder), folder, defaults=True, quiet=True, vcs_ref="HEAD")
    project = committed(folder)

    for action in ("update", "outdated"):
        done = call(project, action)
        assert done.returncode == 0
        assert "past the newest release of the template, and will take the next one" in done.stdout
    # The next release is taken as any other.
    history.release("2.0.0")
    assert take.take(Updated(project.folder), None) == 0
    assert project.answers()["_commit"] == "2.0.0"


@pytest.mark.full
def test_a_template_without_a_release_has_none_to_be_past_of(
    history: TemplateHistory, project: Project
) -> None:
    git(history.folder, "tag", "--delete", "1.0.0")
    for action in ("update", "outdated"):
        done = call(project, action)
        assert done.returncode == 0
        assert done.stdout.startswith("This project is at 1.0.0. The template has no release yet: ")
