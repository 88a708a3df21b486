"""`update` and `outdated` in a rendered application: what they refuse, merge, and say.

Nothing is installed here: the application runs with the engine of these tests.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import copier
import pytest
import yaml  # type: ignore[import-untyped,unused-ignore]
from copier.errors import DirtyLocalWarning
from everytick.installed import left_behind
from everytick.update import conflicts, finish, steps, take, versions
from everytick.update.problem import UpdateError
from everytick.update.project import Project as Updated

from app_session import ROOT
from pythons import clean_environment
from rendering import Project, TemplateHistory, fresh_folder, git, render

LOOK = "app/core/__init__.py"
OUTDATED = 3
HERE = Path(sys.executable).parent


def call(project: Project, *command: str, path: str | None = None) -> Any:
    """Run a command of the application, with the Copier of these tests on PATH, or with another PATH."""
    return subprocess.run(
        [sys.executable, "-m", "app", *command],
        cwd=project.folder,
        env=clean_environment() | {"PATH": path or f"{HERE}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
    )


def committed(folder: Path) -> Project:
    """Make a git repository of a rendered folder."""
    git(folder, "init", "--quiet", "--initial-branch", "main")
    project = Project(folder)
    project.commit("first")
    return project


@pytest.fixture
def history() -> TemplateHistory:
    """A template with one release, which has a file that git writes in quotes."""
    made = TemplateHistory()
    made.edit("template/Gießkanne.md", lambda _: "# water\n")
    made.release("1.0.0")
    return made


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let the commands after a merge succeed without being run; return what they are."""
    found: list[str] = []

    def note(_: Updated, command: list[str]) -> int:
        found.append(" ".join([Path(command[0]).name, *command[1:]]))
        return 0

    monkeypatch.setattr(steps, "run", note)
    return found


# --- what it refuses


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
        environment = clean_environment() | {"PATH": f"{HERE}{os.pathsep}{os.environ['PATH']}"}
        subprocess.run(["sh", "-ec", command], cwd=history.folder, env=environment, check=True)
        made = Project(history.folder.parent / folder)
        assert "has the newest version of the template" in call(made, "outdated").stdout


# --- what is newest


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


# --- what conflicts


def both_change_a_line(history: TemplateHistory, project: Project) -> list[str]:
    """Let the user and the next release change the same line of some files; return their names."""
    names = [".editorconfig", "Gießkanne.md", LOOK]
    for name in names:
        project.edit(name, lambda old: f"# mine\n{old}")
        history.edit(f"template/{name}", lambda old: f"# theirs\n{old}")
    project.commit("mine")
    history.release("2.0.0")
    return names


