"""Told once more on PostgreSQL: see `tests/engine/engine/test_cancelled_of_the_dead.py`."""

from __future__ import annotations

import pytest

from test_cancelled_of_the_dead import (  # noqa: F401
    test_how_long_it_took_is_not_told_by_when_that_was_found,
    test_it_is_cancelled_by_the_next_start,
    test_one_that_nobody_asked_to_end_is_tried_again,
    test_one_that_the_stop_of_its_process_cuts_first_is_not_tried_again,
    test_others_that_find_the_process_dead_cancel_it_too,
    test_the_command_and_why_say_how_it_ends,
)

pytestmark = [pytest.mark.full, pytest.mark.usefixtures("nothing_left_behind")]
