"""Told once more on PostgreSQL: see `tests/engine/read`."""

from __future__ import annotations

import pytest

from test_missed import *  # noqa: F403

pytestmark = pytest.mark.full

# A server counts no steps.
del test_each_job_is_found_in_one_step  # noqa: F821
