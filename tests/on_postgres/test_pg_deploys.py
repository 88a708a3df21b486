"""Told once more on PostgreSQL: see `tests/test_deploys.py`."""

from __future__ import annotations

import pytest

# The most telling ones of that file.
from test_deploys import (  # noqa: F401
    app,
    test_the_newer_start_decides_and_the_older_process_leaves_this_job_alone,
    test_what_an_older_process_gives_back_of_a_removed_job_does_not_wait_for_ever,
)

pytestmark = pytest.mark.full