@pytest.mark.full
def test_it_fails_with_the_list_of_conflicts(
    history: TemplateHistory, project: Project, taken: list[str]
) -> None:
    names = both_change_a_line(history, project)
    updated = Updated(project.folder)
    with pytest.raises(UpdateError) as problem:
        take.take(updated, None)
    assert "you and the template changed the same lines" in str(problem.value)
    assert str(problem.value).partition("and commit:\n")[2].splitlines() == names
    for name in names:
        text = (project.folder / name).read_text(encoding="utf-8")
        assert "# mine\n" in text
        assert "# theirs\n" in text
    # Nothing goes on before they are solved, and no check passes: not even if the application's own files
    # cannot be imported.
    with pytest.raises(UpdateError, match="the same lines"):
        take.install(updated, "HEAD")
    assert taken == []
    command = [sys.executable, "-m", "everytick.update", "conflicts"]
    done = subprocess.run(command, cwd=project.folder, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: you and the template changed the same lines.")
    for name in names:
        project.edit(name, lambda _: "# decided\n")
        git(project.folder, "add", name)
    conflicts.check(updated)
    assert take.install(updated, "HEAD") == 0
    assert [it.partition(" ")[2] for it in taken][-1] == "-m everytick.update finish --since HEAD"


@pytest.mark.full
def test_it_fails_with_the_list_of_rejected_changes(
    history: TemplateHistory, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = both_change_a_line(history, project)
    folder = fresh_folder("bin")
    rejecting = 'test "$1" = update && set -- "$@" --conflict rej'
    program = f'#!/bin/sh\n{rejecting}\nexec "{sys.executable}" -m copier "$@"\n'
    (folder / "copier").write_text(program, encoding="utf-8")
    (folder / "copier").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    with pytest.raises(UpdateError) as problem:
        take.take(Updated(project.folder), None)
    assert str(problem.value).endswith("\n".join(f"{name}.rej" for name in names))


@pytest.mark.full
def test_a_conflict_decided_for_the_old_engine_is_told_until_the_line_names_the_new_one(
    history: TemplateHistory, project: Project, taken: list[str]
) -> None:
    old = git(history.folder, "rev-parse", "HEAD").strip()
    # Parts by hand, on the engine's own line.
    project.edit("pyproject.toml", lambda text: text.replace("[alerts,dashboard,", "[dashboard,"))
    project.commit("mine")
    history.edit("template/Makefile", lambda text: f"# a later release\n{text}")
    history.release("2.0.0")
    new = git(history.folder, "rev-parse", "HEAD").strip()
    updated = Updated(project.folder)
    with pytest.raises(UpdateError, match="the same lines"):
        take.take(updated, None)
    git(project.folder, "checkout", "--ours", "pyproject.toml")
    git(project.folder, "add", "pyproject.toml")

    done = call(project, "update", "--finish")
    assert done.returncode == 1
    assert done.stderr == (
        f"error: pyproject.toml names the commit {old[:12]} of the engine, and the template's version here is"
        f" {new[:12]}: put {new} behind the `@` of its line, then run `python -m app update --finish`\n"
    )
    with pytest.raises(UpdateError, match="names the commit"):
        finish.finish(updated, "HEAD", None, merged_just_now=False)
    assert taken == []

    # And who commits it all the same hears of it from then on.
    project.commit("the wrong way")
    done = call(project, "outdated")
    assert done.returncode == OUTDATED
    assert "has the newest version of the template, 2.0.0.\npyproject.toml names the commit" in done.stdout
    done = call(project, "update")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "error: pyproject.toml names the commit" in done.stderr
    examined = json.loads(call(project, "doctor", "--json").stdout)
    [found] = [it for it in examined["findings"] if it["where"] == "pyproject.toml"]
    assert (found["level"], found["check"]) == ("warning", "template")
    assert found["right"].startswith(f"put {new} behind the `@`")

    project.edit("pyproject.toml", lambda text: text.replace(old, new))
    assert take.install(updated, "HEAD") == 0
    assert call(project, "outdated").returncode == 0


@pytest.mark.full
@pytest.mark.parametrize("kind", ["index", "folder", "left"])
def test_an_engine_that_the_template_does_not_move_is_not_judged(history: TemplateHistory, kind: str) -> None:
    if kind == "folder":
        project = Project(render(fresh_folder() / "app"))
    else:
        project = history.copy(engine_source="index" if kind == "index" else "template")
    own = project.folder / "app/core/template.toml"
    if kind == "left":
        own.unlink()
        commit = git(history.folder, "rev-parse", "HEAD").strip()
        project.edit("pyproject.toml", lambda text: text.replace(commit, "a" * 40))
    elif kind == "folder":
        assert "commit" not in own.read_text(encoding="utf-8")
    assert left_behind(project.folder) is None


# --- what it does after the merge


@pytest.mark.full
def test_it_renews_the_lock_installs_and_lets_the_new_engine_end_it(
    history: TemplateHistory, project: Project, taken: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{HERE}{os.pathsep}{os.environ['PATH']}")
    project.edit("uv.lock", lambda _: "version = 1\n")
    project.commit("lock")
    before = git(project.folder, "rev-parse", "HEAD").strip()
    history.release("2.0.0")
    assert take.take(Updated(project.folder), None) == 0
    assert taken[:2] == ["uv lock", "make --no-print-directory install"]
    assert taken[2].endswith(f" -m everytick.update finish --since {before} --merged")
    assert len(taken) == 3


@pytest.mark.full
def test_without_make_it_uses_the_tools_themselves(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    tools = fresh_folder("tools")
    monkeypatch.delenv("MAKE", raising=False)
    monkeypatch.setenv("PATH", str(tools))
    updated = Updated(project.folder)
    line = updated.engine_line()
    assert line is not None
    by_pip = [" ".join(command[3:]) for _, command in steps.installing(updated)]
    assert by_pip == [
        "install --quiet pip>=25.1",
        f"install --quiet --force-reinstall --no-deps everytick @ {line.address}@{line.commit}",
        "install --quiet --editable . --group dev",
    ]
    (tools / "uv").symlink_to(HERE / "uv")
    assert [name for name, _ in steps.installing(updated)] == ["uv sync"]
    assert [name for name, _ in steps.checking(updated)] == [
        "python -m app migrate",
        "ruff check .",
        "ruff format --check .",
        "mypy",
        "pytest",
    ]


@pytest.mark.full
def test_a_failed_installation_says_how_to_go_on_and_how_to_undo(
    history: TemplateHistory, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    history.edit(f"template/{LOOK}", lambda old: f"{old}# later\n")
    history.release("2.0.0")
    monkeypatch.setattr(steps, "run", lambda *_: 1)
    with pytest.raises(UpdateError) as problem:
        take.take(Updated(project.folder), None)
    said = str(problem.value)
    assert "the update was taken, but `make install` does not pass: nothing of yours is lost" in said
    assert "`python -m app update --finish`" in said
    undo = said.partition("instead: ")[2].removesuffix(" && make install")
    subprocess.run(["sh", "-ec", undo], cwd=project.folder, check=True, capture_output=True)
    assert project.answers()["_commit"] == "1.0.0"
    assert "# later" not in (project.folder / LOOK).read_text(encoding="utf-8")


def ended(project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> str:
    """Take what there is as `make update REF=HEAD` does, without what installs and checks; return the end."""
    monkeypatch.setattr(steps, "run", lambda *_: 0)
    updated = Updated(project.folder)
    before = git(project.folder, "rev-parse", "HEAD").strip()
    assert take.take(updated, "HEAD") == 0
    capsys.readouterr()
    assert finish.finish(updated, before, None, merged_just_now=True) == 0
    return capsys.readouterr().out


@pytest.mark.full
def test_the_version_that_it_has_is_no_news(
    history: TemplateHistory,
    project: Project,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    nothing = "\nNothing changed since the last commit: this project is at 1.0.0.\n"
    assert ended(project, monkeypatch, capsys) == nothing
    assert finish.finish(Updated(project.folder), "HEAD", None, merged_just_now=False) == 0
    assert capsys.readouterr().out == nothing
    # Another answer is no news of the template, and is to be committed.
    project.update(vcs_ref=copier.VcsRef.CURRENT, data={"parts": []})
    assert finish.finish(Updated(project.folder), "HEAD", None, merged_just_now=False) == 0
    assert capsys.readouterr().out == (
        "\nThis project is at 1.0.0 of the template, as before: there is no news of it.\n"
        "Look at it with `git diff`, then commit it.\n"
    )
    project.commit("no parts")
    history.release("2.0.0")
    assert "\nUpdated to 2.0.0. What changed for you:\n" in ended(project, monkeypatch, capsys)


@pytest.mark.full
@pytest.mark.parametrize("source", ["template", "index"])
def test_a_commit_that_got_a_tag_is_the_same_version_and_no_edit(
    history: TemplateHistory, source: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    history.edit(f"template/{LOOK}", lambda old: f"{old}# later\n")
    git(history.folder, "commit", "--quiet", "--all", "--message", "later")
    folder = fresh_folder("project") / "app"
    copier.run_copy(
        str(history.folder),
        folder,
        defaults=True,
        quiet=True,
        vcs_ref="HEAD",
        data={"engine_source": source},
    )
    project = committed(folder)
    git(history.folder, "tag", "2.0.0")
    said = ended(project, monkeypatch, capsys)
    assert project.answers()["_commit"] == "2.0.0"
    assert "no news of it" in said
    assert not (folder / "everytick-edits.patch").exists()


# --- what several templates need


@pytest.mark.full
def test_another_template_beside_it_is_left_alone(history: TemplateHistory) -> None:
    folder = fresh_folder("project") / "app"
    options: dict[str, Any] = {"defaults": True, "quiet": True, "answers_file": ".scheduler-answers.yml"}
    copier.run_copy(str(history.folder), folder, **options)
    (folder / ".copier-answers.yml").write_text("_commit: 7.0.0\n_src_path: /not/there\n", encoding="utf-8")
    project = committed(folder)
    history.release("2.0.0")
    assert "is out; this project is at 1.0.0" in call(project, "outdated").stdout


# --- a template that moved


@pytest.mark.full
def test_a_template_that_moved_is_written_into_the_answers_and_the_engines_line_together(
    history: TemplateHistory, project: Project, taken: list[str]
) -> None:
    parts = "everytick[alerts,dashboard,postgresql] @ git+file://localhost"
    commit = git(history.folder, "rev-parse", "HEAD").strip()
    assert f'"{parts}{history.folder}@{commit}",' in (project.folder / "pyproject.toml").read_text("utf-8")
    moved = fresh_folder("moved") / "the new place"
    history.folder.rename(moved)
    history.folder = moved
    history.edit("template/Makefile", lambda old: f"# a later release\n{old}")
    history.release("2.0.0")
    before = git(project.folder, "rev-parse", "HEAD").strip()

    done = call(project, "update")
    assert done.returncode == 1
    assert "it is not there: say where it is now" in done.stderr

    done = call(project, "update", "--source", str(moved))
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(
        f"The template is at {moved} now, by .copier-answers.yml and pyproject.toml.\n"
    )
    place = str(moved).replace(" ", "%20")
    assert f'"{parts}{place}@{commit}",' in (project.folder / "pyproject.toml").read_text("utf-8")
    assert (project.answers()["_src_path"], project.answers()["_commit"]) == (str(moved), "1.0.0")
    changed = git(project.folder, "diff", "--numstat", before).split()
    assert changed == ["1", "1", ".copier-answers.yml", "1", "1", "pyproject.toml"]
    project.commit("where the template is now")

    # And the next update has nothing to decide.
    assert take.take(Updated(project.folder), None) == 0
    assert project.answers()["_commit"] == "2.0.0"
    newest = git(moved, "rev-parse", "HEAD").strip()
    assert f'"{parts}{place}@{newest}",' in (project.folder / "pyproject.toml").read_text("utf-8")


@pytest.mark.full
def test_a_place_without_the_template_is_refused(project: Project) -> None:
    done = call(project, "update", "--source", str(fresh_folder("empty")))
    assert done.returncode == 1
    assert "or not with the version that this project has (1.0.0): " in done.stderr
    assert "Traceback" not in done.stderr
    assert git(project.folder, "status", "--porcelain") == ""
