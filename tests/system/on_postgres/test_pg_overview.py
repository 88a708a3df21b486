"""Told once more on PostgreSQL: see `tests/engine/read/test_overview.py`."""

from __future__ import annotations

import pytest

from test_overview import *  # noqa: F403

pytestmark = pytest.mark.full
