"""Told once more on PostgreSQL, which takes no text that is none: see `tests/engine/dashboard`."""

from __future__ import annotations

import pytest

from test_text_of_jobs import (  # noqa: F401
    test_a_note_with_half_a_character_is_kept,
    test_a_result_that_stands_in_the_ledger_already_is_shown_whatever_it_is,
    test_half_a_character_among_the_arguments_of_a_job_is_shown,
    test_half_a_character_that_a_run_says_is_shown_everywhere,
)

pytestmark = pytest.mark.full
