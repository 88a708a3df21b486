"""Told once more on PostgreSQL: see `tests/engine/engine/test_isolation.py`."""

from __future__ import annotations

import pytest

# The one of that file in which the ledger itself is in the way.
from test_isolation import (  # noqa: F401
    test_a_claim_that_was_under_way_starts_nothing_after_the_stop_was_asked_for,
)

pytestmark = pytest.mark.full
