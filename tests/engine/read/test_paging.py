"""Pages of a list whose length is known."""

from __future__ import annotations

import pytest
from everytick.read.paging import Page, offset_of


@pytest.mark.parametrize(("total", "pages"), [(0, 1), (1, 1), (20, 1), (21, 2), (40, 2), (41, 3)])
def test_a_list_has_as_many_pages_as_it_fills_and_one_if_it_is_empty(total: int, pages: int) -> None:
    assert Page([], total, 20, 0).last_number == pages


@pytest.mark.parametrize("number", [1, 2, 100_000])
def test_a_page_knows_its_number_from_where_it_begins(number: int) -> None:
    assert Page([], 50, 20, offset_of(number, 20)).number == number


def test_the_first_page_leaves_nothing_out() -> None:
    assert [offset_of(number, 25) for number in (1, 2, 3)] == [0, 25, 50]
