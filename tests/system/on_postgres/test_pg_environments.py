"""Told once more on PostgreSQL: see `tests/engine/engine/test_environments.py`."""

from __future__ import annotations

import pytest

from test_days_to_leave_out import (  # noqa: F401
    test_a_holiday_is_no_tick_after_an_outage_either,
    test_jobs_added_while_running_keep_their_days_and_can_be_given_others,
)
from test_environments import (  # noqa: F401
    no_calls_yet,
    test_a_disabled_job_does_not_run_and_its_ticks_are_one_range,
    test_a_job_runs_where_it_is_enabled,
    test_a_pause_of_a_person_outlasts_the_settings,
    test_a_run_that_a_person_asks_for_is_refused_with_the_setting,
    test_jobs_added_while_running_are_disabled_too,
    test_what_was_missed_before_the_job_was_disabled_is_an_outage,
)

pytestmark = pytest.mark.full
