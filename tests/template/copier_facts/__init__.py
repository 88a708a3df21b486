"""What the template builds on: how the installed Copier and git behave, one small test for each fact.

Most facts here are not wishes. Many are the very reason why something in the template is as it is, and some
of them hurt. When one turns red, Copier, git or uv has changed: look at what is built on the fact (its
docstring says so, and is shown with the failure), then change that, and the test.

Which promise depends on which fact:

What is yours is never altered, deleted or brought back by an update (the guarded list in copier.yml)
    test_a_guarded_file_is_left_as_the_user_has_it
    test_an_excluded_file_that_the_user_deleted_stays_deleted
    test_a_file_excluded_from_updates_that_the_template_drops_is_kept
    test_a_guarded_name_that_the_user_took_stays_the_users
    test_turning_an_option_off_keeps_its_guarded_files
    test_one_entry_of_exclude_may_be_a_block_of_patterns
  and why it is not done with `_skip_if_exists`
    test_a_skipped_file_that_the_user_deleted_comes_back
    test_a_skipped_file_that_the_template_drops_is_deleted_too
    test_a_new_skipped_file_does_arrive
  and what undoes it
    test_recopy_restores_what_the_user_deleted_guarded_or_not
    test_recopy_overwrites_what_the_user_edited_guarded_or_not

Every improvement arrives, since what is yours is small and the machinery stands apart
    test_a_file_excluded_from_updates_gets_no_improvement_even_if_unedited
    test_a_new_file_that_is_excluded_from_updates_never_arrives
    test_a_file_that_the_user_renamed_misses_later_changes

No file that users may edit is removed or renamed, and new ones go where users have none (CONTRIBUTING)
    test_files_that_the_template_removes_or_renames_are_deleted_with_the_users_edits
    test_a_renamed_file_arrives_without_the_users_edits
    test_deleting_edited_files_is_not_said
    test_turning_an_option_off_deletes_its_files_with_the_users_edits
    test_a_new_file_with_a_name_that_the_user_took_conflicts_as_a_whole

A change in the template's files is merged, or both texts are kept
    test_changes_in_different_hunks_are_both_kept
    test_a_change_of_the_same_line_is_marked_with_both_texts
    test_a_change_of_the_next_line_is_marked_too
    test_an_unguarded_file_that_the_user_deleted_stays_deleted

What is below the separator of a shared file never conflicts
    test_both_appending_to_one_list_conflicts
    test_a_separator_line_makes_it_clean
    test_rej_sets_aside_what_is_below_a_separator
    test_uv_add_appends_to_an_unsorted_list_below_the_separator
    test_uv_add_inserts_into_a_sorted_list_above_the_separator

An update that conflicts fails loudly (`make update`)
    test_an_update_with_conflicts_exits_with_0
    test_git_lists_the_conflicts_as_unmerged
    test_rej_lets_the_template_win_and_sets_the_users_lines_aside
    test_rej_merges_different_hunks_all_the_same
    test_an_update_refuses_what_is_not_committed
    test_an_update_refuses_a_project_that_is_in_no_git_repository
    test_an_update_to_what_is_there_already_changes_nothing

Nobody needs `--trust`
    test_tasks_and_extensions_need_trust
    test_migrations_need_trust_only_when_they_are_crossed

Answers come back at every update; a wrong one is refused in one sentence, and what is misspelt is found
    test_answers_that_are_never_asked_are_recorded_all_the_same
    test_an_answer_to_no_question_is_not_recorded_but_can_be_used
    test_a_refused_answer_ends_in_the_validators_sentence_and_exit_code_1
    test_an_answer_to_no_question_is_accepted_silently
    test_a_misspelt_setting_is_accepted_silently
    test_copier_knows_every_setting_of_the_template
    test_an_undefined_name_is_empty
    test_an_undefined_name_fails_with_strict_undefined
    test_rules_of_the_new_version_are_applied_to_a_render_of_the_old_one

What the documentation says about copying: a full address, a released version, a new folder
    test_a_relative_source_is_recorded_so_and_the_update_fails_inside_the_project
    test_a_template_that_is_no_git_repository_can_be_copied_but_not_updated
    test_a_template_without_tags_can_be_copied_and_updated_and_its_guards_hold
    test_without_head_neither_commits_past_the_tag_nor_uncommitted_changes_are_taken
    test_head_takes_uncommitted_changes_with_a_warning
    test_projects_made_of_uncommitted_changes_can_never_be_updated
    test_a_project_made_past_the_last_tag_waits_for_the_next_one
    test_a_copy_over_other_files_stops_at_the_first_conflict_with_half_of_it_written

Whether there is a newer version can be asked before it is taken (`copier check-update`)
    test_a_project_of_the_newest_release_is_up_to_date
    test_a_prerelease_counts_when_asked_for
    test_a_newer_release_is_named_but_the_exit_code_is_0
    test_quiet_exits_with_2_for_a_newer_release_and_prints_nothing
    test_json_says_it_in_three_fields_with_exit_code_0
    test_it_needs_neither_git_nor_a_clean_tree_in_the_project
    test_without_tags_a_later_commit_is_a_newer_version
    test_past_the_last_tag_it_says_up_to_date_although_an_update_is_refused
    test_a_source_that_is_gone_is_an_error_in_one_sentence
    test_a_server_that_cannot_be_reached_is_a_traceback
    test_a_folder_without_answers_is_an_error_in_one_sentence

Any Copier from the floor on will do, and an older one is refused (`_min_copier_version`)
    test_the_floor_is_a_version_that_the_installed_copier_reaches
    test_the_floor_is_the_same_wherever_it_is_named
    test_an_older_copier_is_refused_in_one_sentence
    test_the_release_before_ask_false_asks
    test_the_first_release_with_ask_false_needs_a_newer_git
"""
