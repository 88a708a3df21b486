"""Versions and their order are those of Python packages; `git describe` adds its own."""

from __future__ import annotations

import itertools

import pytest
from everytick.answers import answer_in
from everytick.update.news import news
from everytick.update.versions import Version, git_address, release_of
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import InvalidVersion
from packaging.version import Version as Packaged

# All parts of a version, in many spellings.
PARTS = (
    st.sampled_from(["", "v", "1!"]),
    st.lists(st.integers(0, 12), min_size=1, max_size=4).map(lambda it: ".".join(map(str, it))),
    st.sampled_from(["", "a1", "-alpha.2", "b", "_beta3", "rc1", ".c2", "pre0", "preview4"]),
    st.sampled_from(["", ".post1", "-2", "rev3", "r"]),
    st.sampled_from(["", ".dev0", "dev3", "-dev"]),
    st.sampled_from(["", "+local.1", "+abc", "+2"]),
)


@given(st.tuples(*PARTS), st.tuples(*PARTS))
def test_the_order_is_that_of_packages(one: tuple[str, ...], other: tuple[str, ...]) -> None:
    first, second = "".join(one), "".join(other)
    assert (Version(first) < Version(second)) == (Packaged(first) < Packaged(second))
    assert Version(first).is_preview == Packaged(first).is_prerelease


def test_the_order_is_strict() -> None:
    ordered = [
        "1.0.dev1",
        "1.0a1.dev2",
        "1.0a1",
        "1.0b1",
        "1.0rc1",
        "1.0",
        "1.0+x",
        "1.0.post1",
        "1.1",
        "1!0",
    ]
    for lower, higher in itertools.combinations(ordered, 2):
        assert Version(lower) < Version(higher)
        assert not Version(higher) < Version(lower)
    assert not Version("1.0") < Version("v1")


@pytest.mark.parametrize("text", ["", "latest", "1.0-", "1.0.x", "release-1.0", "1..0", "HEAD"])
def test_a_wrong_version_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="is no version"):
        Version(text)
    with pytest.raises(InvalidVersion):
        Packaged(text)


@pytest.mark.parametrize(
    ("commit", "release"),
    [
        ("0.2.0", "0.2.0"),
        ("v0.2.0rc1", "v0.2.0rc1"),
        ("0.2.0-3-gbe36a09", "0.2.0"),
        ("be36a09", None),
        ("0123456789abcdef0123456789abcdef01234567", None),
        ("main", None),
    ],
)
def test_the_release_that_a_project_has(commit: str, release: str | None) -> None:
    found = release_of(commit)
    assert (found.text if found else None) == release


@pytest.mark.parametrize(
    ("source", "address"),
    [
        ("gh:ada/template", "https://github.com/ada/template.git"),
        ("gl:/ada/template.git", "https://gitlab.com/ada/template.git"),
        ("git+https://example.org/t", "https://example.org/t"),
        ("git@example.org:ada/t.git", "git@example.org:ada/t.git"),
        ("/srv/template", "/srv/template"),
    ],
)
def test_short_addresses_are_written_out_for_git(source: str, address: str) -> None:
    assert git_address(source) == address


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("_src_path: /srv/template", "/srv/template"),
        ("_src_path: '/srv/it''s here'", "/srv/it's here"),
        ('_src_path: "/srv/\\u00fc\\nx"', "/srv/ü\nx"),
        ("_src_path: /srv/a very\n  long name", "/srv/a very long name"),
        ("src_path: /srv/template", None),
    ],
)
def test_answers_are_read_as_they_are_recorded(line: str, value: str | None) -> None:
    assert answer_in(f"# Comment\n_commit: 1.0.0\n{line}\nci: github\n", "_src_path") == value


CHANGELOG = """\
# Changelog

## [Unreleased]

- Soon.

## [0.3.0] - 2026-11-30

- More light.

## [0.2.0] - 2026-11-01

- Light.
"""


def test_news_are_what_an_older_changelog_did_not_have() -> None:
    older = CHANGELOG.replace("## [0.3.0] - 2026-11-30\n\n- More light.\n\n", "")
    assert news(CHANGELOG, older, None) == "## [0.3.0] - 2026-11-30\n\n- More light."
    assert news(CHANGELOG, CHANGELOG, None) == "nothing that its changelog speaks of"


def test_without_an_older_changelog_the_version_decides() -> None:
    assert news(CHANGELOG, "", Version("0.3.0")) == "## [Unreleased]\n\n- Soon."
    assert news(CHANGELOG, "", Version("0.2.5")).startswith("## [Unreleased]")
    assert "More light" in news(CHANGELOG, "", Version("0.2.5"))
    assert "- Light." in news(CHANGELOG, "", None)
    released = CHANGELOG.replace("- Soon.\n\n", "")
    assert news(released, "", Version("0.3.0")) == "nothing that its changelog speaks of"
