"""What `copier check-update` prints and exits with.

0 is no answer: it means both "up to date" and "there is a newer version", unless `--quiet` is given. And
"up to date" is also said of a project that is past the last release and cannot be updated.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from rendering import edit, fresh_folder

from .lab import Template, run_copier

pytestmark = pytest.mark.full

JSON = ("--output-format", "json")
NO_TAGS = "No git tags found in template; using HEAD as ref\n"


def check(folder: Path, *options: str) -> tuple[int, str, str]:
    """Return the exit code of `copier check-update` and what it printed: results, and complaints."""
    done = run_copier(folder, "check-update", *options)
    return done.returncode, done.stdout, done.stderr


@pytest.fixture(scope="module")
def current() -> Path:
    """Return a project of the newest release; a prerelease is there, and a commit that is no release."""
    template = Template()
    project = template.project()
    template.release("2.0.0rc1")
    template.release(None)
    return project.folder


@pytest.fixture(scope="module")
def outdated() -> Path:
    """Return a project of the release before the newest, with a change that is not committed."""
    template = Template()
    project = template.project()
    template.release("2.0.0")
    project.edit("notes", lambda _: "not committed\n")
    return project.folder


def test_a_project_of_the_newest_release_is_up_to_date(current: Path) -> None:
    """What users are told of is releases: no prerelease, and nothing past the last tag."""
    assert check(current) == (0, "Project is up-to-date!\n", "")
    assert check(current, "--quiet") == (0, "", "")


def test_a_prerelease_counts_when_asked_for(current: Path) -> None:
    """Who wants to try a prerelease can."""
    code, out, _ = check(current, "--prereleases")
    assert code == 0
    assert "latest version is 2.0.0rc1." in out


def test_a_newer_release_is_named_but_the_exit_code_is_0(outdated: Path) -> None:
    """Hence whatever asks for newer versions in a script needs `--quiet` or reads the text."""
    said = "New template version available.\nCurrent version is 1.0.0, latest version is 2.0.0.\n"
    assert check(outdated) == (0, said, "")


def test_quiet_exits_with_2_for_a_newer_release_and_prints_nothing(outdated: Path) -> None:
    """The only exit code that tells a newer version from none and from a failure."""
    assert check(outdated, "--quiet") == (2, "", "")


def test_json_says_it_in_three_fields_with_exit_code_0(outdated: Path, current: Path) -> None:
    """What a pipeline can read."""
    code, out, err = check(outdated, *JSON)
    assert (code, err) == (0, "")
    expected = {"update_available": True, "current_version": "1.0.0", "latest_version": "2.0.0"}
    assert json.loads(out) == expected
    code, out, err = check(current, *JSON)
    assert (code, err) == (0, "")
    assert json.loads(out) == expected | {"update_available": False, "latest_version": "1.0.0"}


def test_it_needs_neither_git_nor_a_clean_tree_in_the_project() -> None:
    """Unlike an update, looking is possible anywhere."""
    template = Template()
    folder = template.render()
    template.release("2.0.0")
    assert check(folder, "--quiet") == (2, "", "")


# --- no tags, and past the last one


def test_without_tags_a_later_commit_is_a_newer_version() -> None:
    """A fork without releases is asked for its commits."""
    template = Template(tag=None)
    folder = template.render()
    template.release(None)
    code, out, err = check(folder)
    assert (code, err) == (0, NO_TAGS)
    assert out.startswith("New template version available.\nCurrent version is 0.0.0.post1.dev0+")
    assert check(folder, "--quiet") == (2, "", NO_TAGS)


def test_past_the_last_tag_it_says_up_to_date_although_an_update_is_refused() -> None:
    """Up to date does not mean that `make update` will work."""
    template = Template()
    template.release(None)
    project = template.project(vcs_ref="HEAD")
    assert check(project.folder) == (0, "Project is up-to-date!\n", "")
    assert check(project.folder, "--quiet") == (0, "", "")
    assert run_copier(project.folder, "update", "--defaults").returncode == 1


# --- a source that cannot be read


def test_a_source_that_is_gone_is_an_error_in_one_sentence() -> None:
    """1 is a failure and 2 is news, with `--quiet` too."""
    template = Template()
    folder = template.render()
    shutil.rmtree(template.folder)
    sentence = "Checking is only supported in git-tracked templates.\n"
    assert check(folder, "--quiet") == (1, "", sentence)


def test_a_server_that_cannot_be_reached_is_a_traceback() -> None:
    """Hence whatever asks for newer versions has a sentence of its own for a missing network."""
    template = Template()
    folder = template.render()
    away = "https://127.0.0.1:1/template.git"
    edit(folder / ".copier-answers.yml", lambda old: old.replace(str(template.folder), away))
    code, out, err = check(folder, "--quiet")
    assert (code, out) == (1, "")
    assert err.startswith("Traceback")
    assert away in err


def test_a_folder_without_answers_is_an_error_in_one_sentence() -> None:
    """Who runs it in the wrong folder is told so."""
    sentence = "Cannot check because cannot obtain old template references from `.copier-answers.yml`.\n"
    assert check(fresh_folder("nothing")) == (1, "", sentence)
