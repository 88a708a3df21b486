"""Answers come back at every update, and what a later version may do with them."""

from __future__ import annotations

import copier
import pytest

from questions import BRACES, HOSTILE
from rendering import Project, TemplateHistory, git
from test_ownership import SERVICE, add, change_every_file, conflicts


@pytest.mark.full
def test_answers_come_back_at_every_update() -> None:
    history = TemplateHistory()
    history.release("1.0.0")
    project = history.copy(
        project_description=HOSTILE,
        author_name=BRACES,
        timezone="Asia/Tokyo",
        copyright_year="1999",
    )
    before = project.answers()
    history.edit("copier.yml", lambda old: old.replace("default('UTC')", "default('Asia/Dubai')"))
    history.edit("copier.yml", lambda old: old.replace('default: "3.11"', 'default: "3.15"'))
    history.edit("copier.yml", lambda old: old.replace("default: MIT", "default: none"))
    history.edit("template/Makefile", add("# second release\n"))
    history.release("2.0.0")
    project.update()

    assert project.answers() == before | {"_commit": "2.0.0"}
    assert conflicts(project) == []
    copier.run_recopy(project.folder, defaults=True, overwrite=True, quiet=True)
    assert project.answers() == before | {"_commit": "2.0.0"}
    assert "1999" in (project.folder / "LICENSE").read_text(encoding="utf-8")


@pytest.mark.full
def test_a_later_version_may_ask_more_and_leave_a_part_out(
    history: TemplateHistory, project: Project
) -> None:
    history.edit(
        "copier.yml",
        lambda old: (
            old.replace(
                "\n_exclude:\n",
                '\n_exclude:\n  - "{% if not (extra | default(false)) %}/extra.txt{% endif %}"\n',
            )
            + "\nextra:\n  type: bool\n  help: An extra\n  default: false\n"
        ),
    )
    history.edit("template/extra.txt", add("extra\n"))
    history.release("2.0.0")
    project.update()
    assert project.answers()["extra"] is False
    assert not (project.folder / "extra.txt").exists()
    project.commit("second")
    history.release("3.0.0")
    project.update(data={"extra": True})
    assert (project.folder / "extra.txt").exists()


@pytest.mark.full
def test_an_answer_that_a_later_version_refuses_stops_the_update() -> None:
    history = TemplateHistory()
    history.release("1.0.0")
    project = history.copy(project_name="weather")
    history.edit("includes/taken-names.txt", add("weather\n"))
    history.release("2.0.0")
    with pytest.raises(ValueError, match="Use my-weather or another name; "):
        project.update()
    assert git(project.folder, "status", "--porcelain") == ""
    project.update(data={"project_name": "my-weather"})
    assert 'name = "my-weather"' in (project.folder / "pyproject.toml").read_text(encoding="utf-8")


@pytest.mark.full
def test_a_template_without_tags_can_be_copied_and_updated() -> None:
    history = TemplateHistory()
    history.release("1.0.0")
    git(history.folder, "tag", "--delete", "1.0.0")
    project = history.copy()
    project.edit(SERVICE, add("# mine\n"))
    project.commit("mine")
    change_every_file(history, "later")
    git(history.folder, "commit", "--quiet", "--all", "--message", "later")
    project.update(vcs_ref="HEAD")
    assert "# later" in (project.folder / "Makefile").read_text(encoding="utf-8")
    assert "# later" not in (project.folder / SERVICE).read_text(encoding="utf-8")
