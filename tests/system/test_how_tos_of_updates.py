"""The how-tos about updates are followed word by word, each with releases of a template of its own."""

from __future__ import annotations

import json
import re

import pytest

from reading import Page, Reader, new_project, template
from rendering import Project, TemplateHistory, fresh_folder, git

FINISH = "$ .venv/bin/python -m app update --finish\n"


def released(*, ruff: bool = False) -> tuple[TemplateHistory, Reader]:
    """Return a template whose version 0.3.0 is out, and somebody with an installed project of 0.2.0."""
    history = TemplateHistory(engine=True)
    history.release("0.2.0")
    project = history.copy(project_name="my-scheduler")
    reader = Reader(project.folder)
    reader.call("make install")
    project.commit("Lock what is installed")
    if ruff:
        history.edit(
            "template/pyproject.toml.jinja", lambda old: re.sub('"ruff>=[^"]*"', '"ruff>=0.14"', old)
        )
    history.edit("src/everytick/errors.py", lambda old: f"{old}\n\nLATER = 2\n")
    news = "## [Unreleased]\n\n- More light.\n"
    history.edit("CHANGELOG.md", lambda old: old.replace("## [Unreleased]\n", news, 1))
    history.release("0.3.0")
    return history, reader


@pytest.mark.full
@pytest.mark.long
def test_update_your_project() -> None:
    page, (history, reader) = Page("update-your-project"), released()
    outdated = page.take("console", "$ make outdated")
    assert outdated.splitlines()[1] in reader.follow(outdated, code=2)
    update = page.take("console", "$ git status        # must be clean\n$ make update")
    said = reader.follow(update)
    told = page.take("text", "Updated to 0.3.0. What changed for you:").splitlines()
    assert told[0] in said
    assert told[-1] in said
    finish = page.take("console", FINISH)
    reader.follow(finish)
    differs = page.take("text", "error: the engine that is installed is not the one")
    page.not_here("console", "$ make update\n", "from 0.1: test_upgrading_from_0_1 does it")
    page.not_here(
        "console", "$ python .template/update.py finish", "from 0.1: test_upgrading_from_0_1 does it"
    )
    page.not_here("console", "$ copier update --defaults --vcs-ref :current: --data legacy=false", "from 0.1")
    reader.follow(page.take("console", "$ git reset -- . && git checkout -- . && git clean"))
    assert reader.call("git status --porcelain") == ""
    assert "template 0.2.0" in reader.call(".venv/bin/python -m app --version")
    # By hand: the engine is the old one until the rest is done.
    reader.call("copier update --defaults")
    assert reader.call(".venv/bin/python -m app jobs", code=1 + 1) == differs
    reader.follow(finish)
    Project(reader.folder).commit("Update the template to 0.3.0")
    migrate = page.take("console", "$ .venv/bin/python -m app migrate")
    with reader.running():
        pass
    reader.call(migrate.splitlines()[0].removeprefix("$ "))
    away = page.take("text", "error: the template was recorded as the folder")
    moved = history.folder.with_name(f"{history.folder.name}-moved")
    history.folder.rename(moved)
    said = reader.call(".venv/bin/python -m app update", code=1)
    assert said.split()[-8:] == away.split()[-8:]
    source = page.take("console", "$ .venv/bin/python -m app update --source")
    reader.words = {"https://example.org/template.git": f"git+file://localhost{moved}"}
    assert reader.follow(source).splitlines()[-2:] == [
        reader.in_own_words(line) for line in source.splitlines()[1:]
    ]
    page.ends()


@pytest.mark.full
def test_resolve_a_conflict() -> None:
    page, (_, reader) = Page("resolve-a-conflict"), released(ruff=True)
    reader.call("uv add --quiet --dev 'ruff>=0.13'")
    Project(reader.folder).commit("A newer ruff")
    update = page.take("console", "$ make update")
    said = reader.follow(update, code=2)
    for line in update.splitlines()[2:4]:
        assert line in said
    markers = page.take("text", '    "time-machine>=2.16",')
    project = reader.folder / "pyproject.toml"
    assert markers in project.read_text()
    lines = markers.splitlines(keepends=True)
    reader.change("pyproject.toml", "".join(lines[1:6]), lines[4])
    reader.follow(page.take("console", "$ git add pyproject.toml"))
    keeps = page.take("text", "error: pyproject.toml names the commit")
    engine = re.search(r"everytick\[.*@([0-9a-f]{40})", project.read_text())
    assert engine is not None
    old = reader.call("git show HEAD~1:pyproject.toml | grep -o '@[0-9a-f]\\{40\\}'").strip("@\n")
    reader.change("pyproject.toml", engine[1], old)
    said = reader.call(".venv/bin/python -m app update --finish", code=1)
    pattern = re.escape(keeps).replace(r"\.\.\.", ".*")
    assert re.search(re.sub(r"\b[0-9a-f]{12}\b", "[0-9a-f]{12}", pattern), said), said
    page.ends()


