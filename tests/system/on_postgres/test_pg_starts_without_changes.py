"""Told once more on PostgreSQL: see `tests/engine/api/test_starts_without_changes.py`."""

from __future__ import annotations

import pytest

from test_starts_without_changes import (  # noqa: F401
    compared,
    test_a_process_of_a_version_that_knows_no_digest_keeps_it_from_counting,
    test_a_schedule_is_written_down_as_it_is_declared,
    test_each_difference_of_a_job_is_found_and_so_is_the_way_back,
    test_jobs_that_vanished_from_the_ledger_come_back,
    test_the_second_start_compares_no_job_and_finds_the_same,
    test_whatever_happened_meanwhile_a_start_leaves_the_ledger_as_if_it_had_compared,
)

pytestmark = pytest.mark.full
