"""Backfills that go on are simulated beside the schedule: with their own rate and limit, in their group."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from everytick import AsyncIOScheduler, SchedulerClient
from everytick.dryrun.simulation import BackfillResult, Simulation, simulate
from everytick.dryrun.simulation import groups as groups_room
from everytick.model import ticks
from everytick.model.job_filter import JobFilter
from everytick.model.ticks import DAY, SECOND
from everytick.store.backfills import Backfill, Unfinished, Wanted
from everytick.text.durations import duration
from hypothesis import given, settings
from hypothesis import strategies as st

import added_tasks
from histories import HOUR, ask, ask_json, prepared, run, write
from test_simulate import MONDAY, UTC_ZONE, Counted, tries


async def nothing() -> None:
    """Do nothing."""


def unfinished(
    runs: int, rate: int | None = None, most: int = 1, *, job_id: str = "job", open: int = 0, **more: Any
) -> Unfinished:
    backfill = Backfill(1, Wanted(job_id, "", 0, 0, False), rate, most, "running", 0, 0)
    return Unfinished(backfill, runs, open, more.get("is_held", False))


def simulated(
    scheduler: AsyncIOScheduler,
    *backfills: Unfinished,
    takes: int | None = None,
    seconds: int = 3_600,
    outages: list[tuple[int, int]] | None = None,
    limits: dict[str, int] | None = None,
) -> Simulation:
    """Simulate that many seconds; each run takes `takes` of them."""
    found = simulate(
        scheduler.get_jobs(),
        MONDAY,
        MONDAY + seconds * SECOND,
        UTC_ZONE,
        outages=[(MONDAY + down * SECOND, MONDAY + up * SECOND) for down, up in outages or []],
        durations={}
        if takes is None
        else {job.id: (takes * SECOND, "given") for job in scheduler.get_jobs()},
        group_limits=limits or {},
        backfills=backfills,
    )
    found.check()
    return found


def at(instant: int | None) -> float | None:
    return None if instant is None else (instant - MONDAY) / SECOND


def shown(result: BackfillResult) -> tuple[int, int, float | None, float | None]:
    """Return how many ran and are left, when the last one began, and when all was over."""
    return result.ran, result.left, at(result.last), at(result.ended)


@pytest.fixture
def nightly(scheduler: AsyncIOScheduler) -> AsyncIOScheduler:
    scheduler.add_job(nothing, "cron", hour=3, id="job", misfire_grace_time=600)
    return scheduler


@pytest.mark.parametrize(
    ("backfill", "takes", "expected"),
    [
        (unfinished(10), 30, (10, 0, 270, 300)),
        (unfinished(10, most=2), 30, (10, 0, 120, 150)),
        (unfinished(10, rate=2), 5, (10, 0, 270, 275)),
        # The rate would allow more than the limit does.
        (unfinished(10, rate=60), 30, (10, 0, 270, 300)),
        (unfinished(4, rate=6, most=2), 15, (4, 0, 30, 45)),
        # Those under way begin anew, and count.
        (unfinished(3, open=1), 30, (4, 0, 90, 120)),
        (unfinished(200), 30, (120, 80, 3_570, None)),
        (unfinished(5), 0, (5, 0, 0, 0)),
    ],
)
def test_runs_begin_as_limit_and_rate_allow(
    nightly: AsyncIOScheduler, backfill: Unfinished, takes: int, expected: Any
) -> None:
    found = simulated(nightly, backfill, takes=takes)
    assert shown(found.backfills[0]) == expected
    assert found.backfills[0].most_at_once <= backfill.backfill.max_instances


def test_the_ticks_of_the_job_are_what_they_are_without_it(nightly: AsyncIOScheduler) -> None:
    without = simulated(nightly, takes=30, seconds=86_400).as_data()
    beside = simulated(nightly, unfinished(1_000, most=3), takes=30, seconds=86_400).as_data()
    assert beside.pop("backfills")[0]["ran"] == 1_000
    assert without.pop("backfills") == []
    assert beside == without


def test_what_an_outage_cuts_off_begins_again_within_its_grace_time(nightly: AsyncIOScheduler) -> None:
    found = simulated(nightly, unfinished(3), takes=60, outages=[(90, 150)]).backfills[0]
    assert shown(found) == (3, 0, 210, 270)
    assert (found.cut, found.begun_again, found.lost) == (1, 1, 0)
    late = simulated(nightly, unfinished(3), takes=60, outages=[(90, 1_500)]).backfills[0]
    assert (late.ran, late.lost, late.cut, late.begun_again) == (2, 1, 1, 0)
    nightly.add_job(nothing, "cron", hour=3, id="other", on_crash="skip")
    other = simulated(nightly, unfinished(3, job_id="other"), takes=60, outages=[(90, 150)]).backfills[0]
    assert (other.ran, other.lost) == (2, 1)


def test_in_a_group_its_runs_take_places_as_others_do(
    scheduler: AsyncIOScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(groups_room, "Places", Counted)
    Counted.most = 0
    for name in ("job", "other"):
        scheduler.add_job(nothing, "interval", minutes=1, id=name, group="database", misfire_grace_time=600)
    found = simulated(
        scheduler, unfinished(12, most=2), takes=25, limits={"database": 2}, outages=[(130, 170)]
    )
    assert Counted.most == 2
    [filled] = found.backfills
    assert (filled.ran, filled.left) == (12, 0)
    number, longest = filled.waited_for_group, duration(filled.longest_wait_for_group)
    assert filled.notes == [f"{number} runs waited for a place in its group database, up to {longest}"]
    assert filled.as_data()["waited_for_group"] == filled.waited_for_group > 0
    # The jobs wait for the backfill as well.
    assert any(it.waited_for_group for it in found.jobs.values())


def test_what_is_assumed_is_said(nightly: AsyncIOScheduler) -> None:
    gone, held = simulated(
        nightly, unfinished(5, job_id="gone"), unfinished(5, is_held=True), takes=1
    ).backfills
    assert (gone.left, gone.notes) == (
        5,
        ["its job is not among those that are simulated: none of its runs begins"],
    )
    assert (held.ran, held.notes) == (5, ["its job is paused or disabled: simulated as if it were not"])
    [unknown] = simulated(nightly, unfinished(5)).backfills
    assert unknown.notes == ["how long its runs take is not known: give --duration job=SECONDS"]


def test_a_backfill_of_a_job_that_the_settings_disable_makes_no_runs(nightly: AsyncIOScheduler) -> None:
    found = simulate(
        *(nightly.get_jobs(), MONDAY, MONDAY + DAY, UTC_ZONE),
        backfills=[unfinished(5)],
        job_filter=JobFilter(disabled=("jo*",)),
    )
    found.check()
    [filled] = found.backfills
    assert (filled.ran, filled.left) == (0, 5)
    assert filled.notes == ["its job is disabled by SCHEDULER_DISABLED_JOBS=jo*: none of its runs begins"]


def test_an_account_of_a_backfill_that_does_not_balance_is_told(nightly: AsyncIOScheduler) -> None:
    found = simulated(nightly, unfinished(5), takes=1)
    found.backfills[0].ran, found.backfills[0].most_at_once = 4, 2
    assert found.problems() == [
        "backfill 1: 5 runs to come, but 4 are accounted for",
        "backfill 1: 2 runs were under way at once: at most 1",
    ]


# --- by trying every second


def by_trying(
    runs: int, takes: int, rate: int | None, most: int, down: list[tuple[int, int]], grace: int, seconds: int
) -> tuple[list[int], int, int, int]:
    """Return when runs begin, and how many ran, are lost and left, in the plainest way."""
    left, following, ran, lost = runs, 0, 0, 0
    starts: list[int] = []
    under_way: list[tuple[int, int]] = []
    cut: list[tuple[int, int]] = []
    for now in range(seconds + takes + 1):
        ran += sum(end == now for end, _attempt in under_way)
        under_way = [one for one in under_way if one[0] != now]
        outage = next((one for one in down if one[0] <= now < one[1]), None)
        if outage is not None:
            if now == outage[0]:
                lost += sum(attempt > 3 for _end, attempt in under_way)
                cut += [(attempt + 1, now + grace) for _end, attempt in under_way if attempt <= 3]
                under_way = []
            continue
        for attempt, until in cut:
            if until < now:
                lost += 1
            else:
                starts.append(now)
                under_way.append((now + takes, attempt))
        cut = []
        free = most - len(under_way)
        if now < seconds and left and free and now >= following:
            step = 60 // rate if rate else 0
            first = max(following, now - 1) if rate else now
            number = min(free, left, 1 + (now - first) // step if rate else most)
            following = first + number * step
            left -= number
            starts += [now] * number
            under_way += [(now + takes, 1)] * number
    return starts, ran, lost, left


def apart(found: list[tuple[int, int]]) -> list[tuple[int, int]]:
    kept: list[tuple[int, int]] = []
    for down, length in sorted(found):
        if not kept or down > kept[-1][1]:
            kept.append((down, down + length))
    return kept


@pytest.mark.full
@settings(tries, max_examples=200)
@given(
    runs=st.integers(1, 40),
    takes=st.integers(1, 60),
    rate=st.sampled_from([None, 60, 30, 20, 6, 2, 1]),
    most=st.integers(1, 4),
    down=st.lists(st.tuples(st.integers(1, 240), st.integers(1, 50)), max_size=4).map(apart),
    grace=st.integers(1, 60),
)
def test_it_agrees_with_trying_every_second(
    scheduler: AsyncIOScheduler,
    runs: int,
    takes: int,
    rate: int | None,
    most: int,
    down: list[tuple[int, int]],
    grace: int,
) -> None:
    scheduler.remove_all_jobs()
    scheduler.add_job(nothing, "cron", hour=3, id="job", misfire_grace_time=grace)
    found = simulated(
        scheduler, unfinished(runs, rate, most), takes=takes, seconds=300, outages=down
    ).backfills[0]
    starts, ran, lost, left = by_trying(runs, takes, rate, most, down, grace, 300)
    assert (found.ran, found.lost, found.left) == (ran, lost, left)
    assert (at(found.first), at(found.last)) == (min(starts), max(starts))


# --- the command

MARCH = datetime(2026, 3, 1, 3, tzinfo=UTC)


def test_the_command_takes_backfills_from_the_ledger_and_writes_nothing(scheduler: AsyncIOScheduler) -> None:
    scheduler.add_job(added_tasks.note, "cron", hour=3, id="report")
    prepared(scheduler)
    client = SchedulerClient()
    number = client.backfill_job("report", MARCH, MARCH + timedelta(days=39), rate=1, max_instances=2)
    span = ("--from", "2027-01-01", "--days", "1", "--duration", "report=90")
    found = ask_json(scheduler, "simulate", *span)
    assert found["problems"] == []
    assert found["backfills"] == [
        {
            "backfill_id": number,
            "job_id": "report",
            "runs": 40,
            "rate": 1,
            "max_instances": 2,
            "ran": 40,
            "lost": 0,
            "left": 0,
            "cut": 0,
            "begun_again": 0,
            "first_run": "2027-01-01T00:00:00+00:00",
            "last_run": "2027-01-01T00:39:00+00:00",
            "ended": "2027-01-01T00:40:30+00:00",
            "waited_for_group": 0,
            "longest_wait_for_group": 0.0,
            "notes": [],
        }
    ]
    said = " ".join(ask(scheduler, "simulate", *span).split())
    assert "backfills that go on, beside these ticks" in said
    assert f"{number} report 40 40 2027-01-01 00:40:30" in said
    cut = ask(scheduler, "simulate", *span, "--outage", "2027-01-01T00:10:30/2027-01-01T00:20")
    assert "begun again" in cut
    client.stop_backfill(number)
    assert ask_json(scheduler, "simulate", *span)["backfills"] == []
    assert "backfills" not in ask(scheduler, "simulate", *span)


def test_of_only_what_was_missed_those_count_that_did_not_succeed_until_now(
    scheduler: AsyncIOScheduler,
) -> None:
    scheduler.add_job(added_tasks.note, "interval", hours=1, id="hourly")
    ledger = prepared(scheduler)
    first = ticks.instant(MARCH)
    states = ["failed", "succeeded", "lost", "failed", "succeeded"]
    write(ledger, "scheduler_runs", [run("hourly", first + n * HOUR, it) for n, it in enumerate(states)])
    client = SchedulerClient()
    client.backfill_job("hourly", MARCH, MARCH + timedelta(hours=4), only_missed=True)
    [found] = ask_json(scheduler, "simulate", "--days", "1")["backfills"]
    # How long a run takes the ledger knows.
    assert (found["runs"], found["ran"], found["notes"]) == (3, 3, [])


def test_a_backfill_of_a_job_that_was_added_is_simulated_though_the_job_has_no_tick_then(
    scheduler: AsyncIOScheduler,
) -> None:
    prepared(scheduler)
    client = SchedulerClient()
    client.add_job(added_tasks.note, "calendarinterval", years=1, id="yearly", start_date="2020-01-01")
    past = datetime(2022, 1, 1, tzinfo=UTC)
    client.backfill_job("yearly", past, past + timedelta(days=800))
    found = ask_json(scheduler, "simulate", "--from", "2027-03-01", "--days", "1")
    assert [(one["job_id"], one["ran"]) for one in found["backfills"]] == [("yearly", 3)]
    assert [one["ticks"] for one in found["jobs"]] == [0]
