"""Told once more on PostgreSQL: see `tests/system/test_notifying.py`."""

from __future__ import annotations

import pytest

# What is about addresses alone asks no ledger.
from test_notifying import (  # noqa: F401
    app,
    test_a_run_that_is_given_up_after_three_crashes_is_told,
    test_a_run_that_was_lost_is_told_by_whoever_finds_it_and_that_it_went_well_after_all,
    test_a_stop_that_cuts_a_run_is_told_only_if_it_does_not_begin_again,
    test_two_processes_tell_once_also_when_the_one_that_tells_dies,
)

pytestmark = pytest.mark.full
