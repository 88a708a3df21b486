"""Told once more on PostgreSQL: see `tests/engine/engine/test_groups.py`."""

from __future__ import annotations

import pytest

from test_groups import (  # noqa: F401
    test_a_change_of_the_group_is_in_force_from_the_next_start,
    test_a_group_without_a_limit_and_a_job_without_a_group_begin_as_others_do,
    test_a_tick_that_waits_for_its_group_beyond_its_grace_time_is_missed,
    test_each_tick_of_a_job_that_waits_runs_in_its_turn,
    test_no_more_runs_of_a_group_begin_than_its_limit_and_each_end_lets_the_next_begin,
    test_runs_by_hand_retries_and_added_jobs_count_for_their_group,
    test_ticks_wait_for_a_place_in_their_group_and_the_newest_of_a_job_stays,
)

pytestmark = pytest.mark.full
