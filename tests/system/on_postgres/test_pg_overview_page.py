"""Told once more on PostgreSQL: see `tests/engine/dashboard/test_overview_page.py`."""

from __future__ import annotations

import pytest

from test_overview_page import *  # noqa: F403

pytestmark = pytest.mark.full
