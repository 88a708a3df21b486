"""What has ended is told once: to those who count it, and to those who follow it."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from everytick import AsyncIOScheduler
from everytick.model import ticks
from everytick.read.completions import CompletionFeed
from everytick.read.following import follow
from everytick.read.run_filter import RunFilter
from everytick.store.database import Ledger
from everytick.store.opening import ledger_at
from everytick.store.querying import connect

from histories import MINUTE, SECOND, prepared, run, write
from ledgers import change


def nothing() -> None:
    """Do nothing."""


@pytest.fixture
def ledger(scheduler: AsyncIOScheduler) -> Ledger:
    """A ledger with a run that ended a minute ago, and one that is under way."""
    scheduler.add_job(nothing, "cron", minute="*", id="a")
    made, now = prepared(scheduler), ticks.now()
    write(made, "scheduler_runs", [run("a", now - MINUTE), run("a", now, "running", finished_us=None)])
    return made


def look(ledger: Ledger, feed: CompletionFeed) -> list[tuple[str, int, bool]]:
    """Return what a feed tells now: outcome, attempt, and whether a further one follows."""
    with connect(ledger) as connection, connection.at_one_instant():
        told = list(feed.look(connection, ledger.file_identity()))
    return [(one.outcome, one.row.attempt if one.row else 0, one.followed) for one in told]


def test_nothing_of_before_is_told_unless_it_is_asked_for(ledger: Ledger) -> None:
    assert look(ledger, CompletionFeed()) == []
    assert look(ledger, CompletionFeed(ticks.now())) == []
    assert look(ledger, CompletionFeed(ticks.now() - 2 * MINUTE)) == [("succeeded", 1, False)]
    assert look(ledger, CompletionFeed(0)) == [("succeeded", 1, False)]


def test_each_end_is_told_once(ledger: Ledger) -> None:
    feed = CompletionFeed()
    assert look(ledger, feed) == []
    # Long before, by its process's clock.
    change(ledger, "UPDATE scheduler_runs SET state = 'failed', finished_us = ? WHERE run_id = 2", SECOND)
    assert look(ledger, feed) == [("failed", 1, False)]
    assert look(ledger, feed) == []
    write(ledger, "scheduler_runs", [run("a", ticks.now(), "skipped", reason="missed")])
    assert look(ledger, feed) == [("skipped", 0, False)]
    assert look(ledger, feed) == []


@pytest.mark.parametrize("behind", [0, 1, 3])
def test_a_run_that_is_tried_again_between_two_looks_is_told_also_by_a_clock_that_is_late(
    ledger: Ledger, behind: int
) -> None:
    feed, now = CompletionFeed(), ticks.now()
    look(ledger, feed)
    end = "UPDATE scheduler_runs SET state = ?, attempt = ?, finished_us = ? WHERE run_id = 2"
    change(ledger, end, "failed", 1, now)
    assert look(ledger, feed) == [("failed", 1, False)]
    change(ledger, end, "succeeded", 2, now - behind * SECOND + 1)
    assert look(ledger, feed) == [("succeeded", 2, False)]
    assert look(ledger, feed) == []


def test_attempts_that_were_followed_are_told_as_such(ledger: Ledger) -> None:
    feed, now = CompletionFeed(), ticks.now()
    look(ledger, feed)
    first = {"run_id": 2, "attempt": 1, "state": "failed", "started_us": now - SECOND, "finished_us": now}
    write(ledger, "scheduler_attempts", [first])
    change(ledger, "UPDATE scheduler_runs SET attempt = 2 WHERE run_id = 2")
    assert look(ledger, feed) == [("failed", 0, True)]
    change(ledger, "UPDATE scheduler_runs SET state = 'succeeded', finished_us = ? WHERE run_id = 2", now)
    assert look(ledger, feed) == [("succeeded", 2, False)]
    assert look(ledger, feed) == []


def test_a_run_cut_off_before_that_may_begin_again_is_not_alerted_anew(ledger: Ledger) -> None:
    ended, until = ticks.now() - MINUTE, ticks.now() + MINUTE
    change(
        ledger,
        "UPDATE scheduler_runs SET state = 'lost', finished_us = ?, rerun_until_us = ? WHERE run_id = 2",
        ended,
        until,
    )
    feed = CompletionFeed()
    assert look(ledger, feed) == []
    assert look(ledger, feed) == []


def test_who_follows_where_there_is_no_ledger_can_stop_waiting_for_one(tmp_path: Path) -> None:
    ledger = ledger_at(f"sqlite:///{tmp_path / 'none.db'}")
    enough = threading.Event()

    def listen() -> list[object]:
        return list(follow(ledger, RunFilter(), enough.is_set))

    with ThreadPoolExecutor(1) as pool:
        listening = pool.submit(listen)
        try:
            with pytest.raises(TimeoutError):
                listening.result(0.2)
            enough.set()
            assert listening.result(10) == []
        finally:
            # Lets it end, also where it does not listen.
            ledger.prepare()
