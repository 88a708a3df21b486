"""Told once more on PostgreSQL: see `tests/system/test_two_processes.py`."""

from __future__ import annotations

import pytest

from test_two_processes import (  # noqa: F401
    app,
    test_a_function_beyond_its_timeout_holds_its_slot_against_other_processes,
    test_a_kill_before_the_outcome_is_written_counts_as_one_inside_of_the_run,
    test_a_run_that_kills_its_process_is_not_begun_again_with_on_crash_skip,
    test_a_run_that_waited_in_a_process_that_died_costs_no_attempt,
    test_all_processes_take_part,
    test_max_instances_bounds_the_runs_of_all_processes_together,
    test_processes_that_start_together_create_one_ledger_and_make_one_start,
    test_the_other_process_begins_the_next_attempt_of_what_died,
)

pytestmark = pytest.mark.full
