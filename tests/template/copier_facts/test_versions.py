"""Where a template comes from, which version of it is taken, and when Copier refuses to update."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from copier.errors import DirtyLocalWarning

from rendering import Project, files, fresh_folder, git

from .lab import Finished, Template, committed, last_line, read, run_copier

pytestmark = pytest.mark.full


def update(folder: Path) -> Finished:
    """Run `copier update --defaults` where a project is."""
    return run_copier(folder, "update", "--defaults")


# --- a relative path


def test_a_relative_source_is_recorded_so_and_the_update_fails_inside_the_project() -> None:
    """Hence the documentation names the template by its address or by a full path."""
    desk = fresh_folder("desk")
    shutil.copytree(Template().folder, desk / "template")
    assert run_copier(desk, "copy", "--defaults", "template", "project").returncode == 0
    project = committed(desk / "project")
    assert project.answers()["_src_path"] == "template"

    done = update(project.folder)
    assert done.returncode == 1
    assert done.stderr.startswith("Traceback")
    assert last_line(done) == "ValueError: Local template must be a directory."
    # From where it was copied, the path means what it meant.
    assert run_copier(desk, "update", "--defaults", "project").returncode == 0


# --- --vcs-ref HEAD


def test_without_head_neither_commits_past_the_tag_nor_uncommitted_changes_are_taken() -> None:
    """What users get is what was released."""
    template = Template({"a": "released\n"})
    template.release(None, {"a": "committed\n"})
    template.change({"a": "uncommitted\n"})
    assert read(template.render() / "a") == "released\n"


def of_uncommitted_changes(template: Template) -> Project:
    """Make a project as `--vcs-ref HEAD` does."""
    with pytest.warns(DirtyLocalWarning, match="Dirty template changes included automatically"):
        return template.project(vcs_ref="HEAD")


def test_head_takes_uncommitted_changes_with_a_warning() -> None:
    """Who tries out a change of the template gets it, and is told so."""
    template = Template({"a": "released\n"})
    template.change({"a": "uncommitted\n", "new": "untracked\n"})
    project = of_uncommitted_changes(template)
    assert read(project.folder / "a") == "uncommitted\n"
    assert read(project.folder / "new") == "untracked\n"


def test_projects_made_of_uncommitted_changes_can_never_be_updated() -> None:
    """Hence nobody should keep a project made like that: its version was in no repository."""
    template = Template()
    template.change({"new": "untracked\n"})
    project = of_uncommitted_changes(template)
    template.release("2.0.0")
    done = update(project.folder)
    assert done.returncode == 1
    assert last_line(done) == f"ValueError: Unknown revision: '{project.answers()['_commit']}'"


def test_a_project_made_past_the_last_tag_waits_for_the_next_one() -> None:
    """Hence nothing in the documentation asks for HEAD: releases are what is copied."""
    template = Template({"a": "released\n"})
    template.release(None, {"a": "committed\n"})
    project = template.project(vcs_ref="HEAD")
    assert read(project.folder / "a") == "committed\n"

    refused = update(project.folder)
    assert refused.returncode == 1
    assert last_line(refused).startswith("You are downgrading from 1.0.0.post1.dev0+")
    assert last_line(refused).endswith(" to 1.0.0. Downgrades are not supported.")

    template.release("2.0.0", {"a": "next\n"})
    project.update()
    assert read(project.folder / "a") == "next\n"


# --- no tags


def test_a_template_without_tags_can_be_copied_and_updated_and_its_guards_hold(
    capfd: pytest.CaptureFixture[str],
) -> None:
    """A fork of the template need not make releases."""
    guard = "{% if _copier_operation == 'update' %}/guarded{% endif %}"
    template = Template({"a": "first\n", "guarded": "first\n"}, tag=None, _exclude=[guard])
    project = template.project()
    assert "No git tags found in template; using HEAD as ref" in capfd.readouterr().err
    template.release(None, {"a": "second\n", "guarded": "second\n"})
    project.update()
    assert read(project.folder / "a") == "second\n"
    assert read(project.folder / "guarded") == "first\n"


def test_a_template_that_is_no_git_repository_can_be_copied_but_not_updated() -> None:
    """Hence an unpacked archive of the template is good for trying it out only."""
    template = Template()
    shutil.rmtree(template.folder / ".git")
    project = template.project()
    assert "_commit" not in project.answers()
    done = update(project.folder)
    assert done.returncode == 1
    assert last_line(done).startswith("Cannot update because cannot obtain old template references")


# --- refusals

DIRTY = (
    "Destination repository is dirty; cannot continue. Please commit or stash your local changes and retry."
)


@pytest.mark.parametrize("name", ["a", "untracked"])
def test_an_update_refuses_what_is_not_committed(name: str) -> None:
    """`make update` says it better and first, and what it lets through Copier must not overwrite."""
    template = Template({"a": "first\n"})
    project = template.project()
    template.release("2.0.0", {"a": "second\n", "untracked": "second\n"})
    project.edit(name, lambda old: f"{old}mine\n")
    before = read(project.folder / name)
    done = update(project.folder)
    assert done.returncode == 1
    assert last_line(done).startswith(DIRTY)
    assert read(project.folder / name) == before
    assert project.answers()["_commit"] == "1.0.0"


def test_an_update_refuses_a_project_that_is_in_no_git_repository() -> None:
    """`make update` says what to do about it before Copier refuses."""
    template = Template({"a": "first\n"})
    project = template.render()
    template.release("2.0.0", {"a": "second\n"})
    done = update(project)
    assert done.returncode == 1
    assert last_line(done) == "Updating is only supported in git-tracked subprojects."
    assert read(project / "a") == "first\n"


def test_an_update_to_what_is_there_already_changes_nothing() -> None:
    """`make update` may be run at any time."""
    project = Template({"a": "first\n"}).project()
    project.edit("a", lambda old: f"{old}mine\n")
    project.commit("mine")
    project.update()
    assert git(project.folder, "status", "--porcelain") == ""
    assert files(project.folder) == [".copier-answers.yml", "a"]
