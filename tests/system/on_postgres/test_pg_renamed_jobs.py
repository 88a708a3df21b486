"""Told once more on PostgreSQL: see `tests/engine/api/test_renamed_jobs.py`."""

from __future__ import annotations

import pytest

from test_renamed_jobs import (  # noqa: F401
    test_a_deploy_that_is_taken_back_and_made_again_loses_and_repeats_nothing,
    test_a_history_can_be_brought_along_later,
    test_a_job_added_while_running_keeps_the_id_that_another_once_had,
    test_a_pause_stays_over_a_new_id,
    test_history_and_ticks_go_on_under_the_new_id,
)

pytestmark = pytest.mark.full
