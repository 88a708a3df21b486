"""Told once more on PostgreSQL: see `tests/engine/telemetry/test_metrics.py`."""

from __future__ import annotations

import pytest

# The sizes of files, a file that is replaced, and SQLite's indexes are left out.
from test_metrics import (  # noqa: F401
    quiet,
    test_a_run_that_is_tried_again_between_two_scrapes_counts_again,
    test_an_outcome_that_is_written_long_after_it_happened_counts,
    test_jobs_that_are_added_by_the_thousand_share_a_label,
    test_many_threads_may_scrape_at_once,
    test_skipped_ticks_count_by_their_number_and_reason,
    test_the_histograms_hold_how_late_and_how_long_each_run_was,
    test_the_last_success_is_found_among_the_rows_of_before,
)

pytestmark = pytest.mark.full
