"""Told once more on PostgreSQL: see `tests/test_catching_up.py`."""

from __future__ import annotations

import pytest

# The most telling ones of that file.
from test_catching_up import (  # noqa: F401
    test_a_changed_schedule_is_not_caught_up,
    test_a_job_that_is_removed_accounts_for_the_time_until_then,
    test_a_long_gap_is_a_range_row_with_its_exact_count,
    test_a_schedule_that_is_changed_while_paused_accounts_for_the_pause_so_far,
    test_after_an_outage_the_latest_missed_tick_runs,
    test_without_coalescing_missed_ticks_run_oldest_first_one_at_a_time,
)

pytestmark = pytest.mark.full
