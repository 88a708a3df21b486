"""Told once more on PostgreSQL: see `tests/engine/engine/test_hostile_tasks.py`."""

from __future__ import annotations

import pytest

# The most telling ones of that file.
from test_hostile_tasks import (  # noqa: F401
    test_a_further_pause_changes_the_note_and_the_end,
    test_a_gap_of_a_combined_trigger_that_is_changed_is_counted,
    test_a_run_that_was_taken_away_while_the_process_was_frozen_is_not_entered,
)

pytestmark = pytest.mark.full
