"""Told once more on PostgreSQL: see `tests/engine/api/test_requests.py`."""

from __future__ import annotations

import pytest

# The most telling ones of that file.
from test_requests import (  # noqa: F401
    test_a_job_runs_now_beside_its_schedule_whoever_asks,
    test_a_run_that_failed_gets_one_more_attempt,
    test_a_run_that_waits_is_cancelled_and_never_begins,
    test_log_lines_of_a_run_are_kept_with_secrets_as_stars,
    test_the_end_of_a_pause_and_of_a_job_may_say_why,
)

pytestmark = pytest.mark.full
