"""The page that compares features: each of our cells leads to tests, and each test that it names is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/explanation/features-beside-others.md").read_text("utf-8")
ROWS = [line.split("|")[1:-1] for line in PAGE.splitlines() if line.startswith("| ")]
ITEMS = {found[1]: found[2] for found in re.finditer(r'^- <span id="([\w-]+)">(.*(?:\n  .*)*)', PAGE, re.M)}
TESTS = sorted({it for text in ITEMS.values() for it in re.findall(r"`(tests/[^`]+)`", text)})


def test_each_row_has_a_cell_of_each_product() -> None:
    head, *rows = ROWS
    assert len(rows) > 20
    assert {len(row) for row in ROWS} == {len(head)}
    assert [cell for row in rows for cell in row if not cell.strip()] == []


def test_each_of_our_cells_leads_to_tests() -> None:
    named = [re.search(r"\]\(#([\w-]+)\)", row[1]) for row in ROWS[1:]]
    assert [found[1] if found else None for found in named] == list(ITEMS)
    assert all(re.findall(r"`tests/", text) for text in ITEMS.values())


def is_there(named: str) -> bool:
    """Return whether a test is in the repository: one of that very name, or any in the file that is named."""
    file, _, name = named.partition("::")
    if not (ROOT / file).is_file():
        return False
    defined = rf"{re.escape(name)}\(" if name else "test_"
    return re.search(rf"^(async )?def {defined}", (ROOT / file).read_text("utf-8"), re.MULTILINE) is not None


@pytest.mark.parametrize("named", TESTS)
def test_each_named_test_is_there(named: str) -> None:
    assert is_there(named)


def test_a_name_of_which_there_is_no_test_is_noticed() -> None:
    here = "tests/system/test_features_page.py"
    assert is_there(here)
    assert is_there(f"{here}::test_each_named_test_is_there")
    for gone in (f"{here}::test_each_named_test_is", f"{here}::test_gone", "tests/system/test_gone.py"):
        assert not is_there(gone)
    assert not is_there("tests/support/waiting.py")
