"""A run that was cut off waits for its next attempt as others wait: within a job the oldest begins first."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import pytest
from everytick import AsyncIOScheduler, current_run
from everytick.model import ticks
from everytick.model.misfire import decide
from everytick.store import claims, queue
from everytick.store.connections import transaction
from everytick.store.records import Identity, Room

from histories import SECOND, prepared, write
from histories import run as a_run
from inside import rows_of, until, was_down
from ledgers import change

pytestmark = pytest.mark.usefixtures("nothing_left_behind")

HOUR = 3_600 * SECOND


def cut_off(job_id: str, due: int, **more: Any) -> dict[str, Any]:
    """A run whose process died a moment after its begin, and that may begin again at any time."""
    return a_run(job_id, due, "lost", **{"claimed_us": due, "rerun_until_us": ticks.FOREVER, **more})


def queued(job_id: str, due: int) -> dict[str, Any]:
    """A tick that waits for a process with room."""
    waits = {"process_id": None, "started_us": None, "finished_us": None, "claimed_us": None}
    return a_run(job_id, due, "queued", rerun_until_us=None, **waits)


async def test_after_a_crash_it_begins_before_the_tick_that_was_missed(scheduler: AsyncIOScheduler) -> None:
    entered: list[tuple[int, int]] = []

    def note() -> None:
        if (run := current_run()) is not None and run.tick is not None:
            entered.append((round(run.tick.timestamp()), run.attempt))

    scheduler.add_job(note, "interval", hours=1, id="job", misfire_grace_time=None)
    await was_down(scheduler, "job", 3_600)
    first = ticks.now() // HOUR * HOUR - 2 * HOUR
    died = {"process_id": "gone", "claimed_us": first, "finished_us": None}
    change(
        scheduler.ledger,
        "INSERT INTO scheduler_processes (process_id, host, pid, started_us, beat, beat_us, start_number)"
        " VALUES ('gone', ?, 4194304, ?, 1, ?, 1)",
        *(Identity.new().host, first, first + SECOND),
    )
    write(scheduler.ledger, "scheduler_runs", [a_run("job", first, "running", **died)])
    fresh = AsyncIOScheduler()
    fresh.add_job(note, "interval", hours=1, id="job", misfire_grace_time=None)
    async with fresh:
        await until(lambda: len(entered) >= 2)
        await until(lambda: len([row for row in rows_of(fresh, "job") if row["state"] == "succeeded"]) == 2)
    assert entered[0] == (first // SECOND, 2), "the one that was cut off is the oldest"
    assert entered[1][0] > first // SECOND
    assert entered[1][1] == 1


@pytest.mark.parametrize(
    ("more", "waits"),
    [
        ({}, True),
        ({"kind": "manual", "tick_us": None}, True),
        ({"rerun_until_us": 1}, False),
        ({"rerun_until_us": None}, False),
        ({"kind": "backfill", "tick_us": None}, False),
    ],
    ids=["it may begin again", "one by hand", "its time is over", "it is lost for good", "of a backfill"],
)
async def test_a_new_tick_goes_behind_it(
    scheduler: AsyncIOScheduler, more: dict[str, Any], waits: bool
) -> None:
    job = scheduler.add_job(lambda: None, "interval", hours=1, id="job", misfire_grace_time=None)
    await was_down(scheduler, "job", 3_600)
    write(scheduler.ledger, "scheduler_runs", [cut_off("job", ticks.now() - 2 * HOUR, **more)])
    with closing(scheduler.ledger.connect()) as connection, transaction(connection):
        [(seen,)] = connection.execute("SELECT watermark_us FROM scheduler_jobs").fetchall()
        decision = decide(job, seen, ticks.now())
        assert decision is not None
        [answer] = claims.claim(connection, Identity.new(), [decision], Room(4))
    assert (answer.queued, len(answer.claims)) == ((1, 0) if waits else (0, 1))


async def test_what_waits_is_taken_by_when_it_was_due_whether_it_was_cut_off_or_not(
    scheduler: AsyncIOScheduler,
) -> None:
    jobs = {name: scheduler.add_job(lambda: None, "cron", hour=3, id=name) for name in "abcd"}
    prepared(scheduler)
    now = ticks.now()
    found = [
        cut_off("a", now - 10 * SECOND),
        queued("b", now - 40 * SECOND),
        cut_off("c", now - 30 * SECOND),
        queued("d", now - 5 * SECOND),
    ]
    write(scheduler.ledger, "scheduler_runs", found)
    taken = []
    for room in (1, 2, 4):
        with closing(scheduler.ledger.connect()) as connection, transaction(connection):
            taken.append([claim.job_id for claim in queue.take(connection, Identity.new(), jobs, Room(room))])
    assert [sorted(names) for names in taken] == [["b"], ["a", "c"], ["d"]]


async def test_so_it_is_where_more_wait_than_are_looked_at_together(
    scheduler: AsyncIOScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue, "_PAGE", 2)
    monkeypatch.setattr(queue, "_LEAST", 1)
    names = [f"job{number}" for number in range(7)]
    jobs = {name: scheduler.add_job(lambda: None, "cron", hour=3, id=name) for name in names}
    prepared(scheduler)
    now = ticks.now()
    kinds = (queued, cut_off, queued, queued, queued, cut_off, cut_off)
    write(
        scheduler.ledger,
        "scheduler_runs",
        [
            kind(name, now - (60 - n) * SECOND)
            for n, (name, kind) in enumerate(zip(names, kinds, strict=True))
        ],
    )
    for room in (3, 2, 2):
        with closing(scheduler.ledger.connect()) as connection, transaction(connection):
            found = [claim.job_id for claim in queue.take(connection, Identity.new(), jobs, Room(room))]
        assert sorted(found) == names[:room]
        del names[:room]