@pytest.mark.full
def test_change_answers_later() -> None:
    page, reader = Page("change-answers-later"), new_project()
    reader.words = {"TEMPLATE": f"git+file://localhost{template().folder}"}
    reader.follow(page.take("console", "$ copier update --defaults --vcs-ref :current: --data licence=none"))
    assert "MIT" not in (reader.folder / "pyproject.toml").read_text()
    Project(reader.folder).commit("No licence")
    reader.follow(page.take("console", "$ copier copy --defaults --data-file .copier-answers.yml --data ci="))
    assert (reader.folder / ".gitlab-ci.yml").exists()
    Project(reader.folder).commit("A pipeline of GitLab's")
    off, on = (page.take("console", f"$ copier update --defaults --vcs-ref :current: --data container={it}")
               for it in ("false", "true"))  # fmt: skip
    reader.follow(off)
    assert not (reader.folder / "Dockerfile").exists()
    Project(reader.folder).commit("No container")
    reader.follow(on)
    assert (reader.folder / "Dockerfile").exists()
    page.ends()


@pytest.mark.full
def test_leave_the_template() -> None:
    page, reader = Page("leave-the-template"), new_project()
    reader.follow(page.take("console", "$ git rm -r .copier-answers.yml"))
    # As the text below the block says.
    makefile = reader.folder / "Makefile"
    without = re.sub(r"^(update|outdated):.*\n(\t.*\n|\n)+", "", makefile.read_text(), flags=re.MULTILINE)
    makefile.write_text(without)
    reader.change("Makefile", " update outdated", "")
    reader.change("Makefile", '\t@"$(BIN)/python" -m everytick.update conflicts\n', "")
    reader.call("make check test")
    Project(reader.folder).commit("Leave the template")
    with reader.running():
        pass
    reader.words = {"COMMIT": "HEAD~1"}
    reader.follow(page.take("console", "$ git checkout COMMIT -- .copier-answers.yml"))
    page.ends()


@pytest.mark.full
def test_keep_up_with_renovate() -> None:
    page, (_, reader) = Page("keep-up-with-renovate"), released()
    found = json.loads(page.take("json", "{\n"))
    assert found["packageRules"][0]["matchManagers"] == ["copier"]
    # What Renovate does, on a branch of its own.
    reader.call("git switch --quiet --create renovate/template && copier update --defaults")
    Project(reader.folder).commit("Update the template")
    reader.call("git switch --quiet main")
    reader.words = {"renovate/...": "renovate/template"}
    reader.follow(page.take("console", "$ git switch renovate/...\n"))
    assert "template 0.3.0" in reader.call(".venv/bin/python -m app --version")
    page.ends()


@pytest.mark.full
@pytest.mark.long
def test_use_several_templates() -> None:
    page, (_, reader) = Page("use-several-templates"), released()
    letters = fresh_folder("letters")
    (letters / "copier.yml").write_text("_subdirectory: files\nlanguage:\n  type: str\n  default: en\n")
    (letters / "files").mkdir()
    (letters / "files/.gitignore").write_text("letters/\n")
    (letters / "files/letter.txt.jinja").write_text("Dear {{ language }},\n")
    (letters / "files/{{_copier_conf.answers_file}}.jinja").write_text("{{ _copier_answers|to_nice_yaml }}\n")
    git(letters, "init", "--quiet")
    Project(letters).commit("1.0.0")
    git(letters, "tag", "1.0.0")
    reader.words = {"LETTERS_TEMPLATE": f"git+file://localhost{letters}"}
    # It asks what is not answered; who follows the page answers with Enter.
    reader.follow(
        page.take("console", "$ copier copy --answers-file").replace(" LETTERS", " --defaults LETTERS")
    )
    (letters / "files/letter.txt.jinja").write_text("Dear {{ language }}!\n")
    Project(letters).commit("1.1.0")
    git(letters, "tag", "1.1.0")
    update = page.take("console", "$ make update    ")
    said = reader.follow(update)
    assert "Current version is 1.0.0, latest version is 1.1.0." in said
    assert (reader.folder / "letter.txt").read_text() == "Dear en!\n"
    page.ends()
