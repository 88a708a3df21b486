"""Told once more on PostgreSQL: see `tests/system/test_roles.py`."""

from __future__ import annotations

import pytest

# How names are checked has nothing to do with where the ledger is.
from test_roles import (  # noqa: F401
    app,
    test_a_process_keeps_its_own_queues_and_hands_over_the_others,
    test_a_tick_is_skipped_while_the_one_before_is_still_queued,
    test_a_worker_whose_code_lacks_a_job_leaves_it_to_others_and_says_so,
    test_one_scheduler_and_two_workers_run_each_tick_once,
    test_runs_of_a_killed_worker_begin_again_in_another,
    test_runs_that_a_scheduler_claims_wait_for_a_worker,
    test_what_is_missing_of_the_two_halves_is_told,
    test_workers_alone_are_no_start_of_the_schedule,
)

pytestmark = pytest.mark.full
