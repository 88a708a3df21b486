"""Told once more on PostgreSQL: see `tests/test_attempts.py`."""

from __future__ import annotations

import pytest

# The most telling ones of that file; a ledger that is removed or replaced is a file.
from test_attempts import (  # noqa: F401
    app,
    test_a_failed_run_is_tried_again_and_every_attempt_is_recorded,
    test_a_retry_that_is_due_later_survives_a_restart,
    test_a_run_whose_process_was_killed_begins_its_next_attempt,
    test_old_history_is_pruned_and_the_rest_kept,
)

pytestmark = pytest.mark.full
