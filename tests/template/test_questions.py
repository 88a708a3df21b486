"""What may be answered, what is refused, and that both are said in one sentence."""

from __future__ import annotations

import random
import re
import subprocess
import sys
import tomllib
from functools import cache
from html import unescape
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path
from zoneinfo import ZoneInfo

import jinja2
import pytest
import yaml  # type: ignore[import-untyped,unused-ignore]
from everytick.text.zone_hints import hints, nearest_zone
from hypothesis import given
from hypothesis import strategies as st
from jinja2.sandbox import SandboxedEnvironment
from markdown_it import MarkdownIt
from packaging.requirements import Requirement

from app_session import ROOT
from lists import time_zones
from rendering import QUESTIONS, SETTINGS, contents, fresh_folder, render, rendered, source

HOSTILE = (
    """O'Neil "the\\ \\n" <b>&amp;</b> *x* _y_ `z` [a](b) # | ~~s~~ $1 %s {0} """
    "ä ß 日本 👩\u200d💻 ½"
)
BRACES = "{{ undefined_name }} {% raise %} {# gone #}"


@cache
def environment() -> jinja2.Environment:
    """Return Jinja as Copier sets it up, so that many answers can be tried without a render."""
    return SandboxedEnvironment(
        loader=jinja2.FileSystemLoader(ROOT),
        extensions=["jinja2_ansible_filters.AnsibleCoreFiltersExtension"],
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=SETTINGS["_envops"]["trim_blocks"],
        lstrip_blocks=SETTINGS["_envops"]["lstrip_blocks"],
    )


def refusal(question: str, answer: str) -> str:
    """Return what the question's validator says; nothing means that the answer is right."""
    validator = environment().from_string(QUESTIONS[question]["validator"])
    context = {"_copier_answers": {"_src_path": "gh:owner/template"}, question: answer}
    return validator.render(context).strip()


def included(name: str) -> list[str]:
    """Return the names of a list in `includes/`."""
    return (ROOT / "includes" / name).read_text(encoding="utf-8").splitlines()[1:]


