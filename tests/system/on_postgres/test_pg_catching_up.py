"""Told once more on PostgreSQL: see `tests/engine/engine/test_catching_up.py`."""

from __future__ import annotations

import pytest

# A file that another program locks is a story of its own.
from test_catching_up import (  # noqa: F401
    test_a_changed_schedule_is_not_caught_up,
    test_a_gap_of_years_of_cron_ticks_is_counted_exactly,
    test_a_job_that_is_removed_accounts_for_the_time_until_then,
    test_a_job_that_will_never_run_is_told_at_the_start,
    test_a_long_gap_is_a_range_row_with_its_exact_count,
    test_a_paused_job_has_no_startup_run,
    test_a_reserved_run_that_was_not_started_is_given_back_and_runs_later,
    test_a_schedule_that_is_changed_while_paused_accounts_for_the_pause_so_far,
    test_a_startup_run_that_was_given_back_does_not_add_up,
    test_a_tick_beyond_its_grace_is_recorded_as_an_outage,
    test_after_an_outage_the_latest_missed_tick_runs,
    test_pausing_and_resuming_is_durable_and_recorded,
    test_resuming_never_moves_a_job_back_in_time,
    test_the_end_of_its_grace_is_still_within_it_for_each_tick,
    test_ticks_that_were_missed_are_told_to_listeners,
    test_without_coalescing_missed_ticks_run_oldest_first_one_at_a_time,
)

pytestmark = pytest.mark.full
