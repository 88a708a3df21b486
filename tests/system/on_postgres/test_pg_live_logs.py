"""Told once more on PostgreSQL: see `tests/engine/engine/test_live_logs.py`."""

from __future__ import annotations

import pytest

from test_live_logs import (  # noqa: F401
    soon,
    test_very_long_logs_take_turns,
    test_what_a_run_logs_is_there_while_it_goes_on_and_complete_when_it_ends,
)

pytestmark = pytest.mark.full
