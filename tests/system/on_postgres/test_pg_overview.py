"""Told once more on PostgreSQL: see `test_overview.py` and `test_hourly.py` in `tests/engine/read`."""

from __future__ import annotations

import pytest

from test_hourly import (  # noqa: F401
    test_a_day_that_takes_long_to_count_is_counted_bit_by_bit,
    test_settled_hours_are_counted_once_and_the_newest_minutes_each_time,
    test_what_was_counted_while_the_clock_was_ahead_is_not_kept,
)
from test_overview import *  # noqa: F403

pytestmark = pytest.mark.full
