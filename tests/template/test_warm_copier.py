"""The Copier that is loaded once, and spared what it repeats, does as the program that a user calls."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import warm_copier
from rendering import Project, contents, git

PROGRAMS = [str(Path(sys.executable).with_name("copier")), str(warm_copier.program())]


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """A folder with a small template, whose file says what a variable of the environment has."""
    (tmp_path / "template").mkdir()
    (tmp_path / "template/copier.yml").write_text("_message_after_copy: there you are\nname: garden\n")
    (tmp_path / "template/{{ name }}.txt.jinja").write_text("{{ name }}\n")
    return tmp_path


@pytest.mark.full
@pytest.mark.parametrize(
    "arguments",
    [
        ["--version"],
        ["copy", "--defaults", "template", "made"],
        ["copy", "gone", "made"],
        ["no-such-command"],
    ],
    ids=" ".join,
)
def test_it_ends_and_says_as_the_program_does(desk: Path, arguments: list[str]) -> None:
    ended = []
    for program in PROGRAMS:
        done = subprocess.run([program, *arguments], cwd=desk, capture_output=True, text=True)
        made = contents(desk / "made") if (desk / "made").exists() else None
        # A traceback names the files that were passed through.
        last_lines = done.stderr.splitlines()[-1:] if "Traceback" in done.stderr else done.stderr.splitlines()
        ended.append((done.returncode, done.stdout, last_lines, made))
        if made:
            (desk / "made").rename(desk / f"made-{len(ended)}")
    assert ended[0] == ended[1]


@pytest.mark.full
def test_what_it_calls_has_the_variables_of_who_called_it(desk: Path) -> None:
    (desk / "git").write_text(f"#!/bin/sh\nenv > {desk}/seen\nexit 1\n")
    (desk / "git").chmod(0o755)
    variables = {"PATH": f"{desk}:/usr/bin:/bin", "HOME": str(desk), "ONLY": "this"}
    seen = []
    for program in PROGRAMS:
        command = [program, "copy", "--defaults", "git+https://127.0.0.1:1/x.git", "made"]
        subprocess.run(command, cwd=desk, env=variables, capture_output=True, check=False)
        seen.append(sorted((desk / "seen").read_text().splitlines()))
    assert seen[0] == seen[1]
    assert "ONLY=this" in seen[0]


def released(desk: Path) -> Path:
    """Return the template as a repository with a release 1.0.0."""
    template = desk / "template"
    (template / "{{ _copier_conf.answers_file }}.jinja").write_text("{{ _copier_answers|to_nice_yaml }}\n")
    git(template, "init", "--quiet", "--initial-branch", "main")
    Project(template).commit("1.0.0")
    git(template, "tag", "1.0.0")
    return template


@pytest.mark.full
def test_a_file_that_becomes_executable_is_so_for_a_git_that_does_not_look(desk: Path) -> None:
    template = released(desk)
    for number, program in enumerate(PROGRAMS):
        subprocess.run([program, "copy", "--defaults", "--vcs-ref", "1.0.0", template, f"made-{number}"],
                       cwd=desk, capture_output=True, check=True)  # fmt: skip
    (template / "{{ name }}.txt.jinja").chmod(0o755)
    Project(template).commit("2.0.0")
    git(template, "tag", "2.0.0")
    modes = []
    for number, program in enumerate(PROGRAMS):
        made = desk / f"made-{number}"
        git(made, "init", "--quiet")
        git(made, "config", "core.fileMode", "false")
        Project(made).commit("first")
        subprocess.run([program, "update", "--defaults"], cwd=made, capture_output=True, check=True)
        modes.append(git(made, "ls-files", "--stage", "garden.txt").split()[0])
    assert modes == ["100755", "100755"]


@pytest.mark.full
def test_what_a_template_has_from_another_repository_is_rendered(
    desk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("COUNT", "1"), ("KEY_0", "protocol.file.allow"), ("VALUE_0", "always")):
        monkeypatch.setenv(f"GIT_CONFIG_{name}", value)
    other = desk / "other"
    other.mkdir()
    git(other, "init", "--quiet")
    (other / "more.txt.jinja").write_text("{{ name }} too\n")
    Project(other).commit("more")
    template = released(desk)
    git(template, "submodule", "--quiet", "add", str(other), "sub")
    Project(template).commit("1.1.0")
    git(template, "tag", "1.1.0")
    for number, program in enumerate(PROGRAMS):
        subprocess.run([program, "copy", "--defaults", template, f"made-{number}"],
                       cwd=desk, capture_output=True, check=True)  # fmt: skip
        assert (desk / f"made-{number}/sub/more.txt").read_text() == "garden too\n"
