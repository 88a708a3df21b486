"""Told once more on PostgreSQL: see `tests/engine/engine/test_reserved_runs.py`."""

from __future__ import annotations

import pytest

# The most telling ones of that file.
from test_reserved_runs import (  # noqa: F401
    test_a_run_that_its_process_lost_and_took_again_begins_once,
)

pytestmark = pytest.mark.full
