"""Told once more on PostgreSQL: see `tests/system/test_adding_from_elsewhere.py`."""

from __future__ import annotations

import pytest

from test_adding_from_elsewhere import (  # noqa: F401
    app,
    test_a_command_for_a_job_of_the_code_says_where_to_go,
    test_a_function_lost_in_a_deploy_is_reported_and_comes_back,
    test_a_job_added_elsewhere_runs_here_and_survives_a_kill,
    test_two_processes_run_what_is_added_once,
    test_what_cannot_be_kept_is_a_sentence_elsewhere_too,
    test_who_added_and_changed_a_job_is_on_record,
)

pytestmark = pytest.mark.full
