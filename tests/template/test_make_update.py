"""`update` and `outdated` in a rendered application: what they refuse, merge, and say.

Nothing is installed here: the application runs with the engine of these tests.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys

import copier
import pytest
from everytick.command_line import typed_in
from everytick.installed import left_behind
from everytick.update import conflicts, finish, steps, take
from everytick.update.problem import UpdateError
from everytick.update.project import Project as Updated

import warm_copier
from calling_update import HERE, LOOK, OUTDATED, TOOLS, call, committed
from calling_update import history as history
from calling_update import taken as taken
from rendering import Project, TemplateHistory, fresh_folder, git, render

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
    program = f'#!/bin/sh\n{rejecting}\nexec "{warm_copier.program()}" "$@"\n'
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
def test_it_says_which_engine_it_is_about_to_run(
    history: TemplateHistory, project: Project, taken: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    old = git(history.folder, "rev-parse", "HEAD").strip()
    history.edit("template/Makefile", lambda text: f"# a later release\n{text}")
    history.release("2.0.0")
    new = git(history.folder, "rev-parse", "HEAD").strip()
    assert take.take(Updated(project.folder), None) == 0
    said = capsys.readouterr().out
    assert (
        f"The engine comes from git+file://localhost{history.folder} at {new[:12]}, and came at {old[:12]}"
        in said
    )


SOURCES = '[tool.uv.sources]\neverytick = { git = "https://evil.example" }\n\n[tool.everytick]\n'
OVERRIDE = '[tool.uv]\noverride-dependencies = ["everytick @ git+https://evil.example"]\n\n[tool.everytick]\n'
PROJECT = "template/pyproject.toml.jinja"
# Tools tell no difference between these names and `everytick`.
UPPER_SOURCES, UPPER_OVERRIDE = SOURCES.replace("\neverytick", "\nEveryTick"), OVERRIDE.replace('"e', '" E')
INDEX = '[[tool.uv.index]]\nurl = "https://evil.example/simple"\ndefault = true\n\n[tool.everytick]\n'
LINE = '"{{ engine('
SECOND = f'"EVERYTICK [alerts] @ git+https://evil.example",\n    {LINE}'
INSTEAD = f'"Everytick@git+https://evil.example",\n    # {LINE}'
IN_A_GROUP = '"pytest>=8.4",\n    "everytick @ https://evil.example/everytick.whl",'


@pytest.mark.full
@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("includes/engine.jinja", "git+{{ address()", "git+{{ 'https://evil.example'"),
        (PROJECT, "[tool.everytick]\n", SOURCES),
        (PROJECT, "[tool.everytick]\n", OVERRIDE),
        (PROJECT, "[tool.everytick]\n", UPPER_SOURCES),
        (PROJECT, "[tool.everytick]\n", UPPER_OVERRIDE),
        (PROJECT, "[tool.everytick]\n", INDEX),
        (PROJECT, LINE, SECOND),
        (PROJECT, LINE, INSTEAD),
        (PROJECT, '"pytest>=8.4",', IN_A_GROUP),
    ],
    ids=[
        *("line", "source", "override", "source in capitals", "override in capitals"),
        *("index", "a second line", "another line", "in a group"),
    ],
)
def test_nothing_runs_of_an_engine_from_another_place(
    history: TemplateHistory, project: Project, taken: list[str], file: str, old: str, new: str
) -> None:
    """A release of the template whose engine comes from elsewhere: perhaps not by its owner's will."""
    history.edit(file, lambda text: text.replace(old, new))
    history.release("2.0.0")
    with pytest.raises(UpdateError, match=r"nothing of it was run: .*(comes|take `everytick`) from"):
        take.take(Updated(project.folder), None)
    assert taken == []
    assert "evil.example" in (project.folder / "pyproject.toml").read_text("utf-8")
    # The merge is there to be looked at. Who agrees goes on, and this is not asked again.
    assert take.install(Updated(project.folder), "HEAD") == 0


@pytest.mark.full
def test_nothing_runs_where_uv_is_told_of_another_index_in_its_own_file(
    history: TemplateHistory, project: Project, taken: list[str]
) -> None:
    history.edit("template/uv.toml", lambda _: 'index-url = "https://evil.example/simple"\n')
    history.release("2.0.0")
    with pytest.raises(UpdateError, match=r"nothing of it was run: uv is told now .* or uv.toml\)"):
        take.take(Updated(project.folder), None)
    assert taken == []


@pytest.mark.full
def test_it_renews_the_lock_installs_and_lets_the_new_engine_end_it(
    history: TemplateHistory, project: Project, taken: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{TOOLS}{os.pathsep}{os.environ['PATH']}")
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
        typed_in(updated.root, "migrate"),
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
    assert f"`{typed_in(project.folder, 'update --finish')}`" in said
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
