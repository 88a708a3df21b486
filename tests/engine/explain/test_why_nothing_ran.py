"""Ticks without a row, runs that are not over, and what the working tree says are explained as well."""

from __future__ import annotations

import re
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from everytick import ConfigurationError
from everytick import settings as settings_room
from everytick.explain import why
from everytick.model import ticks
from everytick.model.ticks.zones import wall_clock

from ledgers import found_in
from sample_ledger import DAY, HOUR, MINUTE, SECOND, SampleLedger, gap_end, up
from statements import statements, walks_runs
from test_why import ask, changed, said
from test_why import troubled as troubled


def test_a_time_that_the_clock_jumps_over_is_told_with_the_one_that_is_meant(troubled: SampleLedger) -> None:
    zone = ZoneInfo("Europe/Berlin")
    gap = wall_clock(gap_end(), zone) - timedelta(minutes=30)
    found = ask(troubled, "night", gap)
    assert (found.verdict, found.tick) == ("succeeded", gap_end())
    assert f"{gap:%Y-%m-%d} 02:30 does not exist in Europe/Berlin: the clock jumps over it" in said(found)
    assert "The clock jumps over the planned time this day: due at 03:00" in said(found)


def test_an_instant_that_is_no_tick_has_neighbours(troubled: SampleLedger) -> None:
    found = ask(troubled, "fine", troubled.tick - MINUTE)
    assert found.verdict == "no_tick"
    before, at = ticks.moment(troubled.tick - DAY), ticks.moment(troubled.tick)
    form = "%Y-%m-%d %H:%M:%S UTC"
    assert f"The nearest is {at:{form}}, the one before is {before:{form}}." in said(found)
    assert found.nearest == f"{at:%Y-%m-%dT%H:%M}"
    found = ask(troubled, "fine", troubled.tick - DAY + MINUTE)
    assert f"The nearest is {before:{form}}, the one after is {at:{form}}." in said(found)


def test_a_tick_to_come_is_told_and_that_nobody_is_up(troubled: SampleLedger) -> None:
    found = ask(troubled, "fine", troubled.tick + DAY)
    assert found.verdict == "future"
    assert "No scheduler is up: its last trace" in said(found)
    with up(troubled.ledger):
        assert "No scheduler is up" not in said(ask(troubled, "fine", troubled.tick + DAY))
    assert re.search("But the job was paused by carla at", said(ask(troubled, "paused", troubled.tick + DAY)))


def test_instants_before_the_job_or_after_it_are_explained(troubled: SampleLedger) -> None:
    assert ask(troubled, "fine", troubled.tick - 1000 * DAY).verdict == "before_registration"
    found = ask(troubled, "removed")
    assert found.verdict == "removed", "its latest tick was at the instant of its removal"
    assert re.search(r"was removed at .*, at that very instant: ", said(found))
    assert "pruned" not in said(found)
    before = ask(troubled, "removed", troubled.tick - 2 * DAY)
    assert before.verdict == "no_record", "it was settled before the removal"
    found = ask(troubled, "removed", troubled.tick)
    assert found.verdict == "removed"
    assert "it was no longer in the schedule's code at a start" in said(found)


def test_rows_older_than_the_history_are_pruned(troubled: SampleLedger) -> None:
    found = ask(troubled, "fine", troubled.tick - 40 * DAY)
    assert found.verdict == "pruned"
    assert "more than 30 days ago are removed (SCHEDULER_HISTORY_DAYS)" in said(found)


def test_a_hole_in_the_history_is_said_to_be_one(troubled: SampleLedger) -> None:
    assert ask(troubled, "fine", troubled.tick - 5 * DAY).verdict == "no_record"


def test_instants_before_a_change_are_explained(troubled: SampleLedger) -> None:
    since, begin = troubled.tick - DAY, troubled.tick - 800 * DAY
    change = "UPDATE scheduler_jobs SET changed_us = {} WHERE job_id = 'fine'"
    with changed(troubled, change.format(since), change.format(begin)):
        found = ask(troubled, "fine", troubled.tick - 2 * DAY)
    assert found.verdict == "before_change"
    assert "For the time before a change nothing is made up for" in said(found)


def test_a_job_whose_function_is_gone_says_so(troubled: SampleLedger) -> None:
    found = ask(troubled, "gone")
    assert found.verdict == "cannot_run"
    assert "'app.services.gone:task' cannot be imported" in said(found)


@pytest.mark.parametrize(("late", "forecast"), [(60, "would make up for it"), (1, "would skip it")])
def test_a_tick_that_nobody_claimed_says_what_a_start_would_make_of_it(
    troubled: SampleLedger, late: int, forecast: str
) -> None:
    # Back to yesterday: nothing has decided about the latest tick yet.
    job = troubled.declared["slot"]
    back = "UPDATE scheduler_jobs SET watermark_us = {} WHERE job_id = 'slot'"
    away = "UPDATE scheduler_runs SET tick_us = tick_us + {} WHERE job_id = 'slot'"
    options = type(job.options)(misfire_grace_time=late * 180.0)
    declared = {"slot": replace(job, options=options)}
    with (
        changed(troubled, back.format(troubled.tick - DAY), back.format(troubled.tick)),
        changed(troubled, away.format(1), away.format(-1)),
    ):
        found = ask(troubled, "slot", declared=declared)
        assert found.verdict == "nobody_up"
        assert forecast in said(found)
        assert ("late (grace time 3 min)" in said(found)) == (late == 1)
        with up(troubled.ledger, stuck=30 * SECOND):
            found = ask(troubled, "slot")
            assert found.verdict == "due"
            assert "has not answered since" in said(found)


