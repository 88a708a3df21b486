"""What an update does to files that are there, gone, moved or new, and how a file is guarded from it.

There are two guards: `_skip_if_exists`, and an `_exclude` that holds only for updates. The template uses
the second. All files go through one update.
"""

from __future__ import annotations

from typing import Any

import copier
import pytest

from .lab import OneUpdate, Outcome, Template, last_line, read, run_copier

pytestmark = pytest.mark.full

FIRST = "a\nb\nc\n"
MINE = f"{FIRST}mine\n"
THEIRS = f"theirs\n{FIRST}"
GUARDS: dict[str, Any] = {
    "_skip_if_exists": ["/skipped"],
    "_exclude": ["{% if _copier_operation == 'update' %}/excluded{% endif %}"],
}

files = OneUpdate(**GUARDS)


@pytest.fixture
def after() -> Outcome:
    """Return what `copier update` left."""
    return files.outcome()


# --- changed by both, or gone

EDITED = [
    files.file(f"{guard}/edited", FIRST, mine=MINE, theirs=FIRST.replace("c\n", "theirs\n"))
    for guard in ("skipped", "excluded")
]
UNTOUCHED = files.file("excluded/untouched", FIRST, mine=FIRST, theirs=THEIRS)
SKIPPED_GONE = files.file("skipped/gone", FIRST, mine=None, theirs=FIRST)
EXCLUDED_GONE = files.file("excluded/gone", FIRST, mine=None, theirs=THEIRS)
GONE = files.file("gone", FIRST, mine=None, theirs=THEIRS)


@pytest.mark.parametrize("name", EDITED)
def test_a_guarded_file_is_left_as_the_user_has_it(after: Outcome, name: str) -> None:
    """What is yours is never touched again."""
    assert after.text(name) == MINE


def test_a_file_excluded_from_updates_gets_no_improvement_even_if_unedited(after: Outcome) -> None:
    """Hence files that are yours are small, and the machinery stands apart from them."""
    assert after.text(UNTOUCHED) == FIRST


def test_a_skipped_file_that_the_user_deleted_comes_back(after: Outcome) -> None:
    """Hence the template does not guard with `_skip_if_exists`: samples would be resurrected."""
    assert after.text(SKIPPED_GONE) == FIRST


def test_an_excluded_file_that_the_user_deleted_stays_deleted(after: Outcome) -> None:
    """Who deletes a sample, the README or the pipeline is not given them again by an update."""
    assert after.text(EXCLUDED_GONE) is None


def test_an_unguarded_file_that_the_user_deleted_stays_deleted(after: Outcome) -> None:
    """Who deletes a file of the template, such as .editorconfig, is not given it again either."""
    assert after.text(GONE) is None


# --- removed or renamed by the template

REMOVED = files.file("removed", FIRST, mine=MINE, theirs=None)
RENAMED = files.file("renamed", FIRST, mine=MINE, theirs=None)
NEW_NAME = files.file("new-name", None, mine=None, theirs=FIRST)
SKIPPED_REMOVED = files.file("skipped/removed", FIRST, mine=MINE, theirs=None)
EXCLUDED_REMOVED = files.file("excluded/removed", FIRST, mine=MINE, theirs=None)
EXCLUDED_RENAMED = files.file("excluded/renamed", FIRST, mine=MINE, theirs=None)
EXCLUDED_NEW_NAME = files.file("excluded/new-name", None, mine=None, theirs=FIRST)


@pytest.mark.parametrize("name", [REMOVED, RENAMED])
def test_files_that_the_template_removes_or_renames_are_deleted_with_the_users_edits(
    after: Outcome, name: str
) -> None:
    """Hence no released file that users may edit is ever removed or renamed without a migration."""
    assert after.text(name) is None


def test_a_skipped_file_that_the_template_drops_is_deleted_too(after: Outcome) -> None:
    """Hence the template does not guard with `_skip_if_exists`: it protects nothing from this."""
    assert after.text(SKIPPED_REMOVED) is None


@pytest.mark.parametrize("name", [EXCLUDED_REMOVED, EXCLUDED_RENAMED])
def test_a_file_excluded_from_updates_that_the_template_drops_is_kept(after: Outcome, name: str) -> None:
    """What is yours stays, even if a later version of the template has no such file."""
    assert after.text(name) == MINE
    assert after.text(EXCLUDED_NEW_NAME) is None


def test_a_renamed_file_arrives_without_the_users_edits(after: Outcome) -> None:
    """Hence no released file that users may edit is ever renamed without a migration."""
    assert after.text(NEW_NAME) == FIRST


def test_deleting_edited_files_is_not_said(after: Outcome) -> None:
    """Hence no released file is removed or renamed: nobody would be told what went with it."""
    assert after.said.returncode == 0
    said = after.said.stdout + after.said.stderr
    assert [name for name in (REMOVED, RENAMED) if name in said] == []
    assert after.text(f"{REMOVED}.rej") is None


# --- new in the template

