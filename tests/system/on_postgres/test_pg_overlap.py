"""Told once more on PostgreSQL: see `tests/engine/engine/test_overlap.py`."""

from __future__ import annotations

import pytest

from test_overlap import (  # noqa: F401
    test_a_retry_waits_for_its_turn_and_replaces_nothing,
    test_a_run_is_asked_to_end_and_its_tick_s_successor_begins,
    test_a_tick_that_waits_beyond_its_grace_time_is_missed_while_the_run_before_goes_on,
    test_every_tick_waits_for_the_run_before_and_begins_oldest_first,
    test_only_the_newest_tick_waits,
    test_ticks_that_wait_run_after_a_restart,
    test_ticks_wait_while_as_many_runs_go_on_as_may,
    test_ticks_with_a_jitter_are_decided_about_when_they_are_due,
)

pytestmark = pytest.mark.full
