"""Told once more on PostgreSQL: see `tests/system/test_stopping.py`."""

from __future__ import annotations

import pytest

# The most telling ones of that file.
from test_stopping import (  # noqa: F401
    app,
    test_a_run_that_waited_to_be_recorded_is_not_entered_after_the_stop_was_asked_for,
    test_runs_that_wait_in_a_stopping_process_are_run_by_the_other,
)

pytestmark = pytest.mark.full
