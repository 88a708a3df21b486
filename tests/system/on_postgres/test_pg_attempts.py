"""Told once more on PostgreSQL: see `test_attempts.py` in `tests/engine/engine`, and `test_crashes.py`."""

from __future__ import annotations

import pytest

from test_attempts import (  # noqa: F401
    test_a_coroutine_beyond_its_timeout_is_cancelled,
    test_a_coroutine_that_blocks_the_loop_is_named,
    test_a_failed_run_is_tried_again_and_every_attempt_is_recorded,
    test_a_function_beyond_its_timeout_holds_its_slot_until_it_ends,
    test_a_retry_that_is_due_later_survives_a_restart,
    test_a_startup_run_in_its_retries_is_replaced_by_that_of_the_next_start,
    test_a_task_can_ask_which_run_it_is,
    test_after_the_last_retry_it_stays_failed,
    test_listeners_can_tell_a_timeout_from_success,
    test_old_history_is_pruned_and_the_rest_kept,
    test_the_wait_between_retries_doubles_and_is_bounded,
    test_waiting_runs_of_a_removed_job_are_ended,
)

# A ledger that is removed or replaced is a file.
from test_crashes import (  # noqa: F401
    app,
    test_a_run_whose_process_was_killed_begins_its_next_attempt,
    test_a_startup_run_that_was_cut_off_is_replaced_by_that_of_the_next_start,
    test_a_stopped_process_finds_its_lease_gone_and_its_outcome_void,
    test_with_on_crash_skip_it_stays_lost,
)

pytestmark = pytest.mark.full
