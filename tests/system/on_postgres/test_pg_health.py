"""Told once more on PostgreSQL: see `tests/engine/telemetry/test_health.py`."""

from __future__ import annotations

import pytest

# The most telling ones of that file.
from test_health import (  # noqa: F401
    test_a_clock_that_stands_still_shows_by_a_tick_that_nobody_claims,
    test_a_schedule_that_runs_is_ready,
    test_an_added_job_whose_function_is_gone_is_a_remark,
    test_one_stuck_process_is_a_remark_as_long_as_another_goes_on,
    test_without_a_ledger_it_is_not_ready_and_none_is_made,
)

pytestmark = pytest.mark.full
