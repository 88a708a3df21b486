"""What the runs of a job log, while they go on, as another process sees it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from queue import Queue

import pytest
from everytick import AsyncIOScheduler
from everytick.read import following
from everytick.read.following_logs import LogPart, follow_logs

from histories import SECOND, prepared, run, write
from ledgers import changing

BEGIN = 1_700_000_000 * SECOND


@pytest.fixture
def parts(scheduler: AsyncIOScheduler, monkeypatch: pytest.MonkeyPatch) -> Iterator[Queue[LogPart]]:
    """What is told while a ledger with one running run is followed."""
    monkeypatch.setattr(following, "POLL_SECONDS", 0.01)
    for job_id in ("job", "other"):
        scheduler.add_job(print, "cron", minute="*", id=job_id)
    under_way = {"finished_us": None}
    rows = [run("job", BEGIN - SECOND), run("other", BEGIN, "running", **under_way)]
    write(prepared(scheduler), "scheduler_runs", [*rows, run("job", BEGIN, "running", **under_way)])
    log(scheduler, 1, 1, "the end of an earlier run")
    log(scheduler, 3, 1, "one")
    told: Queue[LogPart] = Queue()
    ended = threading.Event()

    def follow() -> None:
        for part in follow_logs(scheduler.ledger, "job", ended.is_set):
            told.put(part)

    thread = threading.Thread(target=follow)
    thread.start()
    yield told
    ended.set()
    thread.join(20)
    assert told.empty()


def log(scheduler: AsyncIOScheduler, run_id: int, attempt: int, *lines: str) -> None:
    """Write the whole log of an attempt, as its process does."""
    with changing(scheduler.ledger) as hand:
        hand.execute("DELETE FROM scheduler_logs WHERE run_id = ? AND attempt = ?", (run_id, attempt))
        text = "".join(f"{line}\n" for line in lines)
        hand.execute(
            "INSERT INTO scheduler_logs (run_id, attempt, text) VALUES (?, ?, ?)", (run_id, attempt, text)
        )


def told(parts: Queue[LogPart]) -> tuple[int, int, str, bool]:
    part = parts.get(timeout=20)
    return part.run["run_id"], part.attempt, part.text, part.has_ended


def test_lines_are_told_once_as_they_are_written(scheduler: AsyncIOScheduler, parts: Queue[LogPart]) -> None:
    assert told(parts) == (3, 1, "one\n", False)
    log(scheduler, 3, 1, "one", "two", "three")
    assert told(parts) == (3, 1, "two\nthree\n", False)
    # Of a long log the oldest lines make room.
    log(scheduler, 3, 1, "(2 older line(s) left out)", "three", "four")
    assert told(parts) == (3, 1, "four\n", False)
    with changing(scheduler.ledger) as hand:
        hand.execute(
            "UPDATE scheduler_runs SET state = 'succeeded', finished_us = ? WHERE run_id = 3",
            (BEGIN + SECOND,),
        )
        hand.execute("UPDATE scheduler_logs SET text = text || 'five\n' WHERE run_id = 3")
    assert told(parts) == (3, 1, "five\n", False)
    assert told(parts) == (3, 1, "", True)


def test_lines_that_come_again_hide_nothing_of_a_long_log(
    scheduler: AsyncIOScheduler, parts: Queue[LogPart]
) -> None:
    assert told(parts) == (3, 1, "one\n", False)
    log(scheduler, 3, 1, "one", "Traceback:", "ValueError")
    assert told(parts) == (3, 1, "Traceback:\nValueError\n", False)
    log(scheduler, 3, 1, "(1 older line(s) left out)", "Traceback:", "ValueError", "Traceback:", "ValueError")
    assert told(parts) == (3, 1, "Traceback:\nValueError\n", False)
    log(scheduler, 3, 1, "(4 older line(s) left out)", "ValueError", "two", "ValueError")
    assert told(parts) == (3, 1, "two\nValueError\n", False)
    # Nothing but the number of those that made room tells how many of the same lines are new.
    log(scheduler, 3, 1, "(7 older line(s) left out)", "same", "same", "same")
    assert told(parts) == (3, 1, "(7 older line(s) left out)\nsame\nsame\nsame\n", False)
    log(scheduler, 3, 1, "(9 older line(s) left out)", "same", "same", "same")
    assert told(parts) == (3, 1, "same\nsame\n", False)


def test_each_attempt_has_its_own_lines(scheduler: AsyncIOScheduler, parts: Queue[LogPart]) -> None:
    assert told(parts) == (3, 1, "one\n", False)
    with changing(scheduler.ledger) as hand:
        hand.execute(
            "INSERT INTO scheduler_attempts (run_id, attempt, state, started_us, finished_us)"
            " VALUES (3, 1, 'failed', ?, ?)",
            (BEGIN, BEGIN + SECOND),
        )
        hand.execute("UPDATE scheduler_runs SET attempt = 2 WHERE run_id = 3")
        hand.execute("INSERT INTO scheduler_logs (run_id, attempt, text) VALUES (3, 2, 'again\n')")
    assert told(parts) == (3, 2, "again\n", False)
