"""Told once more on PostgreSQL: see `tests/engine/cli/test_showing_jobs.py`."""

from __future__ import annotations

import pytest

# The most telling ones of that file.
from test_showing_jobs import (  # noqa: F401
    test_a_job_that_also_runs_at_each_start_says_so,
    test_a_job_whose_zone_this_machine_lacks_is_told_and_the_others_too,
    test_only_the_signs_that_are_shown_are_explained,
)

pytestmark = pytest.mark.full
