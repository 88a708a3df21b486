"""Each promise of the template is broken on purpose, in a copy of this repository: a test must turn red.

The nine promises: ownership is visible; the user's files are never altered, deleted or brought back; what
they import keeps working; no `--trust`; defaults and checked answers; answers come back; every combination
renders cleanly; a conflict fails loudly; Python files are plain Python.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from app_session import ROOT
from child_pytest import LOADED_PYTEST
from pythons import clean_environment
from rendering import edit, fresh_folder

LEFT_OUT = shutil.ignore_patterns(".*", "__pycache__", "build", "site", "benchmarks")


def without(*texts: str) -> Callable[[str], str]:
    """Return an edit that takes texts out."""

    def change(old: str) -> str:
        for text in texts:
            assert text in old, f"{text!r} is not there"
            old = old.replace(text, "")
        return old

    return change


def instead(old_text: str, text: str) -> Callable[[str], str]:
    """Return an edit that replaces the first occurrence of a text."""

    def change(old: str) -> str:
        assert old_text in old, f"{old_text!r} is not there"
        return old.replace(old_text, text, 1)

    return change


def new(text: str) -> Callable[[str], str]:
    """Return an edit that makes a file."""
    return lambda old: text


UPDATE = "tests/template/test_ownership.py::test_an_update_changes_exactly_what_the_table_says[github-MIT]"
KEPT = (
    "tests/template/test_ownership.py::test_edited_and_deleted_files_of_the_user_stay_so_through_every_update"
)
BELOW = "tests/template/test_ownership.py::test_lines_below_a_separator_never_conflict[systemd]"
QUESTION = (
    "tests/template/test_questions.py::test_a_question_has_a_default_a_line_of_help_and_a_check[timezone]"
)
TRUST = (
    "tests/template/test_questions.py::test_the_command_line_asks_nothing_with_defaults_and_needs_no_trust"
)
ANSWERS = "tests/template/test_answers.py::test_answers_come_back_at_every_update"
COMBINATION = (
    "tests/template/test_render.py::test_a_combination_renders_what_was_asked_for_and_nothing_else"
    "[3.11-github-MIT-True-alerts+postgresql-True-template-systemd]"
)
FORMATTED = "tests/template/test_render.py::test_a_fresh_render_is_formatted_and_free_of_lint[3.11-dashboard]"
IMPORTS = (
    "tests/template/test_old_files_on_the_newest_runtime.py::test_every_name_that_they_could_import_is_still_there"
    "[0.1.0a1]"
)
PATHS = (
    "tests/template/test_paths_that_users_edit.py::test_nothing_that_a_user_may_have_edited_is_lost[0.1.0a1]"
)
IGNORED = (
    "tests/template/test_git_configurations.py::test_no_line_is_lost_whatever_git_was_told[ignored names]"
)
CONFLICTS = "tests/template/test_make_update.py::test_it_fails_with_the_list_of_conflicts"
PLAIN = "tests/template/test_render.py::test_no_file_name_of_the_template_has_a_condition"

BREACHES = {
    "1 a file that the table of owners lacks": ("template/app/extra.py", new('"""Extra."""\n'), COMBINATION),
    "1 a row of the table without a file": ("template/.editorconfig", None, COMBINATION),
    "2 services are not guarded": ("copier.yml", without("    /app/services\n"), UPDATE),
    "2 the schedule is not guarded": (
        "copier.yml",
        without("    /app/components/scheduler/main.py\n"),
        KEPT,
    ),
    "2 deleted files come back": (
        "copier.yml",
        lambda old: without("    /README.md\n")(old) + "\n_skip_if_exists: [README.md]\n",
        KEPT,
    ),
    "2 a separator is gone": (
        "template/Makefile",
        without("# yours: targets of your own go below this line; updates leave them alone\n"),
        BELOW,
    ),
    "2 what git was told reaches Copier": (
        "src/everytick/update/copier.py",
        instead(
            "plain_git.environment(into),\n            stderr",
            "os.environ,\n            stderr",
        ),
        IGNORED,
    ),
    "2 a path that users edit is renamed without a word": ("template/.gitignore.jinja", None, PATHS),
    "3 a name that files of users import is gone": (
        "src/everytick/__init__.py",
        without('    "current_run": "engine.context",\n'),
        IMPORTS,
    ),
    "3 a name is not handed on from where it was": (
        "template/app/components/scheduler/runtime/__init__.py",
        without('    "current_run",\n'),
        IMPORTS,
    ),
    "4 a task needs trust": ("copier.yml", lambda old: f"{old}\n_tasks: ['true']\n", TRUST),
    "5 a question without a default": (
        "copier.yml",
        without("  default: \"{{ timezone | default('UTC') }}\"\n"),
        QUESTION,
    ),
    "6 an answer is not recorded": (
        "template/{{_copier_conf.answers_file}}.jinja",
        new("_commit: {{ _copier_answers._commit }}\n_src_path: {{ _copier_answers._src_path }}\n"),
        ANSWERS,
    ),
    "7 something is left over": (
        "template/.dockerignore",
        lambda old: f"{old}# {{{{ name }}}}\n",
        COMBINATION,
    ),
    "7 a fresh render is not formatted": (
        "template/app/core/config.py",
        lambda old: f"{old}x = [1,2]\n",
        FORMATTED,
    ),
    "8 a conflict is not looked for": (
        "src/everytick/update/conflicts.py",
        instead("    if names := undecided(project):\n", "    if not (names := undecided(project)):\n"),
        CONFLICTS,
    ),
    "9 a Python file is a template": ("template/app/extra.py.jinja", new("{% if ci %}x{% endif %}\n"), PLAIN),
}


@pytest.fixture(scope="module")
def repository() -> Iterator[Path]:
    """A copy of this repository, mended after each breach: what was compiled for one serves the next."""
    copy = fresh_folder("breach") / "repository"
    shutil.copytree(ROOT, copy, ignore=LEFT_OUT)
    shutil.copytree(ROOT / "template", copy / "template", ignore=hidden_traces, dirs_exist_ok=True)
    yield copy
    shutil.rmtree(copy)


@contextmanager
def broken(path: Path, change: Callable[[str], str] | None) -> Iterator[None]:
    """Change a file, or remove it, while the block lasts."""
    kept = fresh_folder("kept") / path.name
    if path.exists():
        shutil.copy2(path, kept)
    try:
        if change is None:
            path.unlink()
        else:
            edit(path, change)
        yield
    finally:
        path.unlink(missing_ok=True)
        if kept.exists():
            shutil.copy2(kept, path)


@pytest.mark.full
@pytest.mark.parametrize("name", BREACHES)
def test_a_breach_turns_a_test_red(name: str, repository: Path) -> None:
    path, change, test = BREACHES[name]
    command = [*LOADED_PYTEST, "-q", test]
    # Plugins of pytest are loaded before it looks at its own settings, and one of them is the engine's.
    variables = {"HOME": os.environ.get("HOME", ""), "PYTHONPATH": str(repository / "src")}
    with broken(repository / path, change):
        done = subprocess.run(
            command, cwd=repository, env=clean_environment() | variables, capture_output=True, text=True
        )
    said = done.stdout[-2000:] + done.stderr[-500:]
    assert done.returncode == 1, said
    assert f"FAILED {test}" in done.stdout, said


def hidden_traces(folder: str, names: list[str]) -> set[str]:
    """Leave out what running the template in place leaves, and keep its files with a dot."""
    traces = shutil.ignore_patterns("__pycache__", ".*_cache", "data", ".venv")
    return traces(folder, names) if Path(folder).is_relative_to(ROOT / "template") else set()
