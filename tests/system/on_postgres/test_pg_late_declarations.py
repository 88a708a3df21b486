"""Told once more on PostgreSQL: see `tests/engine/api/test_late_declarations.py`."""

from __future__ import annotations

import pytest

from test_late_declarations import (  # noqa: F401
    new,
    test_a_declaration_that_was_taken_back_is_removed_from_the_ledger_unless_it_comes_again,
    test_a_job_that_the_code_no_longer_declares_is_removed_and_told_of,
    test_a_startup_job_below_the_start_runs_once_for_all_that_start_together,
    test_an_old_process_that_others_had_declared_dead_removes_nothing,
    test_code_that_sets_up_may_remove_what_an_earlier_start_had_and_take_back_its_own,
    test_the_newest_process_decides_what_is_no_longer_declared,
    test_the_same_code_declares_the_same_jobs_at_each_start,
)

pytestmark = pytest.mark.full
