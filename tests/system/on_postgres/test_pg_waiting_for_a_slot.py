"""Told once more on PostgreSQL: see `tests/engine/engine/test_waiting_for_a_slot.py`."""

from __future__ import annotations

import pytest

from test_waiting_for_a_slot import (  # noqa: F401
    all_looked_at_once,
    test_a_backlog_of_a_job_drains_oldest_first_and_without_a_pulse,
    test_a_free_slot_is_taken_at_once_by_a_run_that_waits_for_it,
    test_a_process_with_room_runs_what_another_one_has_no_slot_for,
    test_a_run_without_a_slot_waits_and_is_not_called_running,
    test_no_tick_is_given_up_before_each_process_has_looked_for_it,
    test_of_a_job_without_coalescing_as_many_ticks_wait_as_would_be_made_up_for,
)

pytestmark = pytest.mark.full
