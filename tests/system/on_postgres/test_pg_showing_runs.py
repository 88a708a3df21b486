"""Told once more on PostgreSQL: see `tests/engine/cli/test_showing_runs.py`."""

from __future__ import annotations

import pytest

# Which index is taken, and a file that is replaced, are SQLite's own.
from test_showing_runs import (  # noqa: F401
    history,
    test_following_ends_after_as_many_as_are_wanted,
    test_runs_are_chosen_by_job_state_reason_and_time,
    test_what_cannot_be_meant_is_refused_in_a_sentence,
)

pytestmark = pytest.mark.full
