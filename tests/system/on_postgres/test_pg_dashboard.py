"""Told once more on PostgreSQL: see `test_pages.py` and `test_api.py` in `tests/system/dashboard`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dashboard.test_api import (  # noqa: F401
    test_a_failed_run_is_shown_with_its_error_traceback_and_log,
    test_a_hundred_numbers_of_runs_are_not_confused_by_python_limits,
    test_a_long_history_is_walked_in_pieces_without_a_gap_or_a_repetition,
    test_a_run_may_stand_in_for_a_tick_but_only_for_a_real_one,
    test_a_run_that_ended_cannot_be_cancelled_and_one_that_succeeded_not_retried,
    test_every_action_is_on_record_with_who_when_and_what,
    test_jobs_are_shown_with_what_became_of_them,
    test_nonsense_gets_a_sentence_and_changes_nothing,
    test_the_plan_is_in_order_bounded_and_says_what_is_odd,
    test_the_processes_tell_their_heartbeats_and_leases,
)
from dashboard.test_pages import (  # noqa: F401
    fill,
    test_all_that_a_run_said_can_be_had_as_plain_text,
    test_hostile_and_long_texts_are_shown_as_text_on_small_pages,
    test_nothing_is_inline_and_nothing_comes_from_elsewhere,
)
from dashboard.world import Site
from servers import Server

pytestmark = pytest.mark.full


def site_of(server: Server, factory: pytest.TempPathFactory) -> Site:
    """Return a site whose ledger is on the server, for more than one test."""
    made = Site.made_in(factory.mktemp("site"))
    made.app.environment["SCHEDULER_DATABASE_URL"] = server.new_ledger()
    return made


@pytest.fixture(scope="module")
def site(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site whose schedule runs."""
    made = site_of(server, tmp_path_factory)
    with made.running():
        yield made


@pytest.fixture(scope="module")
def full_site(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site with many jobs, of which each has a long history with long and hostile texts."""
    made = site_of(server, tmp_path_factory)
    fill(made)
    with made.alone():
        yield made
