"""Told once more on PostgreSQL: see `tests/engine/dryrun/test_diff.py`."""

from __future__ import annotations

import pytest

# The most telling ones of that file.
from test_diff import (  # noqa: F401
    test_a_silent_process_elsewhere_is_given_up_and_its_runs_follow,
    test_before_the_first_start_everything_is_new_and_nothing_is_written,
    test_beside_a_living_process_there_is_no_run_of_a_start,
    test_each_kind_of_change_is_told_with_the_ticks_before_and_after,
)

pytestmark = pytest.mark.full
