"""What several processes that begin runs at once let be under way: of a group no more than its limit."""

from __future__ import annotations

import random
import time
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from everytick.model.job import Job
from everytick.store import locking, queue, requests
from everytick.store.connections import Connection, transaction
from everytick.store.records import Claim, Room

from ledgers import change, found_in
from on_postgres.processes_at_once import LIMITS, Worker, World, accounted_once, due_each_second
from on_postgres.processes_at_once import contended as contended
from on_postgres.processes_at_once import world as world

pytestmark = pytest.mark.full

HELD = "SELECT run_id FROM scheduler_runs WHERE state IN ('claimed', 'running')"


@pytest.fixture
def jobs(tmp_path: Path) -> dict[str, Job]:
    """Jobs of one group, of which two runs may be under way."""
    return due_each_second(tmp_path, 6, group="database", overlap="wait")


def test_of_two_processes_that_look_at_a_group_one_waits_for_the_other(world: World) -> None:
    for name in ("job0", "job1", "job2"):
        world.one.rare(partial(requests.run_now, job_id=name, for_tick=None))
    found = queue.Found()
    with transaction(world.one.connection):
        assert len(queue.take(world.one.connection, world.one.me, {"job0": world.jobs["job0"]}, Room(9))) == 1
        assert world.other.take(found) == []
    # One of them is the row of a job that the other holds; of the others the group.
    assert found.busy == {"job0", "job1", "job2"}
    assert len(world.other.take()) == 1
    assert world.other.take() == []
    assert len(found_in(world.ledger, HELD)) == LIMITS["database"]


def test_the_limit_of_a_group_is_exact_with_processes_that_claim_and_take_at_once(
    world: World, contended: list[str]
) -> None:
    processes = [world.one, world.other, *(world.process() for _ in range(4))]
    taken, over = list[Claim](), time.monotonic() + 40
    done = [
        world.pool.submit(live, world, process, seed, taken, over) for seed, process in enumerate(processes)
    ]
    assert max(doing.result(90) for doing in done) == LIMITS["database"]
    assert len(taken) >= 40
    assert contended == []
    accounted_once(world)


def live(world: World, process: Worker, seed: int, taken: list[Claim], over: float) -> int:
    """Claim, take and end runs until enough were taken by all; return how many it saw held at most."""
    choice, held, most = random.Random(seed), list[Claim](), 0
    names = sorted(world.jobs)
    while len(taken) < 40 and time.monotonic() < over:
        some = choice.sample(names, 3)
        rows = process.connection.execute("SELECT job_id, watermark_us FROM scheduler_jobs", {}).fetchall()
        seen = dict(rows)
        for answer in process.claim(*(process.decision(name, seen[name]) for name in some)):
            assert not answer.claims
        found = process.take()
        taken += found
        held += found
        most = max(most, len(process.connection.execute(HELD, {}).fetchall()))
        if choice.random() < 0.7:
            for one in held:
                if one.started or process.start(one) == "started":
                    process.finish(one)
            held.clear()
    return most


def test_a_replaced_run_of_another_process_is_asked_to_end(world: World, tmp_path: Path) -> None:
    world.jobs |= due_each_second(tmp_path, 1, overlap="replace")
    [answer] = world.one.claim(world.one.decision("job0", world.watermark("job0")))
    assert answer.claims
    [answer] = world.other.claim(world.other.decision("job0", world.watermark("job0")))
    assert answer.queued == 1
    assert world.other.take() == []
    [asked] = world.rows("WHERE cancel_us IS NOT NULL")
    assert requests.to_cancel(world.one.connection, world.one.me) == {
        asked["run_id"]: asked["replaced_by_us"]
    }
    # A person's request comes before: that run is waited for.
    change(world.ledger, "UPDATE scheduler_runs SET replaced_by_us = NULL WHERE cancel_us IS NOT NULL")
    assert world.other.take() == []
    assert [row["replaced_by_us"] for row in world.rows("WHERE cancel_us IS NOT NULL")] == [None]


def test_a_run_that_another_process_takes_meanwhile_is_not_asked_to_end_for_itself(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.jobs |= due_each_second(tmp_path, 1, overlap="replace")
    [first] = world.one.claim(world.one.decision("job0", world.watermark("job0")))[0].claims
    world.one.claim(world.one.decision("job0", world.watermark("job0")))
    real = locking.locking_jobs

    def lock_late(connection: Connection, job_ids: Iterable[str]) -> Any:
        """The other one has read what waits; then the run ends, and this one takes the next."""
        monkeypatch.undo()
        world.one.finish(first)
        assert len(world.one.take()) == 1
        return real(connection, job_ids)

    monkeypatch.setattr(locking, "locking_jobs", lock_late)
    assert world.other.take() == []
    assert world.rows("WHERE cancel_us IS NOT NULL") == []
