"""Told once more on PostgreSQL: see `tests/engine/cli/test_runs_tried_again.py`."""

from __future__ import annotations

import pytest

from test_runs_tried_again import *  # noqa: F403

pytestmark = pytest.mark.full
