"""Told once more on PostgreSQL: see `tests/engine/read`."""

from __future__ import annotations

import pytest

# The jobs and the feed; what is judged of a process does not depend on where its row is.
from test_completions import (  # noqa: F401
    ledger,
    test_a_run_that_is_tried_again_between_two_looks_is_told_also_by_a_clock_that_is_late,
    test_each_end_is_told_once,
    test_nothing_of_before_is_told_unless_it_is_asked_for,
)
from test_jobs import (  # noqa: F401
    test_a_job_of_an_older_version_gets_its_options_written_down_at_the_next_start,
    test_a_restart_with_other_defaults_shows_those,
    test_a_search_for_jobs_ignores_case_in_every_alphabet,
    test_jobs_that_another_process_adds_get_the_defaults_of_the_schedule,
    test_the_defaults_of_the_schedule_are_those_that_are_shown,
)
from test_one_answer import (  # noqa: F401
    test_a_tick_is_paused_in_both_plans_while_the_pause_lasts,
    test_doctor_judges_by_the_durations_that_jobs_shows,
    test_no_run_is_lost_or_told_twice_between_two_parts_of_a_list,
    test_the_audit_trail_has_one_order_also_after_the_clock_was_set_back,
    test_what_fell_into_a_pause_that_is_over_is_late_for_nobody,
)
from test_run_pages import (  # noqa: F401
    begin,
    history,
    test_a_search_for_text_tells_nothing_of_a_secret_that_was_masked_since,
    test_a_span_of_time_lists_what_has_not_ended_first_and_then_the_last_end,
    test_counts_beyond_a_bound_say_that_they_are_of_the_newest_runs,
    test_each_wanted_run_is_listed_once_and_no_other,
    test_the_counts_by_state_are_those_of_the_list_without_its_states,
)

pytestmark = pytest.mark.full
