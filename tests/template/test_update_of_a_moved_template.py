"""A template that has another address now, and one beside another."""

from __future__ import annotations

import re
import sys
from typing import Any

import copier
import pytest
from everytick.update import take
from everytick.update.project import Project as Updated

from calling_update import call, committed
from calling_update import history as history
from calling_update import taken as taken
from rendering import Project, TemplateHistory, fresh_folder, git


@pytest.mark.full
def test_another_template_beside_it_is_left_alone(history: TemplateHistory) -> None:
    folder = fresh_folder("project") / "app"
    options: dict[str, Any] = {"defaults": True, "quiet": True, "answers_file": ".scheduler-answers.yml"}
    copier.run_copy(str(history.folder), folder, **options)
    (folder / ".copier-answers.yml").write_text("_commit: 7.0.0\n_src_path: /not/there\n", encoding="utf-8")
    project = committed(folder)
    history.release("2.0.0")
    assert "is out; this project is at 1.0.0" in call(project, "outdated").stdout


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


@pytest.mark.full
def test_no_password_of_an_address_is_printed_and_the_hint_is_what_was_typed(project: Project) -> None:
    done = call(project, "update", "--source", "http://user:hunter22@127.0.0.1:9/template.git")
    assert done.returncode == 1
    assert "the template is not at http://***@127.0.0.1:9/template.git" in done.stderr
    assert "hunter22" not in done.stderr + done.stdout

    answers = project.folder / ".copier-answers.yml"
    old = answers.read_text(encoding="utf-8")
    answers.write_text(re.sub("(?m)^_src_path:.*$", "_src_path: ../not/there", old), encoding="utf-8")
    done = call(project, "outdated")
    assert "update --source ADDRESS`" in done.stderr
    assert f"`{sys.executable} -m app update" in done.stderr or "`python -m app update" in done.stderr
