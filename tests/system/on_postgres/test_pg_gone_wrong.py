"""Told once more on PostgreSQL: see `test_gone_wrong.py` in `tests/engine/read`."""

from __future__ import annotations

import pytest

from test_gone_wrong import *  # noqa: F403

pytestmark = pytest.mark.full
