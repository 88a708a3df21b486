"""Tests of other files, told once more on PostgreSQL: all of a file, those named, or all but some."""

from __future__ import annotations

import importlib
from collections.abc import Collection
from typing import Any

import pytest

FIXTURE = type(pytest.fixture(lambda: None))


class Unbound:
    """Gives a fixture as it is: pytest would call it with the instance of the class."""

    def __init__(self, fixture: Any) -> None:
        self._fixture = fixture

    def __get__(self, _instance: object, _owner: type) -> Any:
        return self._fixture


def told_again(file: str, *names: str, but: Collection[str] = ()) -> type:
    """Return a class with the tests of a file, those named or all `but` some, and with its fixtures."""
    there = vars(importlib.import_module(file))
    tests = names or [name for name in there if name.startswith("test_") and name not in but]
    members: dict[str, Any] = {name: staticmethod(there[name]) for name in tests}
    members |= {name: Unbound(value) for name, value in there.items() if isinstance(value, FIXTURE)}
    return type(file, (), members | {"pytestmark": there.get("pytestmark", [])})


TestActingOnMany = told_again(
    "test_acting_on_many",
    "test_failed_runs_are_tried_again_by_time_and_job",
    "test_of_more_than_are_meant_the_newest_are_taken_whatever_their_job",
    "test_runs_under_way_are_cancelled_by_job_and_state",
    "test_the_ledger_is_asked_for_no_more_runs_than_are_meant",
)
# The most telling ones of that file.
TestAddedJobs = told_again(
    "test_added_jobs",
    "test_a_recurring_job_goes_on_after_a_restart_as_it_was_added",
    "test_a_single_run_added_while_running_runs_once_and_is_accounted_for",
    "test_the_same_call_without_an_id_is_the_same_job",
)
TestAddingFromElsewhere = told_again("test_adding_from_elsewhere")
# The most telling ones of that file.
TestAlerts = told_again(
    "test_alerts",
    "test_a_lost_run_that_ran_again_before_the_next_look_is_alerted",
    "test_schedulers_on_one_ledger_tell_everything_once",
)
TestAttempts = told_again("test_attempts")
# A ledger that is removed or replaced is a file.
TestCrashes = told_again(
    "test_crashes",
    "test_a_run_whose_process_was_killed_begins_its_next_attempt",
    "test_a_startup_run_that_was_cut_off_is_replaced_by_that_of_the_next_start",
    "test_a_stopped_process_finds_its_lease_gone_and_its_outcome_void",
    "test_with_on_crash_skip_it_stays_lost",
)
TestCancelledOfTheDead = told_again("test_cancelled_of_the_dead")
TestCutOffRuns = told_again("test_cut_off_runs")
# A file that another program locks is a story of its own.
TestCatchingUp = told_again(
    "test_catching_up",
    but=[
        "test_all_that_was_skipped_of_a_job_is_one_line_of_the_log",
        "test_a_locked_ledger_delays_and_loses_nothing",
    ],
)
TestBlockedLoops = told_again(
    "test_blocked_loops", but=["test_of_two_threads_that_want_the_same_claims_one_gets_them"]
)
# The most telling ones of that file.
TestDecidedAtTheStart = told_again(
    "test_decided_at_the_start",
    "test_a_run_that_is_cut_before_its_start_is_recorded_takes_nothing_with_it",
    "test_a_run_whose_start_could_not_be_recorded_within_its_grace_is_missed",
    "test_a_startup_run_that_did_begin_is_not_recorded_as_skipped",
)
TestDeploys = told_again("test_deploys")
# The most telling ones of that file.
TestDiff = told_again(
    "test_diff",
    "test_a_silent_process_elsewhere_is_given_up_and_its_runs_follow",
    "test_before_the_first_start_everything_is_new_and_nothing_is_written",
    "test_beside_a_living_process_there_is_no_run_of_a_start",
    "test_each_kind_of_change_is_told_with_the_ticks_before_and_after",
)
TestDaysToLeaveOut = told_again(
    "test_days_to_leave_out",
    "test_a_holiday_is_no_tick_after_an_outage_either",
    "test_jobs_added_while_running_keep_their_days_and_can_be_given_others",
)
TestEnvironments = told_again(
    "test_environments",
    "test_a_disabled_job_does_not_run_and_its_ticks_are_one_range",
    "test_a_job_runs_where_it_is_enabled",
    "test_a_pause_of_a_person_outlasts_the_settings",
    "test_a_run_that_a_person_asks_for_is_refused_with_the_setting",
    "test_jobs_added_while_running_are_disabled_too",
    "test_what_was_missed_before_the_job_was_disabled_is_an_outage",
)
TestGroups = told_again(
    "test_groups",
    "test_a_change_of_the_group_is_in_force_from_the_next_start",
    "test_a_group_without_a_limit_and_a_job_without_a_group_begin_as_others_do",
    "test_a_tick_that_waits_for_its_group_beyond_its_grace_time_is_missed",
    "test_each_tick_of_a_job_that_waits_runs_in_its_turn",
    "test_no_more_runs_of_a_group_begin_than_its_limit_and_each_end_lets_the_next_begin",
    "test_runs_by_hand_retries_and_added_jobs_count_for_their_group",
    "test_ticks_wait_for_a_place_in_their_group_and_the_newest_of_a_job_stays",
    "test_what_waits_for_its_group_is_told",
)
TestOffers = told_again(
    "test_offered_jobs",
    "test_a_change_keeps_what_it_does_not_name",
    "test_a_draft_is_kept_with_who_asked",
    "test_an_id_that_is_taken_is_refused_also_by_one_who_came_a_moment_later",
    "test_of_many_at_once_one_adds_a_job_and_one_changes_it",
    "test_of_two_who_change_a_job_the_second_is_told",
    "test_only_added_jobs_of_offered_functions_are_changed_or_removed",
    "test_why_says_who_added_a_job_and_who_changed_it",
    "test_without_an_id_the_same_twice_is_the_same_job",
)
TestArgumentsOfOffers = told_again("test_offers", "test_a_function_gets_what_its_annotations_name")
TestOfferApi = told_again(
    "test_offer_api",
    "test_a_program_previews_adds_changes_and_removes",
    "test_an_id_may_have_any_characters_that_are_seen",
)
TestOfferApiRefusals = told_again("test_offer_api_refusals", "test_what_cannot_be_added_is_one_sentence")
TestOverlap = told_again(
    "test_overlap",
    "test_a_retry_waits_for_its_turn_and_replaces_nothing",
    "test_a_run_is_asked_to_end_and_its_tick_s_successor_begins",
    "test_a_tick_that_waits_beyond_its_grace_time_is_missed_while_the_run_before_goes_on",
    "test_every_tick_waits_for_the_run_before_and_begins_oldest_first",
    "test_only_the_newest_tick_waits",
    "test_ticks_that_wait_run_after_a_restart",
    "test_ticks_wait_while_as_many_runs_go_on_as_may",
    "test_ticks_with_a_jitter_are_decided_about_when_they_are_due",
)
# The most telling ones of that file.
TestHealth = told_again(
    "test_health",
    "test_a_clock_that_stands_still_shows_by_a_tick_that_nobody_claims",
    "test_a_schedule_that_runs_is_ready",
    "test_an_added_job_whose_function_is_gone_is_a_remark",
    "test_one_stuck_process_is_a_remark_as_long_as_another_goes_on",
    "test_without_a_ledger_it_is_not_ready_and_none_is_made",
)
# The most telling ones of that file.
TestHostileTasks = told_again(
    "test_hostile_tasks",
    "test_a_further_pause_changes_the_note_and_the_end",
    "test_a_gap_of_a_combined_trigger_that_is_changed_is_counted",
    "test_a_run_that_was_taken_away_while_the_process_was_frozen_is_not_entered",
)
# The one of that file in which the ledger itself is in the way.
TestIsolation = told_again(
    "test_isolation",
    "test_a_claim_that_was_under_way_starts_nothing_after_the_stop_was_asked_for",
)
# A file that another program locks is a story of its own.
TestJobControl = told_again(
    "test_job_control",
    "test_a_job_may_add_another_while_the_scheduler_drains",
    "test_a_removed_job_never_runs_again_and_its_history_stays",
    "test_an_added_job_is_paused_and_resumed_like_any_other",
    "test_an_id_that_is_taken_is_refused_unless_it_is_to_be_replaced",
    "test_another_process_adds_changes_and_removes",
    "test_jobs_of_the_code_are_changed_in_the_code",
    "test_modified_and_rescheduled_jobs_stay_so",
    "test_the_code_takes_over_an_id_that_was_added",
)
TestLateDeclarations = told_again(
    "test_late_declarations",
    "test_a_declaration_that_was_taken_back_is_removed_from_the_ledger_unless_it_comes_again",
    "test_a_job_that_the_code_no_longer_declares_is_removed_and_told_of",
    "test_a_startup_job_below_the_start_runs_once_for_all_that_start_together",
    "test_an_old_process_that_others_had_declared_dead_removes_nothing",
    "test_code_that_sets_up_may_remove_what_an_earlier_start_had_and_take_back_its_own",
    "test_the_newest_process_decides_what_is_no_longer_declared",
    "test_the_same_code_declares_the_same_jobs_at_each_start",
)
TestLiveLogs = told_again(
    "test_live_logs",
    "test_very_long_logs_take_turns",
    "test_what_a_run_logs_is_there_while_it_goes_on_and_complete_when_it_ends",
)
# The sizes of files, a file that is replaced, and SQLite's indexes are left out.
TestMetrics = told_again(
    "test_metrics",
    "test_a_run_that_is_tried_again_between_two_scrapes_counts_again",
    "test_an_outcome_that_is_written_long_after_it_happened_counts",
    "test_jobs_that_are_added_by_the_thousand_share_a_label",
    "test_many_threads_may_scrape_at_once",
    "test_skipped_ticks_count_by_their_number_and_reason",
    "test_the_histograms_hold_how_late_and_how_long_each_run_was",
    "test_the_last_success_is_found_among_the_rows_of_before",
)
# A server counts no steps.
TestMissed = told_again("test_missed", but=["test_each_job_is_found_in_one_step"])
# What is about addresses alone asks no ledger.
TestNotifying = told_again(
    "test_notifying",
    "test_a_run_that_is_given_up_after_three_crashes_is_told",
    "test_a_run_that_was_lost_is_told_by_whoever_finds_it_and_that_it_went_well_after_all",
    "test_a_stop_that_cuts_a_run_is_told_only_if_it_does_not_begin_again",
    "test_two_processes_tell_once_also_when_the_one_that_tells_dies",
)
# A server refuses text in the place of a number, and counts no steps.
TestOutages = told_again(
    "test_outages",
    but=[
        "test_odd_rows_of_processes_that_are_gone_are_in_nobodys_way",
        "test_rows_that_cannot_be_read_are_in_nobodys_way",
        "test_very_many_runs_cost_no_more",
    ],
)
TestHourly = told_again("test_hourly")
# A ledger on a server lies on no disk that could be measured here.
TestTheDayAfter = told_again("test_the_day_after", but=["test_the_doctor_names_the_disk_that_it_measured"])
TestGoneWrong = told_again("test_gone_wrong")
TestOverview = told_again("test_overview")
TestOverviewPage = told_again("test_overview_page")
TestOddRunsAndJobs = told_again("test_odd_runs_and_jobs")
TestPauses = told_again("test_pauses")
TestRequestCommands = told_again(
    "test_request_commands",
    "test_a_pause_tells_its_note_and_its_end",
)
# The jobs and the feed; what is judged of a process does not depend on where its row is.
TestCompletions = told_again(
    "test_completions",
    "test_a_run_that_is_tried_again_between_two_looks_is_told_also_by_a_clock_that_is_late",
    "test_each_end_is_told_once",
    "test_nothing_of_before_is_told_unless_it_is_asked_for",
)
TestJobs = told_again(
    "test_jobs",
    "test_a_job_of_an_older_version_gets_its_options_written_down_at_the_next_start",
    "test_a_restart_with_other_defaults_shows_those",
    "test_a_search_for_jobs_ignores_case_in_every_alphabet",
    "test_jobs_that_another_process_adds_get_the_defaults_of_the_schedule",
    "test_the_defaults_of_the_schedule_are_those_that_are_shown",
)
TestOneAnswer = told_again(
    "test_one_answer",
    "test_a_tick_is_paused_in_both_plans_while_the_pause_lasts",
    "test_doctor_judges_by_the_durations_that_jobs_shows",
    "test_no_run_is_lost_or_told_twice_between_two_parts_of_a_list",
    "test_the_audit_trail_has_one_order_also_after_the_clock_was_set_back",
    "test_what_fell_into_a_pause_that_is_over_is_late_for_nobody",
)
TestRunPages = told_again(
    "test_run_pages",
    "test_a_search_for_text_tells_nothing_of_a_secret_that_was_masked_since",
    "test_a_span_of_time_lists_what_has_not_ended_first_and_then_the_last_end",
    "test_counts_beyond_a_bound_say_that_they_are_of_the_newest_runs",
    "test_each_wanted_run_is_listed_once_and_no_other",
    "test_the_counts_by_state_are_those_of_the_list_without_its_states",
)
TestRenamedJobs = told_again(
    "test_renamed_jobs",
    "test_a_deploy_that_is_taken_back_and_made_again_loses_and_repeats_nothing",
    "test_a_history_can_be_brought_along_later",
    "test_a_job_added_while_running_keeps_the_id_that_another_once_had",
    "test_a_pause_stays_over_a_new_id",
    "test_history_and_ticks_go_on_under_the_new_id",
)
# The most telling ones of that file.
TestRequests = told_again(
    "test_requests",
    "test_a_job_runs_now_beside_its_schedule_whoever_asks",
    "test_a_run_that_failed_gets_one_more_attempt",
    "test_a_run_that_waits_is_cancelled_and_never_begins",
    "test_log_lines_of_a_run_are_kept_with_secrets_as_stars",
    "test_the_end_of_a_pause_and_of_a_job_may_say_why",
)
# The most telling ones of that file.
TestReservedRuns = told_again(
    "test_reserved_runs",
    "test_a_run_that_its_process_lost_and_took_again_begins_once",
)
# How names are checked has nothing to do with where the ledger is.
TestRoles = told_again(
    "test_roles",
    "test_a_process_keeps_its_own_queues_and_hands_over_the_others",
    "test_a_tick_is_skipped_while_the_one_before_is_still_queued",
    "test_a_worker_whose_code_lacks_a_job_leaves_it_to_others_and_says_so",
    "test_one_scheduler_and_two_workers_run_each_tick_once",
    "test_runs_of_a_killed_worker_begin_again_in_another",
    "test_runs_that_a_scheduler_claims_wait_for_a_worker",
    "test_what_is_missing_of_the_two_halves_is_told",
    "test_workers_alone_are_no_start_of_the_schedule",
)
TestRuns = told_again("test_runs")
TestRunsTriedAgain = told_again("test_runs_tried_again")
# The most telling ones of that file.
TestShowingJobs = told_again(
    "test_showing_jobs",
    "test_a_job_that_also_runs_at_each_start_says_so",
    "test_a_job_whose_zone_this_machine_lacks_is_told_and_the_others_too",
    "test_only_the_signs_that_are_shown_are_explained",
)
# Which index is taken, and a file that is replaced, are SQLite's own.
TestShowingRuns = told_again(
    "test_showing_runs",
    "test_following_ends_after_as_many_as_are_wanted",
    "test_runs_are_chosen_by_job_state_reason_and_time",
    "test_what_cannot_be_meant_is_refused_in_a_sentence",
)
TestStartsAmongTheDead = told_again(
    "test_starts_among_the_dead",
    "test_the_clock_may_have_been_set_back_since_they_showed_their_last_heartbeats",
    "test_none_is_made_where_one_of_them_was_alive_when_it_started",
    "test_the_startup_run_is_made_when_another_process_has_declared_them_dead",
)
TestStartsWithoutChanges = told_again(
    "test_starts_without_changes",
    "test_a_process_of_a_version_that_knows_no_digest_keeps_it_from_counting",
    "test_a_schedule_is_written_down_as_it_is_declared",
    "test_each_difference_of_a_job_is_found_and_so_is_the_way_back",
    "test_jobs_that_vanished_from_the_ledger_come_back",
    "test_the_second_start_compares_no_job_and_finds_the_same",
    "test_whatever_happened_meanwhile_a_start_leaves_the_ledger_as_if_it_had_compared",
)
# The most telling ones of that file.
TestStopping = told_again(
    "test_stopping",
    "test_a_run_that_waited_to_be_recorded_is_not_entered_after_the_stop_was_asked_for",
    "test_runs_that_wait_in_a_stopping_process_are_run_by_the_other",
)
TestTwoProcesses = told_again(
    "test_two_processes",
    "test_a_function_beyond_its_timeout_holds_its_slot_against_other_processes",
    "test_a_kill_before_the_outcome_is_written_counts_as_one_inside_of_the_run",
    "test_a_run_that_kills_its_process_is_not_begun_again_with_on_crash_skip",
    "test_a_run_that_waited_in_a_process_that_died_costs_no_attempt",
    "test_all_processes_take_part",
    "test_max_instances_bounds_the_runs_of_all_processes_together",
    "test_processes_that_start_together_create_one_ledger_and_make_one_start",
    "test_the_other_process_begins_the_next_attempt_of_what_died",
)
TestWaitingForASlot = told_again(
    "test_waiting_for_a_slot",
    "test_a_backlog_of_a_job_drains_oldest_first_and_without_a_pulse",
    "test_a_free_slot_is_taken_at_once_by_a_run_that_waits_for_it",
    "test_a_process_with_room_runs_what_another_one_has_no_slot_for",
    "test_a_run_without_a_slot_waits_and_is_not_called_running",
    "test_no_tick_is_given_up_before_each_process_has_looked_for_it",
    "test_of_a_job_without_coalescing_as_many_ticks_wait_as_would_be_made_up_for",
)
TestBackfilling = told_again(
    "test_backfilling",
    "test_it_goes_on_where_it_was_when_its_process_is_killed",
    "test_many_processes_together_make_no_tick_twice",
)
TestBackfills = told_again(
    "test_backfills",
    "test_a_backfill_of_what_was_missed_runs_that_and_leaves_the_records_as_they_are",
    "test_a_kept_backfill_goes_with_its_history",
    "test_each_past_tick_runs_once_the_oldest_first_and_knows_what_it_is",
    "test_it_is_stopped_goes_on_where_it_was_and_over_a_restart",
    "test_it_waits_while_its_job_is_paused",
    "test_one_whose_job_is_gone_stops_and_says_why",
    "test_only_so_many_run_at_once_beside_the_schedule_which_goes_on",
    "test_only_ticks_that_are_on_record_and_did_not_succeed",
    "test_the_same_ticks_are_not_filled_twice_at_once",
    "test_what_was_missed_is_found_in_a_long_history_piece_by_piece",
)
TestReported = told_again(
    "test_reported",
    "test_a_list_of_runs_has_it",
    "test_one_run_has_it",
    "test_pages_have_it",
    "test_why_tells_how_far_a_run_got",
)
TestReports = told_again(
    "test_reports",
    "test_a_run_by_hand_hands_its_result_to_whoever_asks",
    "test_a_run_says_how_far_it_is_while_it_goes_on",
    "test_none_leaves_nothing_behind",
    "test_the_last_of_it_stays_when_a_run_fails_and_each_attempt_has_its_own",
)
