"""Told once more on PostgreSQL: see `test_backfills.py` of `tests/engine/api`, and `test_backfilling.py`."""

from __future__ import annotations

import pytest

from test_backfilling import (  # noqa: F401
    app,
    test_it_goes_on_where_it_was_when_its_process_is_killed,
    test_many_processes_together_make_no_tick_twice,
)
from test_backfills import (  # noqa: F401
    test_a_backfill_of_what_was_missed_runs_that_and_leaves_the_records_as_they_are,
    test_a_kept_backfill_goes_with_its_history,
    test_each_past_tick_runs_once_the_oldest_first_and_knows_what_it_is,
    test_it_is_stopped_goes_on_where_it_was_and_over_a_restart,
    test_it_waits_while_its_job_is_paused,
    test_one_whose_job_is_gone_stops_and_says_why,
    test_only_so_many_run_at_once_beside_the_schedule_which_goes_on,
    test_only_ticks_that_are_on_record_and_did_not_succeed,
    test_the_same_ticks_are_not_filled_twice_at_once,
    test_what_was_missed_is_found_in_a_long_history_piece_by_piece,
)

pytestmark = pytest.mark.full
