"""A run that was cut off waits for its next attempt as others wait: within a job the oldest begins first."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import pytest
from everytick import AsyncIOScheduler, current_run
from everytick.engine import heartbeats
from everytick.model import ticks
from everytick.model.misfire import Decision, decide
from everytick.store import claims, queue, runs
from everytick.store.connections import transaction
from everytick.store.records import Identity, Room
from everytick.system import use

from histories import SECOND, prepared, write
from histories import run as a_run
from inside import rows_of, until, was_down, with_jitter
from ledgers import change, found_in

pytestmark = pytest.mark.usefixtures("nothing_left_behind")

HOUR = 3_600 * SECOND


def cut_off(job_id: str, due: int, **more: Any) -> dict[str, Any]:
    """A run whose process died a moment after its begin, and that may begin again at any time."""
    return a_run(job_id, due, "lost", **{"claimed_us": due, "rerun_until_us": ticks.FOREVER, **more})


def queued(job_id: str, due: int) -> dict[str, Any]:
    """A tick that waits for a process with room."""
    waits = {"process_id": None, "started_us": None, "finished_us": None, "claimed_us": None}
    return a_run(job_id, due, "queued", rerun_until_us=None, **waits)


def write_one_that_died(scheduler: AsyncIOScheduler, job_id: str, tick: int, beat: int) -> None:
    """Write down a process of this host that is gone, in the middle of a run, and nobody has noticed yet."""
    died = {"process_id": "gone", "claimed_us": tick, "finished_us": None}
    write(scheduler.ledger, "scheduler_runs", [a_run(job_id, tick, "running", **died)])
    change(
        scheduler.ledger,
        "INSERT INTO scheduler_processes (process_id, host, pid, started_us, beat, beat_us, start_number)"
        " VALUES ('gone', ?, 4194304, ?, 1, ?, 1)",
        *(Identity.new().host, tick, beat),
    )


async def test_after_a_crash_it_begins_before_the_tick_that_was_missed(scheduler: AsyncIOScheduler) -> None:
    entered: list[tuple[int, int]] = []

    def note() -> None:
        if (run := current_run()) is not None and run.tick is not None:
            entered.append((round(run.tick.timestamp()), run.attempt))

    scheduler.add_job(note, "interval", hours=1, id="job", misfire_grace_time=None)
    await was_down(scheduler, "job", 3_600)
    first = ticks.now() // HOUR * HOUR - 2 * HOUR
    write_one_that_died(scheduler, "job", first, first + SECOND)
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


async def test_what_waits_is_looked_for_at_once_when_a_process_is_found_dead(
    scheduler: AsyncIOScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeats, "BEAT_SECONDS", 0.1)
    scheduler.add_job(lambda: None, "interval", hours=1, id="job", misfire_grace_time=None)
    # The next look would come by itself after so long.
    with use(uniform=lambda _low, _high: 1.5):
        async with scheduler:
            now = ticks.now()
            write_one_that_died(scheduler, "job", now, now)
            [again] = await until(lambda: [row for row in rows_of(scheduler, "job") if row["attempt"] == 2])
            [lost] = found_in(scheduler.ledger, "SELECT * FROM scheduler_attempts")
    assert again["claimed_us"] - lost["finished_us"] < SECOND


@pytest.mark.parametrize("overlap", ["skip", "wait", "wait-one", "replace"])
@pytest.mark.parametrize(
    ("kind", "ago", "seen"),
    [(cut_off, 40, "behind"), (queued, 40, "behind"), (cut_off, -40, "started"), (queued, -40, "started")],
    ids=["cut off, and older", "queued, and older", "cut off, and newer", "queued, and newer"],
)
async def test_a_run_that_was_only_reserved_goes_behind_older_ones_when_it_is_due(
    scheduler: AsyncIOScheduler, kind: Any, ago: int, seen: str, overlap: Any
) -> None:
    tick = (ticks.now() // SECOND + 3) * SECOND
    job_id, due = with_jitter(tick, 4, 2, 3)
    job = scheduler.add_job(lambda: None, "interval", seconds=1, id=job_id, jitter=4, overlap=overlap)
    prepared(scheduler)
    me, jobs, decision = (
        Identity.new(),
        {job_id: job},
        Decision(job, _watermark(scheduler), tick, (tick,), ()),
    )
    with closing(scheduler.ledger.connect()) as connection:
        with transaction(connection):
            [answer] = claims.claim(connection, me, [decision], Room(4))
        [reserved] = answer.claims
        # Meanwhile another process is found dead: its place is free, and what waits for it was not taken.
        write(scheduler.ledger, "scheduler_runs", [kind(job_id, due - ago * SECOND)])
        with use(time_ns=lambda: due * 1_000), transaction(connection):
            assert runs.start(connection, me, [(reserved, job)]) == {reserved.run_id: seen}
        if seen == "behind":
            with use(time_ns=lambda: due * 1_000), transaction(connection):
                taken = [claim.tick for claim in queue.take(connection, me, jobs, Room(4))]
            only_newest = kind is queued and overlap in ("wait-one", "replace")
            assert taken == [tick if only_newest else due - ago * SECOND]


async def test_a_run_that_was_taken_from_the_queue_does_not_go_back_there(
    scheduler: AsyncIOScheduler,
) -> None:
    job = scheduler.add_job(lambda: None, "interval", seconds=1, id="job", jitter=4)
    prepared(scheduler)
    me, due = Identity.new(), ticks.now() - SECOND
    # One that nobody can take, since somebody wrote to the ledger by hand; and one behind it.
    odd = {**queued("job", due - SECOND), "attempt": -1}
    write(scheduler.ledger, "scheduler_runs", [odd, queued("job", due)])
    with closing(scheduler.ledger.connect()) as connection, transaction(connection):
        [held] = queue.take(connection, me, {"job": job}, Room(0, 1))
        assert runs.start(connection, me, [(held, job)]) == {held.run_id: "started"}


def _watermark(scheduler: AsyncIOScheduler) -> int:
    with closing(scheduler.ledger.connect()) as connection:
        [(seen,)] = connection.execute("SELECT watermark_us FROM scheduler_jobs").fetchall()
    return int(seen)


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
