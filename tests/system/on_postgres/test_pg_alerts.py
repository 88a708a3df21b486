"""Told once more on PostgreSQL: see `tests/engine/notify/test_alerts.py`."""

from __future__ import annotations

import pytest

# The most telling ones of that file.
from test_alerts import (  # noqa: F401
    quick_looks,
    test_a_lost_run_that_ran_again_before_the_next_look_is_alerted,
    test_schedulers_on_one_ledger_tell_everything_once,
)

pytestmark = [pytest.mark.full, pytest.mark.filterwarnings("ignore::DeprecationWarning")]
