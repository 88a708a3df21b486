"""What copier.yml and `--data` may say, what is refused, and what passes without a word."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from copier._template import Template as KnownSettings
from packaging.version import Version

from app_session import ROOT
from pythons import uv
from rendering import SETTINGS, files, fresh_folder, source

from .lab import Finished, Template, committed, last_line, read, run_copier, write

LOWER_CASE = "{% if name != name | lower %}Use lower case, for example {{ name | lower }}.{% endif %}"
NAME = {"type": "str", "default": "engine", "validator": LOWER_CASE}


def copy(template: Template, *options: str, python: Path | str | None = None) -> tuple[Finished, Path]:
    """Run `copier copy` into a folder that is not there yet."""
    folder = fresh_folder("tiny-copy") / "project"
    return run_copier(folder.parent, "copy", *options, template.folder, folder, python=python), folder


# --- answers


@pytest.mark.full
def test_a_refused_answer_ends_in_the_validators_sentence_and_exit_code_1() -> None:
    """Validators answer in one sentence that says what is right: it is the last thing a user reads."""
    done, folder = copy(Template(name=NAME), "--defaults", "--data", "name=Engine")
    assert done.returncode == 1
    assert done.stderr.startswith("Traceback")
    sentence = "Use lower case, for example engine."
    assert last_line(done) == f"ValueError: Validation error for question 'name': {sentence}"
    assert not folder.exists()


def test_an_answer_to_no_question_is_accepted_silently(capfd: pytest.CaptureFixture[str]) -> None:
    """Who misspells an answer gets the default: copier.yml cannot prevent it, so questions are few."""
    folder = Template({"a.jinja": "{{ name }}"}, name=NAME).render(quiet=False, data={"nmae": "weather"})
    assert "nmae" not in "".join(capfd.readouterr())
    assert read(folder / "a") == "engine"
    assert "nmae" not in (read(folder / ".copier-answers.yml") or "")


def test_an_answer_to_no_question_is_not_recorded_but_can_be_used() -> None:
    """Hence every answer that a file uses is a question, or an update would have another."""
    folder = Template({"a.jinja": "{{ unasked }}"}, name=NAME).render(data={"unasked": "x"})
    assert read(folder / "a") == "x"
    assert "unasked" not in (read(folder / ".copier-answers.yml") or "")


def test_a_misspelt_setting_is_accepted_silently(capfd: pytest.CaptureFixture[str]) -> None:
    """Hence a test compares the settings in copier.yml with those that Copier knows."""
    folder = Template({"a": "a\n", "b": "b\n"}, _excludes=["/b"]).render(quiet=False)
    assert "excludes" not in "".join(capfd.readouterr())
    assert files(folder) == [".copier-answers.yml", "a", "b"]


# --- names that are not defined


def test_an_undefined_name_is_empty() -> None:
    """What copier.yml sets `undefined: jinja2.StrictUndefined` against."""
    assert read(Template({"a.jinja": "<{{ nmae }}>"}, name=NAME).render() / "a") == "<>"


@pytest.mark.full
def test_an_undefined_name_fails_with_strict_undefined() -> None:
    """A misspelt name in a file of the template fails where it is rendered, in every test."""
    rules: dict[str, Any] = {"_envops": {"undefined": "jinja2.StrictUndefined"}}
    done, folder = copy(Template({"a.jinja": "<{{ nmae }}>"}, name=NAME, **rules), "--defaults")
    assert done.returncode == 1
    assert last_line(done).endswith("'nmae' is undefined")
    assert not folder.exists()


# --- what needs --trust

TASKS = {"_tasks": ["echo done > told"]}
EXTENSIONS = {"_jinja_extensions": ["jinja2.ext.do"]}
MIGRATIONS = {"_migrations": [{"version": "2.0.0", "command": "echo done > told"}]}


def unsafe(feature: str) -> str:
    """Return how Copier refuses."""
    return f"Template uses potentially unsafe feature: {feature}.\n"


@pytest.mark.full
@pytest.mark.parametrize(
    ("rules", "feature"), [(TASKS, "tasks"), (EXTENSIONS, "jinja_extensions")], ids=["tasks", "extensions"]
)
def test_tasks_and_extensions_need_trust(rules: dict[str, Any], feature: str) -> None:
    """Hence the template has neither, and prints what to do next."""
    template = Template(**rules)
    done, folder = copy(template, "--defaults")
    assert done.returncode == 4
    assert unsafe(feature) in done.stderr
    assert not folder.exists()
    done, folder = copy(template, "--defaults", "--trust")
    assert done.returncode == 0
    assert (read(folder / "told") is not None) == (feature == "tasks")


@pytest.mark.full
def test_migrations_need_trust_only_when_they_are_crossed() -> None:
    """Hence a migration stops nobody who copies, nor those who are past it; there is none so far."""
    template = Template({"a": "1\n"})
    project = template.project()
    for number in (2, 3):
        template.release(f"1.{number}.0", {"a": f"{number}\n"}, **MIGRATIONS)
        project.update()
        assert read(project.folder / "a") == f"{number}\n"
        project.commit("not yet crossed")

    template.release("2.0.0", {"a": "theirs\n"})
    done = run_copier(project.folder, "update", "--defaults")
    assert done.returncode == 4
    assert unsafe("migrations") in done.stderr
    assert read(project.folder / "a") == "3\n"
    assert read(template.render() / "a") == "theirs\n"
    project.update(unsafe=True)
    assert read(project.folder / "told") == "done\n"
    project.commit("crossed")

    template.release("3.0.0", {"a": "after\n"})
    project.update()
    assert read(project.folder / "a") == "after\n"


# --- a folder that is not empty


@pytest.mark.full
def test_a_copy_over_other_files_stops_at_the_first_conflict_with_half_of_it_written(
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Hence the documentation renders into a folder that is not there yet."""
    template = Template({f"file-{number}": "theirs\n" for number in range(20)})
    # In which order files are written is up to the file system; what is taken here comes halfway.
    template.render(quiet=False)
    taken = re.findall(r"create.* (file-\d+)\n", capfd.readouterr().err)[10]
    folder = fresh_folder("taken")
    write(folder, {taken: "mine\n"})

    done = run_copier(folder, "copy", "--defaults", template.folder, ".")
    assert done.returncode == 1
    assert last_line(done) == "Interactive session required: Consider using `--overwrite`"
    assert read(folder / taken) == "mine\n"
    assert 1 < len(files(folder)) < 20


