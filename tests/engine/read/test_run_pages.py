"""Runs part by part and counted, by each filter: each run once, and no look that grows with the ledger."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import Any

import pytest
from everytick import AsyncIOScheduler
from everytick.masking import hide
from everytick.model import ticks
from everytick.read import run_counts, run_pages
from everytick.read.run_counts import count_states
from everytick.read.run_filter import RunFilter
from everytick.read.run_pages import list_runs
from everytick.store.connections import transaction
from everytick.store.querying import connect

from histories import MINUTE, SECOND, prepared, run, write
from statements import statements
from step_counting import steps

STATES = ["succeeded", "failed", "skipped", "timed_out"]


@pytest.fixture
def begin() -> int:
    """When the first run of the history was due: some hours ago."""
    return ticks.now() // MINUTE * MINUTE - 300 * MINUTE


@pytest.fixture
def history(scheduler: AsyncIOScheduler, begin: int) -> AsyncIOScheduler:
    """A scheduler with 120 runs, one a minute, of four jobs in turn, and four that have not ended."""
    jobs = ["sync_shop", "sync_stock", "report", "night_100%"]
    for job_id in jobs:
        scheduler.add_job(print, "cron", minute="*", id=job_id)
    rows = []
    for number in range(120):
        due, state = begin + number * MINUTE, STATES[number // 4 % 4]
        # Each fifth run was asked for by hand.
        rows.append(
            run(
                jobs[number % 4],
                None if number % 5 == 0 else due,
                state,
                due_us=due,
                reason="missed" if state == "skipped" else None,
                error=f"ValueError: Customer {number} not found" if state == "failed" else None,
            )
        )
    for number, state in enumerate(("running", "queued", "claimed", "retrying")):
        due = begin + (120 + number) * MINUTE
        rows.append(run(jobs[number], due, state, finished_us=None))
    write(prepared(scheduler), "scheduler_runs", rows)
    return scheduler


def numbers(scheduler: AsyncIOScheduler, wanted: RunFilter, limit: int = 7) -> list[int]:
    """Return the numbers of all wanted runs, asked for part by part."""
    found: list[int] = []
    before = None
    with connect(scheduler.ledger) as connection:
        for _ in range(200):
            rows, before = list_runs(connection, wanted, limit, before)
            assert len(rows) <= limit
            found += [row.run_id for row in rows]
            if before is None:
                return found
    raise AssertionError("the list has no end")


def by_hand(scheduler: AsyncIOScheduler, condition: str, **values: Any) -> set[int]:
    """Return the numbers of the runs that meet a condition in SQL."""
    with closing(scheduler.ledger.connect()) as connection:
        query = f"SELECT run_id FROM scheduler_runs WHERE {condition}"
        return {row[0] for row in connection.execute(query, values).fetchall()}


def counted(scheduler: AsyncIOScheduler, wanted: RunFilter) -> run_counts.StateCounts:
    with connect(scheduler.ledger) as connection:
        return count_states(connection, wanted)


CASES: list[tuple[dict[str, Any], str]] = [
    ({}, "1 = 1"),
    ({"states": ("failed",)}, "state = 'failed'"),
    ({"states": ("failed", "timed_out")}, "state IN ('failed', 'timed_out')"),
    ({"states": ("queued", "retrying")}, "state IN ('queued', 'retrying')"),
    ({"job_id": "report"}, "job_id = 'report'"),
    ({"job_id": "report", "states": ("failed",)}, "job_id = 'report' AND state = 'failed'"),
    ({"id_part": "YNC_"}, "job_id LIKE 'sync%'"),
    ({"id_part": "epo"}, "job_id = 'report'"),
    ({"id_part": "100%"}, "job_id = 'night_100%'"),
    ({"id_part": "sync%"}, "1 = 0"),
    ({"id_part": "nowhere"}, "1 = 0"),
    ({"job_id": "nowhere"}, "1 = 0"),
    ({"error": "customer 1"}, "error LIKE '%Customer 1%'"),
    ({"error": "customer 1", "states": ("succeeded",)}, "1 = 0"),
    ({"error": "customer", "id_part": "sync"}, "error LIKE '%Customer%' AND job_id LIKE 'sync%'"),
]


@pytest.mark.parametrize("searched", [50_000, pytest.param(9, marks=pytest.mark.full)])
def test_each_wanted_run_is_listed_once_and_no_other(
    history: AsyncIOScheduler, begin: int, monkeypatch: pytest.MonkeyPatch, searched: int
) -> None:
    monkeypatch.setattr(run_pages, "SEARCHED", searched)
    early, late = begin + 20 * MINUTE + SECOND, begin + 90 * MINUTE + SECOND
    for fields, condition in CASES:
        for since, until in ((None, None), (early, None), (None, late), (early, late)):
            wanted = RunFilter(**fields, since=since, until=until)
            ended = f"finished_us >= {since or 0} AND finished_us < {until or ticks.FOREVER}"
            # What has not ended is later than any end of the span that has passed.
            in_span = f"({ended})" if until else f"({ended} OR finished_us IS NULL)"
            found = numbers(history, wanted)
            assert len(found) == len(set(found)), wanted
            assert set(found) == by_hand(history, f"({condition}) AND {in_span}"), wanted


@pytest.mark.full
@pytest.mark.parametrize(
    "spoiled", ["started_us = 'abc'", "finished_us = 'abc'", "due_us = x'00', tick_us = run_id + 0.5"]
)
def test_rows_that_cannot_be_read_end_no_list(
    history: AsyncIOScheduler, begin: int, monkeypatch: pytest.MonkeyPatch, spoiled: str
) -> None:
    monkeypatch.setattr(run_pages, "SEARCHED", 9)
    where = "run_id % 3 = 0 AND run_id <= 120" if "tick_us" not in spoiled else "run_id % 20 = 0"
    with closing(sqlite3.connect(history.ledger.path, isolation_level=None)) as connection:
        spoiled_rows = connection.execute(f"UPDATE scheduler_runs SET {spoiled} WHERE {where}").rowcount
    assert spoiled_rows > 5
    for fields, condition in CASES:
        for since in (None, begin + 20 * MINUTE + SECOND):
            ended = f"(finished_us >= {since or 0} OR finished_us IS NULL)"
            wanted = by_hand(history, f"({condition}) AND {ended} AND NOT ({where})")
            assert set(numbers(history, RunFilter(**fields, since=since))) == wanted, (fields, since)


def test_where_a_part_of_the_list_is_cut_is_found_by_the_index_alone(
    history: AsyncIOScheduler, begin: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_pages, "SEARCHED", 9)
    with connect(history.ledger) as connection:
        with statements() as asked:
            list_runs(connection, RunFilter(since=begin, states=("failed",)), 7)
        plans = [one.plan(connection.plain) for one in asked if "OFFSET" in one.sql]
    assert plans
    assert all("COVERING INDEX scheduler_runs_ended" in steps[0] for steps in plans)


@pytest.mark.full
def test_the_counts_by_state_are_those_of_the_list_without_its_states(
    history: AsyncIOScheduler,
) -> None:
    for fields, _condition in CASES:
        found = counted(history, RunFilter(**fields))
        assert found.complete
        assert found.total == len(numbers(history, RunFilter(**{**fields, "states": ()}), 50))
        for state, number in found.by_state.items():
            assert number == len(numbers(history, RunFilter(**{**fields, "states": (state,)}), 50))


def test_counts_beyond_a_bound_say_that_they_are_of_the_newest_runs(
    history: AsyncIOScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_counts, "COUNTED", 40)
    found = counted(history, RunFilter())
    assert not found.complete
    assert found.total == 40 + 4
    assert not counted(history, RunFilter(job_id="report", states=("failed",))).total > 40
    assert counted(history, RunFilter(job_id="report")).complete


def test_a_span_of_time_lists_what_has_not_ended_first_and_then_the_last_end(
    history: AsyncIOScheduler, begin: int
) -> None:
    with closing(history.ledger.connect()) as connection, transaction(connection):
        # The very first run took until a moment ago.
        connection.execute(f"UPDATE scheduler_runs SET finished_us = {ticks.now()} WHERE run_id = 1")
    found = numbers(history, RunFilter(since=begin))
    assert found[:6] == [124, 123, 122, 121, 1, 120]


def test_a_search_for_text_tells_nothing_of_a_secret_that_was_masked_since(
    history: AsyncIOScheduler, begin: int
) -> None:
    secret = "xylophone-sesame-open"
    write(
        history.ledger,
        "scheduler_runs",
        [run("report", begin - MINUTE, "failed", error=f"refused with {secret}")],
    )
    hide(secret)
    for part in (secret, "sesame-op"):
        for wanted in (
            RunFilter(error=part),
            RunFilter(error=part, since=0),
            RunFilter("report", error=part),
        ):
            assert numbers(history, wanted) == []
            assert counted(history, wanted).total == 0
    assert len(numbers(history, RunFilter(error="refused with"))) == 1


# --- the cost


RARE = [
    RunFilter(),
    RunFilter(states=("lost",)),
    RunFilter(states=("queued",)),
    RunFilter(id_part="job-"),
    RunFilter(job_id="job-1", states=("lost",)),
    RunFilter(error="nowhere"),
    RunFilter(since=1_000, states=("lost",)),
    RunFilter(since=1_000, until=90_000, error="nowhere"),
    RunFilter(job_id="job-1", since=1_000, states=("lost",)),
]


@pytest.mark.full
def test_a_look_for_what_is_rare_costs_the_same_however_many_runs_there_are(
    scheduler: AsyncIOScheduler,
) -> None:
    ledger = prepared(scheduler)
    costs: list[list[int]] = [[] for _ in RARE]
    for first, last in ((1, 200_000), (200_001, 800_000)):
        with closing(ledger.connect()) as connection:
            connection.execute("BEGIN")
            connection.execute(
                f"""
                WITH RECURSIVE numbers (n) AS (
                    SELECT {first} UNION ALL SELECT n + 1 FROM numbers WHERE n < {last}
                )
                INSERT INTO scheduler_runs (job_id, kind, tick_us, state, attempt, crashes, due_us,
                                            finished_us, started_us, error)
                SELECT 'job-' || (n % 3), 'scheduled', n,
                       CASE WHEN n % 5 = 0 THEN 'failed' ELSE 'succeeded' END,
                       1, 0, n, n, n, CASE WHEN n % 5 = 0 THEN 'ValueError: no' END
                FROM numbers
                """
            )
            connection.execute("COMMIT")
        for wanted, cost in zip(RARE, costs, strict=True):
            with connect(ledger) as reading, steps(reading, 1_000) as found:
                # Parts further down must not walk over those before.
                list_runs(reading, wanted, 25, before=last - 2_000)
                list_runs(reading, wanted, 25)
                count_states(reading, wanted)
            cost.append(len(found))
    for wanted, (few, many) in zip(RARE, costs, strict=True):
        assert many < 1.1 * few + 10, (wanted, few, many)
