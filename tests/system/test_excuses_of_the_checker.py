"""What the checker excuses, of the torture and of simulated faults, and what comes close to that.

Each in a small history of its own.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from torture import causes, completeness, requests, waiting
from torture.history import Fault, History, Request, Row, WorldClock
from torture.jobs import DAY, SECOND, JobSpec
from torture.made_up import attempt, fault, found, lived, of_one_job, request, row, start, us

ENDLESS = {"body": "endless"}


def by_hand(claimed: float, finished: float) -> Row:
    """A run that a person asked for, and that somebody cancelled."""
    times = {"due_us": claimed, "claimed_us": claimed, "started_us": claimed, "finished_us": finished}
    return row(claimed, "cancelled", run_id=900, kind="manual", tick_us=None, **times)


# --- runs that do not end ---


@pytest.mark.parametrize(
    ("state", "ended", "number"),
    [("queued", None, 0), ("queued", 177, 1), ("running", None, 1)],
    ids=["behind one that goes on", "behind one that has ended", "not written down"],
)
def test_a_run_waits_at_the_end_only_behind_one_that_goes_on(
    state: str, ended: float | None, number: int
) -> None:
    waits = row(120, state, process_id=None, started_us=None, finished_us=None)
    goes_on = start(110, end=None if ended is None else us(ended))
    it = of_one_job(ENDLESS, waits, starts=(goes_on,))
    assert sum("is still" in sentence for sentence in found(completeness.unaccounted, it)) == number


def test_a_run_goes_on_no_longer_than_its_process() -> None:
    waits = row(120, "queued", process_id=None, started_us=None, finished_us=None)
    it = lived(of_one_job(ENDLESS, waits, starts=(start(110),)), 2, end=us(140))
    it = replace(it, starts=[replace(it.starts[0], end=None)])
    assert any("is still queued" in sentence for sentence in found(completeness.unaccounted, it))


@pytest.mark.parametrize(("freed", "number"), [(165, 0), (140, 1)])
def test_a_lost_run_is_given_up_only_while_another_one_has_its_place(freed: float, number: int) -> None:
    lost = row(120, "lost", started_us=120, finished_us=126)
    killed = fault("kill", 125, 125, 1)
    it = of_one_job(
        ENDLESS, lost, by_hand(127, freed), starts=(start(120, pid=1, end=None),), faults=(killed,)
    )
    it = lived(it, 1, end=us(125))
    assert len(found(causes.given_up, it)) == number


@pytest.mark.parametrize(("free", "number"), [(1.2, 0), (1.8, 1)])
def test_a_lost_run_may_be_given_up_where_its_place_is_free_for_moments_only(
    free: float, number: int
) -> None:
    lost = row(120, "lost", started_us=120, finished_us=126)
    others = [row(tick, claimed_us=tick, finished_us=tick + 4 - free) for tick in range(124, 176, 4)]
    it = of_one_job(
        {}, lost, *others, starts=(start(120, pid=1, end=None),), faults=(fault("kill", 125, 125, 1),)
    )
    assert len(found(causes.given_up, lived(it, 1, end=us(125)))) == number


@pytest.mark.parametrize(("freed", "number"), [(174, 0), (162, 1)])
def test_a_tick_is_late_only_while_another_run_that_does_not_end_has_its_place(
    freed: float, number: int
) -> None:
    late = row(160, claimed_us=175, started_us=175, finished_us=177)
    it = of_one_job(ENDLESS, late, by_hand(161, freed))
    assert len(found(causes.late, it)) == number
    assert len(found(causes.late, replace(it, schedule=[JobSpec("job", SECOND, "slow")]))) == 1


# --- runs that make way ---

REPLACED = {"overlap": "replace", "body": "slow"}


def tried_again(*others: Row, number: int = 2, **now: Any) -> History:
    """Let a run be cancelled with nobody asking for that, and a person have it tried again."""
    again = row(130, **{"attempt": 2, "due_us": 150, "claimed_us": 150, "finished_us": 151.2, **now})
    return of_one_job(
        REPLACED,
        again,
        *others,
        attempts=(attempt(130, 1, "cancelled", 130.002, 131.1),),
        asked=(request("retry", 130, number, 149),),
    )


def test_a_run_that_was_tried_again_may_have_made_way_before_that_for_a_tick_of_then() -> None:
    assert found(causes.ends, tried_again(row(131))) == []
    assert found(causes.ends, tried_again(row(131), number=0)) == [], "it is not known which attempt it was"


@pytest.mark.parametrize(
    ("others", "more"),
    [
        ((), {}),
        ((row(132),), {}),
        ((row(131),), {"number": 1}),
        ((row(131), row(151)), {"state": "cancelled"}),
    ],
    ids=["no tick came", "it had ended before the next tick", "an earlier attempt was", "since then"],
)
def test_nothing_else_cancels_a_run_that_was_tried_again(others: tuple[Row, ...], more: Any) -> None:
    assert any(
        "nothing cancels it" in sentence for sentence in found(causes.ends, tried_again(*others, **more))
    )


@pytest.mark.parametrize(
    ("asked", "number"), [((), 1), ((request("cancel", 120, 1, 124),), 0)], ids=["nobody", "a person"]
)
def test_a_run_that_was_to_end_is_not_tried_again_if_somebody_asked_for_that(
    asked: tuple[Request, ...], number: int
) -> None:
    lost = row(120, "lost", started_us=120, finished_us=126, cancel_us=124)
    it = lived(of_one_job({}, lost, starts=(start(120, pid=1, end=None),), asked=asked), 1, end=us(125))
    assert len(found(causes.given_up, it)) == number


@pytest.mark.parametrize(
    ("ended", "faults", "number"),
    [
        (166, (), 1),
        (164.5, (), 0),
        (166, (fault("stop", 162, 165, 2),), 0),
        (166, (fault("lock", 162, 165),), 0),
    ],
    ids=["it goes on", "it has ended", "its process is frozen", "the ledger is locked"],
)
def test_a_run_makes_way_for_a_newer_tick(ended: float, faults: tuple[Fault, ...], number: int) -> None:
    newer = row(162, claimed_us=ended + 0.1, started_us=ended + 0.1, finished_us=ended + 0.2)
    it = of_one_job(REPLACED, row(160), newer, starts=(start(160, end=us(ended)),), faults=faults)
    assert len(found(waiting.makes_way, it)) == number


@pytest.mark.parametrize(("tick", "number"), [(159, 0), (161, 1)], ids=["an older one", "a newer one"])
@pytest.mark.parametrize("by", ["its jitter", "the clock"])
def test_a_run_makes_way_only_for_a_newer_tick(tick: float, number: int, by: str) -> None:
    # By its jitter it is due later; or by a clock that was set back, which shows its instant once more.
    other = row(tick, due_us=162 if by == "its jitter" else tick)
    clock = WorldClock(0, [(0, 0)] if by == "its jitter" else [(0, 0), (us(160.5), us(-4))])
    it = of_one_job(REPLACED, row(160), other, starts=(start(160, end=us(170)),))
    assert len(found(waiting.makes_way, replace(it, clock=clock))) == number


@pytest.mark.parametrize("given_up", ["missed", "outage"])
def test_a_run_need_not_make_way_for_a_tick_that_was_given_up(given_up: str) -> None:
    late = row(162, "skipped", reason=given_up)
    it = of_one_job(REPLACED, row(160), late, starts=(start(160, end=us(166)),))
    assert found(waiting.makes_way, it) == []


@pytest.mark.parametrize("overlap", ["wait-one", "replace"])
@pytest.mark.parametrize(
    ("newer", "faults", "number"),
    [(163.5, (), 1), (161.1, (), 0), (163.5, (fault("kill", 162, 162, 3),), 0)],
    ids=["a newer one waits", "the newer one began before", "its process was killed"],
)
def test_of_the_ticks_that_wait_the_newest_begins(
    newer: float, faults: tuple[Fault, ...], number: int, overlap: str
) -> None:
    rows = (row(160, claimed_us=163), row(161, claimed_us=newer))
    assert len(found(waiting.newest_only, of_one_job({"overlap": overlap}, *rows, faults=faults))) == number
    assert found(waiting.newest_only, of_one_job({"overlap": "wait"}, *rows)) == []


# --- stops and starts ---


@pytest.mark.parametrize(
    ("log", "number"),
    [("", 1), ("1 outcome could not be written to the ledger", 0), ("ended without waiting for runs", 0)],
)
def test_a_process_that_stops_in_order_loses_no_run_unless_it_could_not_write(log: str, number: int) -> None:
    lost = row(160, "lost", finished_us=161)
    it = of_one_job({}, lost, starts=(start(160, end=None),), faults=(fault("terminate", 160, 161, 2),))
    assert len(found(causes.ends, lived(it, 2, log=log))) == number
    killed = replace(it, faults=[fault("kill", 160.5, 160.5, 2)])
    assert found(causes.ends, killed) == []


@pytest.mark.parametrize(
    ("at", "faults", "number"),
    [
        (91, (), 0),
        (None, (), 1),
        (140, (), 1),
        (None, (fault("kill", 120, 120, 2),), 0),
        (None, (fault("moved", 120, 125),), 0),
    ],
    ids=["it has", "it has none", "too late", "one was killed then", "the ledger was away then"],
)
def test_a_start_while_no_process_is_alive_has_a_startup_run(
    at: float | None, faults: tuple[Fault, ...], number: int
) -> None:
    made = [] if at is None else [row(at, run_id=1, kind="startup", tick_us=None, start_number=1)]
    it = of_one_job({"startup": True}, *made, faults=faults)
    assert len(found(completeness.started_anew, it)) == number


def test_a_process_that_joins_another_one_begins_no_start() -> None:
    it = of_one_job({"startup": True}, row(91, run_id=1, kind="startup", tick_us=None, start_number=1))
    alone = [replace(life, end=us(100)) for life in it.lives if life.pid == 2]
    joined = [life for life in it.lives if life.pid == 3]
    assert found(completeness.started_anew, it) == []
    assert len(found(completeness.started_anew, replace(it, lives=alone + joined))) == 1


# --- retries ---


@pytest.mark.parametrize(
    ("now", "faults", "number"),
    [
        ({"claimed_us": None, "process_id": None}, (), 1),
        ({"claimed_us": 130.001, "process_id": None}, (), 1),
        ({"claimed_us": 130.001, "process_id": None}, (fault("clock back", 140, 140),), 0),
        ({"claimed_us": 150, "process_id": None}, (), 0),
        ({"claimed_us": 150}, (), 0),
        ({"claimed_us": None}, (), 0),
    ],
    ids=[
        "asked for",
        "by itself",
        "the clock was set back",
        "claimed, and given back",
        "claimed",
        "restored",
    ],
)
def test_a_retry_that_was_cancelled_before_it_was_claimed_leaves_the_outcome(
    now: dict[str, Any], faults: tuple[Fault, ...], number: int
) -> None:
    again = row(130, "cancelled", attempt=2, started_us=None, **now)
    it = of_one_job({}, again, attempts=(attempt(130, 1, "failed", 130.002, 130.1),), faults=faults)
    assert len(found(requests.taken_back, it)) == number


@pytest.mark.parametrize(("claimed", "number"), [(129.96, 0), (129.8, 1)])
def test_a_run_may_have_been_claimed_again_before_it_is_due(claimed: float, number: int) -> None:
    # Recorded as started a moment before it is due, and found to be lost at once.
    lost = attempt(130, 1, "lost", 130, 129.95)
    again = row(130, "cancelled", attempt=2, crashes=1, claimed_us=claimed, started_us=None, process_id=None)
    assert len(found(requests.taken_back, of_one_job({}, again, attempts=(lost,)))) == number


# --- excluded days ---


def test_a_job_has_no_tick_on_an_excluded_day() -> None:
    spec = JobSpec("job", 2 * SECOND, excluded=(3,))
    assert spec.next_tick(3 * DAY - 3 * SECOND) == 3 * DAY - 2 * SECOND
    assert spec.next_tick(3 * DAY - 2 * SECOND) == 4 * DAY
    assert [spec.is_tick(day * DAY) for day in (2, 3, 4)] == [True, False, True]
    assert spec.count(3 * DAY - 2 * SECOND, 4 * DAY) == 2
    assert "exclude=['1970-01-04']" in spec.declaration()
