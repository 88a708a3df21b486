"""Each kind of trouble is explained in plain sentences, from what the ledger holds."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from everytick import AsyncIOScheduler
from everytick import settings as settings_room
from everytick.explain import VERDICTS, Explanation, why
from everytick.model import ticks

from inside import scheduler_settings
from ledgers import change, found_in
from sample_ledger import DAY, HOUR, SECOND, SampleLedger, fill, gap_end


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
    ("attempt", "entry", "told"),
    [
        (4, "", "The job has retries=3: they are used up."),
        (2, "carla", "The job has retries=3: its retry was cancelled by carla at "),
        (2, "", "The job has retries=3: when it ended the job had fewer."),
    ],
)
def test_a_run_that_failed_says_which_thing_ended_its_retries(
    troubled: SampleLedger, attempt: int, entry: str, told: str
) -> None:
    failed = "SELECT * FROM scheduler_runs WHERE job_id = 'manual' AND state = 'failed'"
    [row] = found_in(troubled.ledger, failed)
    number, job = row["run_id"], troubled.declared["manual"]
    declared = {"manual": replace(job, options=replace(job.options, retries=3))}
    update = "UPDATE scheduler_runs SET attempt = {} WHERE run_id = {}"
    asked = (
        "INSERT INTO scheduler_audit (at_us, who, action, job_id, run_id)"
        f" SELECT finished_us, '{entry}', 'cancel', 'manual', run_id FROM scheduler_runs"
        f" WHERE run_id = {number} AND '{entry}' <> ''"
    )
    forget = f"DELETE FROM scheduler_audit WHERE action = 'cancel' AND run_id = {number}"
    with (
        changed(troubled, update.format(attempt, number), update.format(row["attempt"], number)),
        changed(troubled, asked, forget),
    ):
        assert told in said(ask(troubled, "manual", run=number, declared=declared))


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
    first = ticks.moment(troubled.tick - 2 * DAY - 3 * HOUR)
    assert f"no scheduler was up from {first:%Y-%m-%d %H:%M:%S} UTC to" in said(found)
    assert "By then the last of them was 15 min late, and its grace time is 10 min" in said(found)
    assert [row["count"] for row in found.runs] == [181]
    # Half a minute later is no tick, although the range reaches over it.
    assert ask(troubled, "outage", inside + 30 * SECOND).verdict == "no_tick"
