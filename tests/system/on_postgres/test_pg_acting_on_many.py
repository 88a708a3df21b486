"""Told once more on PostgreSQL: see `tests/engine/cli/test_acting_on_many.py`."""

from __future__ import annotations

import pytest

from test_acting_on_many import (  # noqa: F401
    jobs,
    test_failed_runs_are_tried_again_by_time_and_job,
    test_of_more_than_are_meant_the_newest_are_taken_whatever_their_job,
    test_runs_under_way_are_cancelled_by_job_and_state,
    test_the_ledger_is_asked_for_no_more_runs_than_are_meant,
)

pytestmark = pytest.mark.full
