"""Told once more on PostgreSQL: see `tests/engine/api/test_added_jobs.py`."""

from __future__ import annotations

import pytest

# The most telling ones of that file.
from test_added_jobs import (  # noqa: F401
    no_calls_yet,
    test_a_recurring_job_goes_on_after_a_restart_as_it_was_added,
    test_a_single_run_added_while_running_runs_once_and_is_accounted_for,
    test_the_same_call_without_an_id_is_the_same_job,
)

pytestmark = pytest.mark.full
