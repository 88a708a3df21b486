"""Every question: what all of them have, and how a refusal is told."""

from __future__ import annotations

import itertools
import re
import subprocess
import sys
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import yaml  # type: ignore[import-untyped,unused-ignore]

import warm_copier
from questions import included, refusal
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
    expected = contents(rendered(project_name="an-app"))
    assert contents(tmp_path / "an app") == expected

    commands = ["cd 'an app'", 'git init && git add . && git commit -m "Start"', "make install", "make run"]
    assert next_steps(done.stderr) == commands


def next_steps(said: str) -> list[str]:
    """Return the commands that Copier names at its end."""
    return [line.strip() for line in said.partition("Next:\n\n")[2].partition("\n\n")[0].splitlines()]


@pytest.mark.full
@pytest.mark.parametrize("repository", [".", "garden [1]", "garden [1]/tasks"])
def test_a_project_in_a_repository_is_not_told_to_make_one(tmp_path: Path, repository: str) -> None:
    project = tmp_path / "garden [1]" / "tasks"
    project.mkdir(parents=True)
    subprocess.run(["git", "init", "-q", repository], cwd=tmp_path, check=True)
    command = [str(warm_copier.program()), "copy", "--defaults", str(source()), "."]
    done = subprocess.run(command, cwd=project, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert next_steps(done.stderr) == ["cd .", "make install", "make run"]


@pytest.mark.parametrize("question", ["project_name", "timezone"])
def test_what_is_meant_comes_first_where_a_refusal_is_cut_off_at_its_end(question: str) -> None:
    right = {"project_name": ("Garden_Tasks", "garden-tasks"), "timezone": ("Europe/Berln", "Europe/Berlin")}
    wrong, better = right[question]
    assert better in refusal(question, wrong)[:30]


def test_the_sample_runs_at_no_hour_that_a_change_of_the_clock_leaves_out_or_repeats() -> None:
    """In no zone, so that an application as it comes gives its own doctor no cause to warn."""
    schedule = (rendered() / "app/components/scheduler/main.py").read_text(encoding="utf-8")
    hours = {int(found) for found in re.findall(r"\bhour=(\d+)", schedule)}
    assert len(hours) == 2
    noons = [datetime(2026, 12, 31, 12) + timedelta(days=day) for day in range(368)]
    for zone in map(ZoneInfo, included("time-zones.txt")):
        offsets = [zone.utcoffset(noon) for noon in noons]
        # The clock changes between two noons whose offsets differ.
        changes = [
            pair for pair, (old, new) in zip(pairwise(noons), pairwise(offsets), strict=True) if old != new
        ]
        for day, hour in itertools.product(itertools.chain.from_iterable(changes), hours):
            tick = day.replace(hour=hour, tzinfo=zone)
            assert tick.utcoffset() == tick.replace(fold=1).utcoffset(), (zone, tick)


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
    with pytest.raises(ValueError, match=r"question 'timezone': Did you mean Europe/Berlin\?"):
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
