"""Told once more on PostgreSQL: see `tests/engine/read`."""

from __future__ import annotations

import pytest

from test_outages import *  # noqa: F403

pytestmark = pytest.mark.full

# A server refuses text in the place of a number, and counts no steps.
del test_rows_that_cannot_be_read_are_in_nobodys_way, test_very_many_runs_cost_no_more  # noqa: F821
del test_odd_rows_of_processes_that_are_gone_are_in_nobodys_way  # noqa: F821
