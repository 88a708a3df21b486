"""Told once more on PostgreSQL: see `tests/engine/notify/test_alerts.py`."""

from __future__ import annotations

import pytest

# The most telling ones of that file.
from test_alerts import (  # noqa: F401
    quick_looks,
    test_schedulers_on_one_ledger_tell_everything_once,
    test_what_was_lost_and_ran_again_before_anybody_looked_is_told,
)

pytestmark = [pytest.mark.full, pytest.mark.filterwarnings("ignore::DeprecationWarning")]
