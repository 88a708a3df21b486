"""The pitfalls of plain APScheduler 3: our class is free of each, and each story would notice if it were not.

Every story runs twice. With our class it has to pass. With the plain class in its place it has to end in
the pitfall: in the sentence below, and not in an error of any other kind.
"""

from __future__ import annotations

import inspect
import shutil
from pathlib import Path

import pytest
from everytick.store.opening import ledger_at

from pitfalls import account, crashes, load, restarts, times
from pitfalls.world import Ours, Pitfall, Plain, Story, it_goes_on, opened, witness

# Number, what our class guards, and what becomes of it with the plain one.
PITFALLS: list[tuple[int, Story, str]] = [
    (1, restarts.a_run_that_a_restart_missed_is_caught_up, "missed by a restart, is lost"),
    (2, restarts.a_paused_job_stays_paused_over_a_restart, "the restart unpaused the job"),
    (3, restarts.a_one_off_runs_once_however_often_it_is_started, "ran again after the restart"),
    (4, restarts.a_calendar_interval_is_not_due_because_of_a_start, "was fired by 2 starts"),
    (5, restarts.an_interval_does_not_begin_anew_with_each_start, "ran 0 times in 5 days"),
    (6, crashes.a_database_error_does_not_silence_the_schedule, "nothing fires again"),
    (7, crashes.a_stop_that_waits_lets_a_coroutine_end, "cancelled a running coroutine at once"),
    (7, crashes.a_function_that_outlives_the_stop_is_reported_as_it_ended, r"is reported as \[\]"),
    (8, load.a_slow_database_does_not_stop_the_event_loop, "the event loop stood still"),
    (9, restarts.a_job_whose_module_is_away_for_one_deploy_comes_back_with_it, "destroyed a person's job"),
    (10, crashes.processes_on_one_database_share_the_work, "jobs were fired by both processes"),
    (11, load.functions_leave_the_threads_of_the_application_alone, r"own to_thread\(\) waits"),
    (12, load.coroutines_are_awaited_when_the_workers_are_limited, "as executed, but never awaited"),
    (13, load.coroutines_at_once_are_limited, "40 of 40 coroutines ran at once"),
    (14, load.a_busy_loop_does_not_lose_a_one_off, "late by a second is lost for good"),
    (15, account.a_tick_skipped_for_an_overrun_is_on_record, "nothing tells, after a restart"),
    (16, account.every_hour_of_a_long_sleep_is_accounted_for, "ten hours look like 1 run"),
    (17, load.a_long_gap_is_not_walked_tick_by_tick_on_the_loop, "walked 43200 ticks"),
    (18, crashes.a_tick_is_on_record_before_it_is_entered, "the tick ran twice"),
    (19, crashes.a_one_off_that_died_in_the_middle_is_not_forgotten, "lost without a trace"),
    (20, restarts.a_job_that_left_the_code_never_runs_again, "no longer in the code ran"),
    (20, restarts.a_job_without_an_id_is_one_job_however_often_it_is_started, "two starts made 2 jobs"),
    (21, times.jitter_does_not_move_the_schedule, "100 minutes have [678].? minutely ticks"),
    (22, times.a_time_that_the_clock_jumps_over_is_not_invented, "due at 03:30, .* comes at 04:30"),
    (22, times.a_time_that_comes_twice_has_one_run, "the run of 03:30 came 2 times"),
    (23, times.the_nth_weekday_is_not_every_one, "the first Monday of a month, is Monday 15"),
    (23, times.a_step_through_weekdays_is_not_passed_over, "every second day from Monday, is Tuesday"),
    (23, times.a_misspelt_day_is_not_taken_for_another, "is taken for the last, Wednesday 31"),
    (24, times.a_weekday_of_a_crontab_is_that_of_cron, "Monday at nine, is Tuesday"),
    (25, times.a_trigger_made_by_hand_has_the_schedulers_zone, "not in (Pacific/Auckland|Europe/Berlin)"),
    (26, account.every_tick_that_a_clock_step_jumped_over_is_accounted_for, "900 ticks .* became 1$"),
    (26, account.a_clock_that_is_set_forward_is_noticed, "the job of nine sleeps on"),
    (26, account.a_clock_that_is_set_back_repeats_nothing, "the job of nine ran again"),
    (27, account.a_job_learns_its_tick, "cannot learn which tick it runs for"),
    (27, load.a_slow_listener_delays_nothing, "a slow listener stopped the event loop"),
]

# They start processes, or wait until a fault is over.
SLOW = {6, 10, 18, 19}


def cases(slow: set[int]) -> list[object]:
    """Return the stories with their sentences, as parameters of a test."""
    return [
        pytest.param(
            story,
            sentence,
            id=f"{number:02}-{story.__name__}",
            marks=[pytest.mark.full] if number in slow else [],
        )
        for number, story, sentence in PITFALLS
    ]


@pytest.fixture(scope="session")
def empty_ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger as the migrations make it, made once."""
    path = tmp_path_factory.mktemp("pitfalls") / "ledger.db"
    ledger_at(f"sqlite:///{path}").prepare()
    return path


@pytest.mark.full
@pytest.mark.parametrize(("story", "sentence"), cases(SLOW))
@pytest.mark.usefixtures("nothing_left_behind")
async def test_our_class_is_free_of(story: Story, sentence: str, tmp_path: Path, empty_ledger: Path) -> None:
    shutil.copy(empty_ledger, tmp_path)
    with opened(Ours, tmp_path) as world:
        await story(world)


@pytest.mark.full
@pytest.mark.parametrize(("story", "sentence"), cases(set()))
async def test_the_plain_class_falls_into(story: Story, sentence: str, tmp_path: Path) -> None:
    with opened(Plain, tmp_path) as world, pytest.raises(Pitfall, match=sentence):
        await story(world)


async def test_the_plain_class_works_where_there_is_no_pitfall(tmp_path: Path) -> None:
    with opened(Plain, tmp_path) as world:
        async with world.up(witness):
            await it_goes_on()
        async with world.up(witness, kept=True):
            await it_goes_on()
        assert {outcome.state for outcome in world.outcomes("witness")} == {"succeeded"}


def test_every_pitfall_has_its_story_and_every_story_is_told() -> None:
    assert sorted({number for number, _story, _text in PITFALLS}) == list(range(1, 28))
    written = {
        function
        for module in (account, crashes, load, restarts, times)
        for _name, function in inspect.getmembers(module, inspect.iscoroutinefunction)
        if function.__module__ == module.__name__ and not function.__name__.startswith("life_")
    }
    told = [story for _number, story, _text in PITFALLS]
    assert len(told) == len(set(told))
    assert written - {times.first_due} == set(told)