def test_a_tick_whose_place_a_newer_one_takes_is_told_of_that_alone(troubled: SampleLedger) -> None:
    job = troubled.declared["slot"]
    back = "UPDATE scheduler_jobs SET watermark_us = {} WHERE job_id = 'slot'"
    away = "UPDATE scheduler_runs SET tick_us = tick_us + {} WHERE job_id = 'slot'"
    declared = {"slot": replace(job, options=type(job.options)(misfire_grace_time=None))}
    with (
        changed(troubled, back.format(troubled.tick - 2 * DAY), back.format(troubled.tick)),
        changed(troubled, away.format(1), away.format(-1)),
    ):
        found = ask(troubled, "slot", troubled.tick - DAY, declared=declared)
    assert "A start now would skip it: a newer tick, " in said(found)
    assert "grace time" not in said(found)


def waiting(troubled: SampleLedger, state: str, columns: str = "", undo: str = "") -> Any:
    """Let the run of the job `fine` be in a state inside of a block."""
    ended = "SELECT finished_us FROM scheduler_runs WHERE job_id = 'fine' AND tick_us = ?"
    [found] = found_in(troubled.ledger, ended, troubled.tick)
    where = f"WHERE job_id = 'fine' AND tick_us = {troubled.tick}"
    return changed(
        troubled,
        f"UPDATE scheduler_runs SET state = '{state}', finished_us = NULL{columns} {where}",
        f"UPDATE scheduler_runs SET state = 'succeeded', finished_us = {found['finished_us']}{undo} {where}",
    )


def test_a_running_run_is_explained_with_its_process(troubled: SampleLedger) -> None:
    with up(troubled.ledger) as its, waiting(troubled, "running", f", process_id = '{its}'"):
        found = ask(troubled, "fine")
    assert found.verdict == "running"
    assert re.search(r"It is running: attempt 1 began at .* ago\. It is held by process \d+ on ", said(found))


def test_the_run_of_a_silent_process_is_told_to_be_in_doubt(troubled: SampleLedger) -> None:
    silent = up(troubled.ledger, silent=3 * MINUTE)
    with silent as its, waiting(troubled, "running", f", process_id = '{its}'"):
        found = ask(troubled, "fine")
    assert re.search(
        r"no heartbeat for 3 min.*No scheduler is up since .*, its last heartbeat; the next start settles it",
        said(found),
    )


def test_a_reserved_run_waits_for_a_slot(troubled: SampleLedger) -> None:
    with up(troubled.ledger) as its, waiting(troubled, "claimed", f", process_id = '{its}'"):
        found = ask(troubled, "fine")
    assert found.verdict == "claimed"
    assert re.search(r"free slot: 0 runs .* in its process, and its process\'s limit", said(found))


def test_a_run_given_back_waits_for_a_process(troubled: SampleLedger) -> None:
    with waiting(troubled, "queued"):
        found = ask(troubled, "fine")
        assert found.verdict == "queued"
        assert "No scheduler is up" in said(found)
        with up(troubled.ledger):
            assert "0 runs under way there" in said(ask(troubled, "fine"))


def test_a_retry_to_come_is_told_with_its_time(troubled: SampleLedger) -> None:
    due = ticks.now() + 90 * SECOND
    undo = f", attempt = 1, due_us = {troubled.tick}"
    with waiting(troubled, "retrying", f", attempt = 2, due_us = {due}", undo):
        found = ask(troubled, "fine")
    assert found.verdict == "retrying"
    assert re.search(r"Attempt 2 is due at .*, 1 min (29|30) s from now|1 min 30 s from now", said(found))


def test_a_schedule_that_does_not_load_is_no_obstacle(troubled: SampleLedger) -> None:
    found = ask(troubled, "fine", declared={}, problem="main.py:3: SyntaxError")
    assert found.verdict == "succeeded"
    assert found.sentences[-1].endswith("does not load, so nothing can start: main.py:3: SyntaxError.")


def test_a_job_that_the_next_start_removes_is_told(troubled: SampleLedger) -> None:
    assert "the next start removes it" in said(ask(troubled, "fine", declared={}))


def test_an_unknown_job_gets_the_nearest_id(troubled: SampleLedger) -> None:
    with pytest.raises(ConfigurationError, match=r"there is no job 'overlapp'.*did you mean 'overlap'\?"):
        ask(troubled, "overlapp")
    with pytest.raises(ConfigurationError, match="the job 'fine' has no run 99999 in the ledger"):
        ask(troubled, "fine", run=99999)


def test_before_the_first_start_a_job_is_only_in_the_code(troubled: SampleLedger, tmp_path: Path) -> None:
    from everytick.store.opening import ledger_at

    nowhere = ledger_at(f"sqlite:///{tmp_path / 'none.db'}")
    found = why(nowhere, "fine", None, None, troubled.declared, None, settings_room.settings())
    assert found.verdict == "not_registered"
    assert not nowhere.exists()


@pytest.mark.full
def test_no_question_reads_through_the_history(troubled: SampleLedger) -> None:
    """Each query that an explanation makes finds its rows by an index."""
    with statements() as noted:
        for job_id in troubled.declared:
            ask(troubled, job_id)
            ask(troubled, job_id, troubled.tick - 2 * DAY - HOUR)
        with waiting(troubled, "queued"):
            ask(troubled, "fine")
    asked = [one for one in noted if "scheduler_runs" in one.sql]
    assert len(asked) > 50
    with closing(troubled.ledger.connect(read_only=True)) as connection:
        for statement in asked:
            steps = statement.plan(connection)
            assert all(" USING " in step for step in steps if walks_runs(step)), (statement, steps)
            # What fell into an outage is grouped: few rows, behind the times without an end of a run.
            is_sorted = any("TEMP B-TREE" in step for step in steps)
            assert not is_sorted or "silence" in statement.sql, (statement, steps)
