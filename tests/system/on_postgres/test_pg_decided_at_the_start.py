"""Told once more on PostgreSQL: see `tests/engine/engine/test_decided_at_the_start.py`."""

from __future__ import annotations

import pytest

# The most telling ones of that file.
from test_decided_at_the_start import (  # noqa: F401
    test_a_run_that_is_cut_before_its_start_is_recorded_takes_nothing_with_it,
    test_a_run_whose_start_could_not_be_recorded_within_its_grace_is_missed,
    test_a_startup_run_that_did_begin_is_not_recorded_as_skipped,
)

pytestmark = pytest.mark.full
