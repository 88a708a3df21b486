"""The table of promises in the README: each rule has tests, and each test that it names is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROWS = re.findall(r"^\| R(\d+) .*$", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE)
LINKS = re.findall(r"\[([^]]+)\]\((tests/[\w/]*/test_\w+\.py)\)", (ROOT / "README.md").read_text("utf-8"))


def test_every_rule_has_a_row() -> None:
    assert [int(number) for number in ROWS] == list(range(1, 16))


@pytest.mark.parametrize(("text", "file"), [link for link in LINKS if not link[0][0].isdigit()])
def test_each_named_test_is_there(text: str, file: str) -> None:
    name = f"test_{text.replace(' ', '_')}"
    assert re.search(rf"^(async )?def {name}\(", (ROOT / file).read_text("utf-8"), re.MULTILINE), name
