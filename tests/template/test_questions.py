"""Every question: what all of them have, and how a refusal is told."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped,unused-ignore]

from questions import refusal
from rendering import QUESTIONS, contents, fresh_folder, render, rendered, source


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_question_has_a_default_a_line_of_help_and_a_check(question: str) -> None:
    said = QUESTIONS[question]
    assert "default" in said
    assert len(said["help"].splitlines()) == 1
    assert len(said["help"]) <= 72
    assert said["type"] == "bool" or "choices" in said or "validator" in said


@pytest.mark.full
def test_the_command_line_asks_nothing_with_defaults_and_needs_no_trust(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "copier", "copy", "--defaults", str(source()), "an app"]
    done = subprocess.run(command, cwd=tmp_path, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    # The quick way in which the other tests render gives the same.
    expected = contents(rendered())
    assert contents(tmp_path / "an app") == expected

    printed = done.stderr.partition("Next:\n")[2]
    assert printed.split("\n")[:4] == ["", "  cd 'an app'", "  make install", "  make run"]


@pytest.mark.parametrize("folder", ["app", "an [app]?"])
@pytest.mark.parametrize("given", [{}, {"copyright_year": "2001"}, {"copyright_year": "2001", "ci": "none"}])
def test_a_new_project_has_all_parts_whatever_else_is_answered(folder: str, given: dict[str, str]) -> None:
    made = render(fresh_folder("new") / folder, **given)
    answers = yaml.safe_load((made / ".copier-answers.yml").read_text(encoding="utf-8"))
    parts = ("container", "dashboard", "deployment")
    assert tuple(answers[part] for part in parts) == (True, True, "systemd")


def test_choices_refuse_what_is_not_among_them() -> None:
    with pytest.raises(ValueError, match=r"Invalid choice for 'ci': 'travis' is not in \['github'"):
        render(fresh_folder("refused") / "app", ci="travis")


def test_a_refusal_reaches_the_person_who_asked() -> None:
    with pytest.raises(ValueError, match=r"question 'timezone': Use an IANA .* Europe/Berlin"):
        render(fresh_folder("refused") / "app", timezone="Europe/Berln")


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("project_name", "My App"),
        ("project_name", "loguru"),
        ("project_description", "x" * 201),
        ("project_description", ""),
        ("author_name", "two\nlines"),
        ("author_email", "ada"),
        ("timezone", "UTC+2"),
        ("timezone", "America/Argentina/ComodRivadavi"),
        ("timezone", "XYZ"),
        ("copyright_year", "26"),
    ],
)
def test_a_refusal_fits_into_a_terminal_of_80_columns_where_it_would_be_cut_off(
    question: str, answer: str
) -> None:
    said = refusal(question, answer)
    assert said
    assert len(said) <= 80