def canonical(name: str) -> str:
    """Return the name of a package as installers compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


# --- the questions themselves


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


# --- project_name


@pytest.mark.parametrize("name", ["a", "app", "scheduler", "my-app", "a1-b2-3", "x" * 63])
def test_a_project_name_may_be(name: str) -> None:
    assert refusal("project_name", name) == ""


@pytest.mark.parametrize(
    ("name", "better"),
    [
        ("My App", "my-app"),
        ("my_app", "my-app"),
        ("my--app", "my-app"),
        ("-my-app-", "my-app"),
        ("2fast", "fast"),
        ("my-app\n", "my-app"),
        ("my.app", "my-app"),
        ("../app", "app"),
        ("app; rm -rf /", "app-rm-rf"),
        ("größe", "gr-e"),
        ("日本", "my-scheduler"),
        ("", "my-scheduler"),
        ("x" * 64, "my-scheduler"),
    ],
)
def test_a_wrong_project_name_is_answered_with_a_right_one(name: str, better: str) -> None:
    assert refusal("project_name", name) == (
        f"Use at most 63 lower-case letters, digits and hyphens, such as {better}."
    )
    assert refusal("project_name", better) == ""


def test_a_project_cannot_have_the_name_of_something_that_it_needs() -> None:
    with pytest.raises(
        ValueError, match="Use another name, such as my-loguru; the application itself needs loguru"
    ):
        render(fresh_folder("refused") / "app", project_name="loguru")
    for name in included("taken-names.txt"):
        assert refusal("project_name", name).startswith(f"Use another name, such as my-{name}; ")


def test_every_package_that_the_application_draws_in_is_among_the_taken_names() -> None:
    taken = set(included("taken-names.txt"))
    project = tomllib.loads((rendered() / "pyproject.toml").read_text(encoding="utf-8"))
    wanted = [
        *project["build-system"]["requires"],
        *project["project"]["dependencies"],
        *project["dependency-groups"]["dev"],
    ]
    seen: set[str] = set()
    while wanted:
        requirement = Requirement(wanted.pop())
        name = canonical(requirement.name)
        applies = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        if name in seen or not applies:
            continue
        seen.add(name)
        try:
            wanted += requires(name) or []
        except PackageNotFoundError:
            assert name == "hatchling", f"{name} is not installed, so what it needs is unknown"
    assert seen - taken == set(), "run python scripts/lists.py"
    assert {"python", "python3", "pip", "uv", "uvx", "dotenv", "greenlet", "typer"} <= taken


# --- timezone


def test_every_time_zone_of_the_database_is_accepted_and_no_other() -> None:
    listed = included("time-zones.txt")
    assert listed == sorted(set(listed))
    assert set(time_zones()) - set(listed) == set(), "run python scripts/lists.py"
    for name in listed:
        ZoneInfo(name)
    for name in ("UTC", "Europe/Berlin", "America/Argentina/ComodRivadavia", "US/Pacific"):
        assert refusal("timezone", name) == ""
    # The list's own first line is not a name.
    assert refusal("timezone", "# Made by scripts/lists.py; do not edit.") != ""


@pytest.mark.parametrize(
    ("answer", "meant"),
    [
        ("Europe/Berln", "Europe/Berlin"),
        ("Europe/Belrin", "Europe/Berlin"),
        ("europe/berlin", "Europe/Berlin"),
        (" Europe/Berlin", "Europe/Berlin"),
        ("Europe/Berlin\n", "Europe/Berlin"),
        ("Europe\\Berlin", "Europe/Berlin"),
        ("berlin", "Europe/Berlin"),
        ("berln", "Europe/Berlin"),
        ("new york", "America/New_York"),
        ("America/NewYork", "America/New_York"),
        ("Amercia/Los_Angeles", "America/Los_Angeles"),
        ("Asia/Calcuta", "Asia/Calcutta"),
        ("Pacific", "US/Pacific"),
        ("utc", "UTC"),
        ("CET+1", "CET"),
        ("PST", "America/Los_Angeles"),
        ("Asia/Mumbai", "Asia/Kolkata"),
        ("München", "Europe/Berlin"),
        ("Eastern Standard Time", "America/New_York"),
        ("UTC+0", "UTC"),
    ],
)
def test_a_wrong_time_zone_is_answered_with_the_nearest(answer: str, meant: str) -> None:
    assert refusal("timezone", answer) == f"Use an IANA time zone; did you mean {meant}?"


@pytest.mark.parametrize("answer", ["UTC+2", "GMT+02:00", "GMT+2", "UTC + 2", "+02:00", "utc+02"])
def test_a_fixed_offset_is_answered_with_the_zone_of_that_offset(answer: str) -> None:
    assert refusal("timezone", answer).endswith("did you mean Etc/GMT-2 (there the sign is reversed)?")


@pytest.mark.parametrize(
    "answer", ["", "XYZ", "local", "Factory", "Asia/Nagpur", "UTC+15", "UTC+5:30", "a" * 5000]
)
def test_a_time_zone_that_is_near_to_none_gets_no_wrong_hint(answer: str) -> None:
    expected = "Use an IANA time zone, such as Europe/Berlin or UTC."
    assert refusal("timezone", answer) == expected


def test_the_settings_and_the_code_give_the_hints_of_the_question() -> None:
    """One list serves all three: what is meant by a zone does not depend on where it is written."""
    letters, names = random.Random(7), included("time-zones.txt")
    asked = [*hints(), *(hint.upper() for hint in hints()), *SPELLINGS]
    for name in letters.sample(names, 60):
        place = letters.randrange(len(name))
        asked += [name[:place] + name[place + 1 :], name.rpartition("/")[2], name.upper()]
        asked.append(name[:place] + letters.choice("aeiou") + name[place:])
    for answer in asked:
        if answer not in names:
            near = nearest_zone(answer, names)
            reversed_sign = " (there the sign is reversed)" if near.startswith("Etc/") else ""
            said = f"; did you mean {near}{reversed_sign}?" if near else ", such as Europe/Berlin or UTC."
            assert refusal("timezone", answer) == f"Use an IANA time zone{said}", answer
    for meant in hints().values():
        assert meant in names
        ZoneInfo(meant)


SPELLINGS = [
    *(
        "UTC+2",
        "GMT-5",
        "gmt-5",
        "GMT+0200",
        "UTC-03:00",
        "+1",
        "-0930",
        "UTC+5:30",
        "UTC+15",
        "CET+1",
        "IST+5",
    ),
    *(
        "Mumbai",
        "Asia/Mumbai",
        "Manama",
        "Leipzig",
        "Turin",
        "Nagpur",
        "local",
        "localtime",
        "None",
        "us-east-1",
    ),
    *(
        "Europe",
        "Europa/Berlin",
        "Europe/Kiew",
        "W. Europe Standard Time",
        "new  york",
        "XYZ",
        "B S T",
        "a" * 41,
    ),
]


def test_a_refusal_reaches_the_person_who_asked() -> None:
    with pytest.raises(ValueError, match=r"question 'timezone': Use an IANA .* Europe/Berlin"):
        render(fresh_folder("refused") / "app", timezone="Europe/Berln")


# --- what a person types freely


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
