"""Told once more on PostgreSQL: see `tests/engine/api/test_job_control.py`."""

from __future__ import annotations

import pytest

# A file that another program locks is a story of its own.
from test_job_control import (  # noqa: F401
    no_calls_yet,
    test_a_job_may_add_another_while_the_scheduler_drains,
    test_a_removed_job_never_runs_again_and_its_history_stays,
    test_an_added_job_is_paused_and_resumed_like_any_other,
    test_an_id_that_is_taken_is_refused_unless_it_is_to_be_replaced,
    test_another_process_adds_changes_and_removes,
    test_jobs_of_the_code_are_changed_in_the_code,
    test_modified_and_rescheduled_jobs_stay_so,
    test_the_code_takes_over_an_id_that_was_added,
)

pytestmark = pytest.mark.full
