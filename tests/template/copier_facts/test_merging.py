"""What a user and a new release both did to one file: kept, marked as a conflict, or set aside.

All files go through one update, once with Copier's default for conflicts and once with `--conflict rej`.
"""

from __future__ import annotations

import pytest

from pythons import uv
from rendering import git

from .lab import NINE, OneUpdate, Outcome, Template, write

pytestmark = pytest.mark.full

files = OneUpdate()


@pytest.fixture
def inline() -> Outcome:
    """Return what `copier update` left."""
    return files.outcome()


@pytest.fixture
def rejected() -> Outcome:
    """Return what `copier update --conflict rej` left."""
    return files.outcome("--conflict", "rej")


def marked(mine: str, theirs: str) -> str:
    """Return both texts with conflict markers, as git puts them."""
    return f"<<<<<<< before updating\n{mine}=======\n{theirs}>>>>>>> after updating\n"


# --- hunks

DIFFERENT_HUNKS = files.file(
    "different-hunks",
    NINE,
    mine=NINE.replace("1\n", "mine\n"),
    theirs=NINE.replace("9\n", "theirs\n"),
)
SAME_LINE = files.file(
    "same-line", NINE, mine=NINE.replace("5\n", "mine\n"), theirs=NINE.replace("5\n", "theirs\n")
)
ADJACENT_LINES = files.file(
    "adjacent-lines", NINE, mine=NINE.replace("5\n", "mine\n"), theirs=NINE.replace("6\n", "theirs\n")
)


def test_changes_in_different_hunks_are_both_kept(inline: Outcome) -> None:
    """A user may edit a file of the template: the README says that the change is merged."""
    assert inline.text(DIFFERENT_HUNKS) == "mine\n2\n3\n4\n5\n6\n7\n8\ntheirs\n"


def test_a_change_of_the_same_line_is_marked_with_both_texts(inline: Outcome) -> None:
    """`make update` looks for these markers; the README promises that both texts are kept."""
    text = NINE.replace("5\n", marked("mine\n", "theirs\n"))
    assert inline.text(SAME_LINE) == text


def test_a_change_of_the_next_line_is_marked_too(inline: Outcome) -> None:
    """Hence shared files have a separator line between the two parts."""
    text = NINE.replace("5\n6\n", marked("mine\n6\n", "5\ntheirs\n"))
    assert inline.text(ADJACENT_LINES) == text


@pytest.mark.parametrize("name", [SAME_LINE, ADJACENT_LINES])
def test_rej_lets_the_template_win_and_sets_the_users_lines_aside(rejected: Outcome, name: str) -> None:
    """`make update` lists *.rej files among the conflicts, for those who have set Copier up so."""
    text = rejected.text(name)
    assert text is not None
    assert "theirs\n" in text
    assert "mine\n" not in text
    assert "+mine\n" in (rejected.text(f"{name}.rej") or "")


def test_rej_merges_different_hunks_all_the_same(rejected: Outcome) -> None:
    """Setting Copier up for *.rej files costs nobody the changes that do not conflict."""
    assert rejected.text(DIFFERENT_HUNKS) == "mine\n2\n3\n4\n5\n6\n7\n8\ntheirs\n"
    assert rejected.text(f"{DIFFERENT_HUNKS}.rej") is None


# --- lists

BARE_LIST = files.file("bare-list", "a\nb\n", mine="a\nb\nmine\n", theirs="a\nb\ntheirs\n")
DIVIDED_LIST = files.file(
    "divided-list", "a\nb\n# yours\n", mine="a\nb\n# yours\nmine\n", theirs="a\nb\ntheirs\n# yours\n"
)


def test_both_appending_to_one_list_conflicts(inline: Outcome) -> None:
    """Hence every list that users add to has a separator line at its end."""
    assert inline.text(BARE_LIST) == "a\nb\n" + marked("mine\n", "theirs\n")


def test_a_separator_line_makes_it_clean(inline: Outcome) -> None:
    """The separators in pyproject.toml, Makefile, .gitignore and .env.example rest on this."""
    assert inline.text(DIVIDED_LIST) == "a\nb\ntheirs\n# yours\nmine\n"


def test_rej_sets_aside_what_is_below_a_separator(rejected: Outcome) -> None:
    """Hence `make update` leaves Copier's default alone: a separator protects nothing with rej."""
    assert rejected.text(DIVIDED_LIST) == "a\nb\ntheirs\n# yours\n"
    assert "+mine\n" in (rejected.text(f"{DIVIDED_LIST}.rej") or "")


# --- exit codes and the index


def test_an_update_with_conflicts_exits_with_0(inline: Outcome, rejected: Outcome) -> None:
    """Hence `make update` looks for conflicts itself; if Copier did, it would not have to."""
    assert "<<<<<<<" in (inline.text(SAME_LINE) or "")
    assert inline.said.returncode == 0
    assert rejected.text(f"{SAME_LINE}.rej")
    assert rejected.said.returncode == 0


def test_git_lists_the_conflicts_as_unmerged(inline: Outcome) -> None:
    """`git status` shows a user what is left to do, and `make update` asks git for these."""
    unmerged = git(inline.project, "diff", "--name-only", "--diff-filter=U").split()
    assert unmerged == [ADJACENT_LINES, BARE_LIST, SAME_LINE]


# --- uv add

SEPARATOR = "    # yours: packages go below this line\n"
SORTED = '    "httpx>=0.28",\n    "rich>=14",\n'
UNSORTED = '    "rich>=14",\n    "httpx>=0.28",\n'


def with_a_package(packages: str) -> str:
    """Return what stands between the brackets after `uv add`."""
    folder = Template().render()
    before = f'[project]\nname = "x"\nversion = "1"\ndependencies = [\n{packages}{SEPARATOR}]\n'
    write(folder, {"pyproject.toml": before})
    uv(folder, "add", "--frozen", "loguru>=0.7")
    after = (folder / "pyproject.toml").read_text(encoding="utf-8")
    return after.partition("[\n")[2].partition("]")[0]


def test_uv_add_inserts_into_a_sorted_list_above_the_separator() -> None:
    """Hence the dependencies in pyproject.toml are out of order on purpose."""
    rows = '    "httpx>=0.28",\n    "loguru>=0.7",\n    "rich>=14",\n'
    assert with_a_package(SORTED) == rows + SEPARATOR


def test_uv_add_appends_to_an_unsorted_list_below_the_separator() -> None:
    """What a user adds with `uv add` never conflicts with what the template adds."""
    assert with_a_package(UNSORTED) == UNSORTED + SEPARATOR + '    "loguru>=0.7",\n'