# --- rules that need the floor


def test_one_entry_of_exclude_may_be_a_block_of_patterns() -> None:
    """The list of what is yours is one block under one condition (Copier 9.18)."""
    block = "{% if _copier_operation == 'copy' %}\n/b\n/c\n{% endif %}\n"
    folder = Template(dict.fromkeys("abcd", "x\n"), _exclude=[block]).render()
    assert files(folder) == [".copier-answers.yml", "a", "d"]


@pytest.mark.full
def test_answers_that_are_never_asked_are_recorded_all_the_same() -> None:
    """The year of the licence stays that of the first copy (`ask: false`, Copier 9.19)."""
    year = {"type": "str", "default": "1999", "ask": False}
    template = Template({"a.jinja": "{{ year }}"}, year=year)
    done, folder = copy(template)
    assert done.returncode == 0, done.stderr
    assert "year: '1999'\n" in (read(folder / ".copier-answers.yml") or "")
    template.release("2.0.0", year=year | {"default": "2000"})
    project = committed(folder)
    project.update()
    assert read(folder / "a") == "1999"


# --- the floor


def test_the_floor_is_a_version_that_the_installed_copier_reaches() -> None:
    """`_min_copier_version` must be quoted: as a number, 9.20 would be 9.2."""
    floor = SETTINGS["_min_copier_version"]
    assert isinstance(floor, str)
    assert Version(floor) <= Version(version("copier"))


@pytest.mark.parametrize(
    "name",
    [
        "README.md",
        "docs/decisions/0001-copier-without-trust.md",
        "docs/tutorial/first-schedule.md",
        "pyproject.toml",
        "src/everytick/update/copier.py",
    ],
)
def test_the_floor_is_the_same_wherever_it_is_named(name: str) -> None:
    """`make update` fetches a Copier that the template accepts, and the README names one."""
    named = re.findall(r"\b9\.\d+\.\d+\b", (ROOT / name).read_text(encoding="utf-8"))
    assert set(named) == {SETTINGS["_min_copier_version"]}


def test_copier_knows_every_setting_of_the_template() -> None:
    """A misspelt setting would pass without a word, so it is looked up here."""
    assert [name for name in SETTINGS if not hasattr(KnownSettings, name.removeprefix("_"))] == []


@cache
def older(release: str) -> Path:
    """Return the Python of a new environment with an older Copier."""
    folder = fresh_folder("older") / "env"
    uv(folder.parent, "venv", "--quiet", "--python", sys.executable, folder)
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    uv(folder.parent, "pip", "install", "--quiet", "--python", python, f"copier=={release}")
    return python


@pytest.mark.full
def test_an_older_copier_is_refused_in_one_sentence() -> None:
    """Who has an older Copier is told so, and gets no application with holes."""
    floor = SETTINGS["_min_copier_version"]
    folder = fresh_folder("refused")
    done = run_copier(folder, "copy", "--defaults", source(), "app", python=older("9.18.2"))
    assert done.returncode == 1
    sentence = f"This template requires Copier version >= {floor}, while your version of Copier is 9.18.2."
    assert last_line(done) == sentence
    assert files(folder) == []


@pytest.mark.full
def test_the_release_before_ask_false_asks() -> None:
    """The floor is not lower than 9.19, since the year is not to be asked for."""
    year = {"type": "str", "default": "1999", "ask": False}
    done, _ = copy(Template(year=year), python=older("9.18.2"))
    assert done.returncode == 1
    assert "Interactive session required" in done.stderr


@pytest.mark.full
def test_the_first_release_with_ask_false_needs_a_newer_git() -> None:
    """The floor is 9.19.1, since 9.19.0 hands git a word that older ones do not know."""
    template = Template()
    checkout = ["git", "checkout", "--quiet", "--end-of-options", "HEAD"]
    known = subprocess.run(checkout, cwd=template.folder, capture_output=True).returncode == 0
    done, _ = copy(template, "--defaults", python=older("9.19.0"))
    assert (done.returncode == 0) == known
    assert ("--end-of-options" in done.stderr) != known