TAKEN = files.file("taken", None, mine="mine\n", theirs="theirs\n")
GUARDED_AND_TAKEN = [
    files.file(f"{guard}/taken", None, mine="mine\n", theirs="theirs\n") for guard in ("skipped", "excluded")
]
SKIPPED_NEW = files.file("skipped/new", None, mine=None, theirs="theirs\n")
EXCLUDED_NEW = files.file("excluded/new", None, mine=None, theirs="theirs\n")


def test_a_new_file_with_a_name_that_the_user_took_conflicts_as_a_whole(after: Outcome) -> None:
    """Hence new files of the template go where users have none, or are guarded."""
    text = "<<<<<<< before updating\nmine\n=======\ntheirs\n>>>>>>> after updating\n"
    assert after.text(TAKEN) == text


@pytest.mark.parametrize("name", GUARDED_AND_TAKEN)
def test_a_guarded_name_that_the_user_took_stays_the_users(after: Outcome, name: str) -> None:
    """A sample of a later version never collides with a task that a user wrote."""
    assert after.text(name) == "mine\n"


def test_a_new_file_that_is_excluded_from_updates_never_arrives(after: Outcome) -> None:
    """Hence what old projects need may not be new in a folder that is yours."""
    assert after.text(EXCLUDED_NEW) is None


def test_a_new_skipped_file_does_arrive(after: Outcome) -> None:
    """The one thing for which a later version might want `_skip_if_exists`."""
    assert after.text(SKIPPED_NEW) == "theirs\n"


# --- renamed by the user

LEFT = files.file("left", FIRST, mine=None, theirs=THEIRS)
ARRIVED = files.file("arrived", None, mine=FIRST, theirs=None)


def test_a_file_that_the_user_renamed_misses_later_changes(after: Outcome) -> None:
    """The files of the machinery stay where they are; only what is yours may be moved."""
    assert after.text(ARRIVED) == FIRST
    assert after.text(LEFT) is None


# --- an option turned off

options = OneUpdate(
    part={"type": "bool", "default": True},
    _exclude=[
        "{% if not part %}/part{% endif %}",
        "{% if not part %}/guarded-part{% endif %}",
        "{% if _copier_operation == 'update' %}/guarded-part{% endif %}",
    ],
)
PART = options.file("part", FIRST, mine=MINE, theirs=FIRST)
GUARDED_PART = options.file("guarded-part", FIRST, mine=MINE, theirs=FIRST)


@pytest.fixture
def turned_off() -> Outcome:
    """Return what an update left that turned an option off."""
    return options.outcome("--data", "part=false")


def test_turning_an_option_off_deletes_its_files_with_the_users_edits(turned_off: Outcome) -> None:
    """Hence all files of an optional part (the licence, the pipelines) are guarded."""
    assert turned_off.said.returncode == 0
    assert turned_off.text(PART) is None
    assert PART not in turned_off.said.stdout + turned_off.said.stderr


def test_turning_an_option_off_keeps_its_guarded_files(turned_off: Outcome) -> None:
    """Who answers `licence=none` later keeps LICENSE; the documentation says so."""
    assert "part: false\n" in (turned_off.text(".copier-answers.yml") or "")
    assert turned_off.text(GUARDED_PART) == MINE


# --- recopy


@pytest.mark.parametrize("name", ["plain", "skipped/sample", "excluded/sample"])
def test_recopy_restores_what_the_user_deleted_guarded_or_not(name: str) -> None:
    """The way to get a sample back; the documentation says so."""
    project = Template({name: FIRST}, **GUARDS).project()
    (project.folder / name).unlink()
    project.commit("gone")
    copier.run_recopy(project.folder, defaults=True, overwrite=True, quiet=True)
    assert read(project.folder / name) == FIRST


@pytest.mark.parametrize("name", ["plain", "excluded/sample"])
def test_recopy_overwrites_what_the_user_edited_guarded_or_not(name: str) -> None:
    """Hence recopy is nothing for every day; the documentation says so."""
    project = Template({name: FIRST}, **GUARDS).project()
    project.edit(name, lambda old: f"{old}mine\n")
    copier.run_recopy(project.folder, defaults=True, overwrite=True, quiet=True)
    assert read(project.folder / name) == FIRST


# --- rules and the old version


def test_rules_of_the_new_version_are_applied_to_a_render_of_the_old_one() -> None:
    """Hence a rule in `_exclude` on a question that came later says `question | default(...)`."""
    envops = {"undefined": "jinja2.StrictUndefined"}
    template = Template({"a": FIRST}, _envops=envops)
    project = template.project()
    later = {"type": "bool", "default": False}
    template.release("2.0.0", later=later, _exclude=["{% if later %}/nothing{% endif %}"])
    done = run_copier(project.folder, "update", "--defaults")
    assert done.returncode == 1
    assert last_line(done).endswith("'later' is undefined")
    template.release("3.0.0", _exclude=["{% if later | default(false) %}/nothing{% endif %}"])
    project.update()
    assert project.answers()["later"] is False
