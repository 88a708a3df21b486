"""What a person types freely: it arrives as it was typed, in every file that it stands in."""

from __future__ import annotations

import re
import tomllib
from html import unescape

import pytest
import yaml  # type: ignore[import-untyped,unused-ignore]
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from questions import BRACES, HOSTILE, environment, refusal
from rendering import fresh_folder, render, rendered


@pytest.mark.parametrize("address", ["", "ada@example.org", "a.b+c@sub.example.co.uk", "ü@ö.de"])
def test_an_address_may_be(address: str) -> None:
    assert refusal("author_email", address) == ""


@pytest.mark.parametrize(
    "address",
    [
        "ada",
        "ada@",
        "@example.org",
        "ada@example",
        "ada @example.org",
        "ada@example..org",
        "a@b@example.org",
        "Ada <ada@example.org>",
        "ada@example.org\n",
        'a"b@example.org',
        "ada@example.org,bob@example.org",
        "a\x00@example.org",
        "a" * 250 + "@example.org",
    ],
)
def test_a_wrong_address_is_answered_with_a_right_one(address: str) -> None:
    assert refusal("author_email", address) == (
        "Write an address such as ada@example.org, or leave it empty."
    )


@pytest.mark.parametrize("question", ["project_description", "author_name"])
@pytest.mark.parametrize("evil", ["\n", "\r", "\x00", "\x1b[31m", "\x7f", "\x85", "\u2028", "\u202e"])
def test_line_breaks_and_control_characters_are_refused(question: str, evil: str) -> None:
    assert refusal(question, f"one{evil}two") == (
        "Write it on one line, without line breaks or other control characters."
    )


def test_long_and_empty_descriptions_are_refused() -> None:
    assert refusal("project_description", "x" * 200) == ""
    assert refusal("project_description", "x" * 201) == "Use at most 200 characters; this has 201."
    assert refusal("project_description", " ") == "Say in one line what the application does."
    assert refusal("author_name", "") == ""


@pytest.mark.parametrize("year", ["", "26", "twenty", "20266", "2026\n"])
def test_a_wrong_year_is_answered_with_a_right_one(year: str) -> None:
    assert refusal("copyright_year", "2026") == ""
    assert refusal("copyright_year", year) == "Write a year in four digits, such as 2026."


@pytest.mark.full
@pytest.mark.parametrize("text", [HOSTILE, BRACES, "- list", "1. one", "# head", "> quote", "''", '"'])
def test_hostile_text_arrives_as_it_was_typed(text: str) -> None:
    folder = render(
        fresh_folder() / "app",
        project_description=text,
        author_name=text,
        author_email="o'neil&co@example.org",
    )

    project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["description"] == text
    assert project["authors"] == [{"name": text, "email": "o'neil&co@example.org"}]
    answers = yaml.safe_load((folder / ".copier-answers.yml").read_text(encoding="utf-8"))
    assert (answers["project_description"], answers["author_name"]) == (text, text)
    assert f" {text}\n" in (folder / "LICENSE").read_text(encoding="utf-8")
    assert shown((folder / "README.md").read_text(encoding="utf-8").split("\n\n")[1]) == text


def shown(markdown: str) -> str:
    """Return the words that a reader of one paragraph of Markdown sees."""
    html = MarkdownIt("commonmark").enable("strikethrough").render(markdown)
    paragraph = re.fullmatch(r"<p>(.*)</p>\n", html)
    assert paragraph, f"not one plain paragraph: {html}"
    assert "<" not in paragraph[1], f"not plain text: {html}"
    return unescape(paragraph[1])


@pytest.mark.full
@given(st.text(max_size=60))
def test_whatever_is_accepted_can_be_quoted(text: str) -> None:
    if refusal("project_description", text):
        return
    macros = environment().get_template("includes/text.jinja").make_module({})
    quoted = macros.quoted(text)  # type: ignore[attr-defined]
    assert tomllib.loads(f"x = {quoted}") == {"x": text}
    assert yaml.safe_load(f"x: {quoted}") == {"x": text}


@given(st.text(alphabet="ab 1.\\`*_[]()<>#|~&;!-+=:/'\"$", min_size=1, max_size=20))
def test_a_description_never_becomes_anything_but_a_paragraph(text: str) -> None:
    plain = " ".join(text.split())
    if plain:
        macros = environment().get_template("includes/text.jinja").make_module({})
        assert shown(macros.markdown(plain)) == plain  # type: ignore[attr-defined]


# --- how the author appears


def test_an_author_is_named_in_the_licence_and_the_package() -> None:
    folder = rendered(author_name=" Ada Lovelace ", copyright_year="2001", project_name="engine")
    assert "Copyright (c) 2001 Ada Lovelace\n" in (folder / "LICENSE").read_text(encoding="utf-8")
    assert 'authors = [{ name = "Ada Lovelace" }]\n' in (folder / "pyproject.toml").read_text(
        encoding="utf-8"
    )


def test_without_an_author_the_licence_names_the_project() -> None:
    folder = rendered(author_email="ada@example.org", copyright_year="2001", project_name="engine")
    licence = (folder / "LICENSE").read_text(encoding="utf-8")
    assert "Copyright (c) 2001 the engine authors\n" in licence
    assert 'authors = [{ email = "ada@example.org" }]\n' in (folder / "pyproject.toml").read_text(
        encoding="utf-8"
    )
