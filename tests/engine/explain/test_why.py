"""Each kind of trouble is explained in plain sentences, from what the ledger holds."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy
from everytick import AsyncIOScheduler, ConfigurationError
from everytick import settings as settings_room
from everytick.explain import VERDICTS, Explanation, why
from everytick.model import ticks
from everytick.model.ticks.zones import wall_clock

from inside import scheduler_settings
from ledgers import change, found_in
from sample_ledger import DAY, HOUR, MINUTE, SECOND, SampleLedger, fill, gap_end, up


@pytest.fixture(scope="module")
def troubled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SampleLedger]:
    """The sample ledger; nothing is running."""
    with scheduler_settings(tmp_path_factory.mktemp("troubles")):
        yield fill(AsyncIOScheduler().ledger)


def ask(
    troubled: SampleLedger,
    job_id: str,
    tick: int | datetime | None = None,
    run: int | None = None,
    **other: Any,
) -> Explanation:
    """Explain one job."""
    when = ticks.moment(tick) if isinstance(tick, int) else tick
    settings = settings_room.settings()
    declared = other.get("declared", troubled.declared)
    found = why(troubled.ledger, job_id, when, run, declared, other.get("problem"), settings)
    assert found.verdict in VERDICTS
    assert all(re.fullmatch(r"[A-Z0-9].*\.", sentence) for sentence in found.sentences), found.sentences
    return found


def said(found: Explanation) -> str:
    return " ".join(found.sentences)


@contextmanager
def changed(troubled: SampleLedger, statement: str, undo: str) -> Iterator[None]:
    """Let the ledger be otherwise inside of the block."""
    change(troubled.ledger, statement)
    try:
        yield
    finally:
        change(troubled.ledger, undo)


# --- what ran


@pytest.mark.parametrize(
    ("job_id", "verdict", "sentences"),
    [
        ("fine", "succeeded", r"It began at .*That is 0\.1 s after the tick.*succeeded at .* after 4\.9 s"),
        ("late", "succeeded", r"That is .* after the tick: .* of it is jitter"),
        ("slot", "succeeded", r"1 min 30 s after the tick: .*it waited 1 min 30 s for a free slot"),
        ("crash", "succeeded", r"Attempt 1 began at .* was lost at .*died.*Attempt 2 began.*It succeeded"),
        ("lost", "lost", r"Attempt 3 .*It was lost: .*It had begun again 3 times after a death"),
        ("skipper", "lost", r'has on_crash="skip": what was cut off does not begin again'),
        ("interrupted", "interrupted", r"interrupted by the stop.*Nothing took it up again until"),
        (
            "timeout",
            "timed_out",
            r"timed out at .* after 30 s: it took longer than its timeout of 30 seconds",
        ),
        (
            "retry",
            "succeeded",
            r"Attempt 1 .* failed at .*: ConnectionError: no route.*Attempt 2 began.*succ",
        ),
        ("cancelled", "cancelled", r"asked to end by carla at .*the wrong customer.*It was cancelled"),
        ("manual", "failed", r"failed .*no such customer.*by hand, stands in for this tick \(succ"),
        ("startup", "succeeded", r"It has no ticks.*belongs to start 7 of the schedule, and to no tick"),
    ],
)
def test_a_run_is_explained_with_its_attempts(
    troubled: SampleLedger, job_id: str, verdict: str, sentences: str
) -> None:
    found = ask(troubled, job_id)
    assert found.verdict == verdict
    assert re.search(sentences, said(found)), said(found)
    assert found.runs
    assert {row["job_id"] for row in found.runs} == {job_id}


def test_a_run_by_hand_names_who_asked(troubled: SampleLedger) -> None:
    found = ask(troubled, "manual", run=troubled.run_ids["manual"])
    assert (found.verdict, found.tick) == ("succeeded", None)
    assert "by carla" in said(found)
    assert 'note: "the customer is there now"' in said(found)
    assert [(entry["who"], entry["action"]) for entry in found.audit] == [("carla", "run now")]


# --- what was skipped


@pytest.mark.parametrize(
    ("job_id", "verdict", "sentences"),
    [
        ("overlap", "overlap", r"max_instances=1 was reached.*In its way was run .*: it took 1 day 10 min"),
        ("missed", "missed", r"looked at only at .*, 20 min after it was due, and its grace time is 10 min"),
        ("no_slot", "missed", r"it was reserved at .*All slots of its process were busy"),
        ("was_paused", "paused", r"by carla at .*on holiday.*resumed by carla"),
        ("paused", "paused", r"was paused by carla at .*the disk is full.*: the tick did not run"),
    ],
)
def test_a_skipped_tick_is_explained_with_the_reason(
    troubled: SampleLedger, job_id: str, verdict: str, sentences: str
) -> None:
    found = ask(troubled, job_id)
    assert found.verdict == verdict
    assert re.search(sentences, said(found)), said(found)


def test_the_run_that_was_in_the_way_is_among_the_rows(troubled: SampleLedger) -> None:
    skipped, other = ask(troubled, "overlap").runs
    assert (skipped["state"], skipped["reason"]) == ("skipped", "overlap")
    began, decided, ended = other["started_at"], skipped["finished_at"], other["finished_at"]
    assert began is not None
    assert decided is not None
    assert ended is not None
    assert began < decided < ended


@pytest.mark.parametrize(
    ("columns", "sentence"),
    [
        (
            "state = 'claimed', started_us = NULL, finished_us = NULL",
            r"not begun yet: reserved at .*it waits for a free slot of its process\.",
        ),
        (
            "state = 'queued', process_id = NULL, claimed_us = NULL, started_us = NULL, finished_us = NULL",
            r"not begun yet: it waits for a worker that serves its queue, default\.",
        ),
        # Over by now.
        (
            "started_us = {late}, finished_us = {late} + 5000000",
            r"it waited for a free slot of its process; it began at .* and ended",
        ),
        (
            "claimed_us = {late}, started_us = {late}, finished_us = {late} + 5000000",
            r"it waited for a worker that serves its queue, default; it began at .* and ended",
        ),
        (
            "state = 'skipped', reason = 'missed', started_us = NULL, finished_us = {late}",
            r"it waited for a free slot of its process; it never began",
        ),
    ],
)
def test_a_run_that_was_in_the_way_before_it_began_is_told_as_such(
    troubled: SampleLedger, columns: str, sentence: str
) -> None:
    late, where = troubled.tick + HOUR // 2, f"job_id = 'overlap' AND tick_us = {troubled.tick - DAY}"
    [row] = found_in(troubled.ledger, f"SELECT * FROM scheduler_runs WHERE {where}")
    names = ("state", "reason", "process_id", "claimed_us", "started_us", "finished_us")
    undo = ", ".join(f"{name} = {'NULL' if row[name] is None else repr(row[name])}" for name in names)
    change = "UPDATE scheduler_runs SET {} WHERE {}"
    with changed(troubled, change.format(columns.format(late=late), where), change.format(undo, where)):
        found = ask(troubled, "overlap")
    assert [kept["run_id"] for kept in found.runs][1:] == [row["run_id"]]
    assert "an earlier run was not over yet, and max_instances=1 was reached" in said(found)
    assert re.search(sentence, said(found)), said(found)
    assert "still running" not in said(found)


def test_what_a_run_says_holds_for_its_number_too(troubled: SampleLedger) -> None:
    """Asked for by its number, a run tells of the clock as it does asked for by its tick."""
    by_tick = ask(troubled, "night", gap_end())
    by_number = ask(troubled, "night", run=by_tick.runs[0]["run_id"])
    assert "The clock jumps over the planned time this day: due at 03:00" in said(by_number)
    assert by_number.sentences == by_tick.sentences


def test_the_ledger_alone_says_nothing_of_the_code(troubled: SampleLedger) -> None:
    when, settings = ticks.moment(troubled.tick), settings_room.settings()
    found = why(troubled.ledger, "overlap", when, None, None, None, settings)
    assert found.verdict == "overlap"
    assert "working tree" not in said(found)


def test_a_scheduler_that_was_up_is_not_called_away(troubled: SampleLedger) -> None:
    assert "A scheduler was up then" in said(ask(troubled, "missed"))


def test_of_coalesced_ticks_the_one_that_ran_is_named(troubled: SampleLedger) -> None:
    found = ask(troubled, "coalesced", troubled.tick - DAY)
    assert found.verdict == "coalesced"
    assert f"That is run {troubled.run_ids['coalesced']}" in said(found)


def test_a_tick_inside_of_a_range_is_found_and_the_outage_told(troubled: SampleLedger) -> None:
    inside = troubled.tick - 2 * DAY - HOUR
    found = ask(troubled, "outage", inside)
    assert found.verdict == "outage"
    assert re.search(r"inside of a range: one row stands for 181 ticks from .* to ", said(found))
    before = ticks.moment(troubled.tick - 2 * DAY - 3 * HOUR - 30 * SECOND)
    assert f"The last outcome before it was written at {before:%Y-%m-%d %H:%M:%S} UTC" in said(found)
    assert "By then the last of them was 15 min late, and its grace time is 10 min" in said(found)
    assert [row["count"] for row in found.runs] == [181]
    # Half a minute later is no tick, although the range reaches over it.
    assert ask(troubled, "outage", inside + 30 * SECOND).verdict == "no_tick"


# --- no row


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
    assert f"The one before is {before:{form}}, the one after is {at:{form}}." in said(found)


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
        with up(troubled.ledger, stuck=30 * SECOND):
            found = ask(troubled, "slot")
            assert found.verdict == "due"
            assert "has not answered since" in said(found)


# --- what is not over


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
    assert re.search(r"no heartbeat for 3 min.*No scheduler is up that could take it over", said(found))


def test_a_reserved_run_waits_for_a_slot(troubled: SampleLedger) -> None:
    with up(troubled.ledger) as its, waiting(troubled, "claimed", f", process_id = '{its}'"):
        found = ask(troubled, "fine")
    assert found.verdict == "claimed"
    assert re.search(r"free slot: 0 run\(s\) .* in its process, and its process\'s limit", said(found))


def test_a_run_given_back_waits_for_a_process(troubled: SampleLedger) -> None:
    with waiting(troubled, "queued"):
        found = ask(troubled, "fine")
        assert found.verdict == "queued"
        assert "No scheduler is up" in said(found)
        with up(troubled.ledger):
            assert "0 run(s) are under way there" in said(ask(troubled, "fine"))


def test_a_retry_to_come_is_told_with_its_time(troubled: SampleLedger) -> None:
    due = ticks.now() + 90 * SECOND
    undo = f", attempt = 1, due_us = {troubled.tick}"
    with waiting(troubled, "retrying", f", attempt = 2, due_us = {due}", undo):
        found = ask(troubled, "fine")
    assert found.verdict == "retrying"
    assert re.search(r"Attempt 2 is due at .*, 1 min (29|30) s from now|1 min 30 s from now", said(found))


# --- what the working tree says


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
    from everytick.store.opening import open_ledger

    nowhere = open_ledger(f"sqlite:///{tmp_path / 'none.db'}")
    found = why(nowhere, "fine", None, None, troubled.declared, None, settings_room.settings())
    assert found.verdict == "not_registered"
    assert not nowhere.exists()


# --- with a large history


def test_no_question_reads_through_the_history(troubled: SampleLedger) -> None:
    """Each query that an explanation makes finds its rows by an index."""
    asked: list[tuple[str, Any]] = []

    def note(connection: Any, cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if "scheduler_runs" in statement:
            asked.append((statement, parameters))

    sqlalchemy.event.listen(sqlalchemy.Engine, "before_cursor_execute", note)
    try:
        for job_id in troubled.declared:
            ask(troubled, job_id)
            ask(troubled, job_id, troubled.tick - 2 * DAY - HOUR)
        with waiting(troubled, "queued"):
            ask(troubled, "fine")
    finally:
        sqlalchemy.event.remove(sqlalchemy.Engine, "before_cursor_execute", note)
    assert len(asked) > 50
    with closing(troubled.ledger.connect(read_only=True)) as connection:
        for statement, parameters in asked:
            plan = connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters).fetchall()
            steps = [step[-1] for step in plan]
            by_index = all(" USING " in step for step in steps if "scheduler_runs" in step)
            assert by_index, (statement, steps)
            assert not any("TEMP B-TREE" in step for step in steps), (statement, steps)
