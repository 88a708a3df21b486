"""Told once more on PostgreSQL: see `tests/system/test_deploys.py`."""

from __future__ import annotations

import pytest

from test_deploys import (  # noqa: F401
    app,
    test_a_definition_is_the_trigger_its_zone_and_its_anchor,
    test_a_job_that_began_paused_and_was_resumed_stays_so,
    test_a_job_whose_function_is_gone_is_reported_and_kept,
    test_a_pause_and_its_note_survive_restarts_and_redeploys,
    test_a_removed_job_never_fires_again_and_its_history_stays,
    test_a_run_of_a_removed_job_given_back_by_an_older_process_does_not_wait_for_ever,
    test_after_a_way_back_the_first_version_decides_again,
    test_an_older_process_leaves_the_retries_of_what_is_not_in_force_any_more,
    test_another_default_zone_is_another_definition,
    test_commands_that_only_read_never_register,
    test_the_newer_start_decides_and_the_older_process_leaves_this_job_alone,
    test_the_same_definition_goes_on_whatever_else_has_changed,
)

pytestmark = pytest.mark.full
