"""Told once more on PostgreSQL: see `test_reports.py` in `tests/engine/engine`, and `test_reported.py`."""

from __future__ import annotations

import pytest

from test_reported import (  # noqa: F401
    found,
    test_a_list_of_runs_has_it,
    test_one_run_has_it,
    test_pages_have_it,
    test_why_tells_how_far_a_run_got,
)
from test_reports import (  # noqa: F401
    test_a_run_by_hand_hands_its_result_to_whoever_asks,
    test_a_run_says_how_far_it_is_while_it_goes_on,
    test_none_leaves_nothing_behind,
    test_the_last_of_it_stays_when_a_run_fails_and_each_attempt_has_its_own,
)

pytestmark = pytest.mark.full
