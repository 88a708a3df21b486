"""The row of a job is its lock: what several processes decide about it at once, each by itself."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from everytick import AsyncIOScheduler
from everytick.model import ticks
from everytick.store import claims, definitions, locking, pauses, queue, requests, runs
from everytick.store.connections import Connection, Scope, transaction
from everytick.store.records import Registration, Room

from ledgers import change, found_in
from on_postgres.processes_at_once import Worker, World, accounted_once
from on_postgres.processes_at_once import jobs as jobs
from on_postgres.processes_at_once import world as world

pytestmark = pytest.mark.full


def test_a_tick_that_another_process_is_claiming_is_asked_for_again(world: World) -> None:
    decision = world.one.decision("job0", world.watermark("job0"))
    free = world.one.decision("job1", world.watermark("job1"))
    with transaction(world.one.connection):
        claims.claim(world.one.connection, world.one.me, [decision], Room(1))
        # Nothing waits for that: the other job is claimed at once.
        first, second = world.other.claim(decision, free)
        assert (first.verdict, second.verdict) == ("busy", "claimed")
    assert world.other.claim(decision)[0].verdict == "moved"


def test_a_job_that_another_process_lets_go_of_meanwhile_was_not_claimed_by_that(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It held the row as the watermark was to be moved, and not any more a statement later."""
    decision = world.one.decision("job0", world.watermark("job0"))
    holding = transaction(world.one.connection)
    holding.__enter__()
    world.one.connection.execute("SELECT 1 FROM scheduler_jobs WHERE job_id = 'job0' FOR NO KEY UPDATE", {})
    real = locking.locking_jobs

    def let_go(connection: Connection, job_ids: Iterable[str]) -> Any:
        holding.__exit__(None, None, None)
        return real(connection, job_ids)

    monkeypatch.setattr(locking, "locking_jobs", let_go)
    assert [answer.verdict for answer in world.other.claim(decision)] == ["busy"]
    monkeypatch.undo()
    assert [answer.verdict for answer in world.other.claim(decision)] == ["claimed"]


def test_a_tick_whose_claim_was_undone_is_claimed_by_another_process(world: World) -> None:
    decision = world.one.decision("job0", world.watermark("job0"))

    def claim_and_fail(inside: Connection) -> None:
        claims.claim(inside, world.one.me, [decision], Room(1))
        assert world.other.claim(decision)[0].verdict == "busy"
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        world.one.do(claim_and_fail)
    assert world.other.claim(decision)[0].verdict == "claimed"


def test_of_two_processes_that_take_runs_of_a_job_one_gets_its_only_place(world: World) -> None:
    for _ in range(2):
        world.one.rare(lambda inside: requests.run_now(inside, "job0", None))
    found = queue.Found()
    with transaction(world.one.connection):
        assert len(queue.take(world.one.connection, world.one.me, world.jobs, Room(9))) == 1
        assert world.other.take(found) == []
    assert found.busy == {"job0"}
    assert world.other.take(found) == []
    assert found.at_limit == {"job0"}


def test_a_cut_off_run_that_another_process_has_meanwhile_taken_and_given_back_is_left_as_it_is(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = world.one.rare(lambda inside: requests.run_now(inside, "job0", None))
    [held] = world.one.take()
    change(
        world.ledger,
        "UPDATE scheduler_runs SET state = 'lost', finished_us = ?, rerun_until_us = ? WHERE run_id = ?",
        ticks.now(),
        ticks.now() + 60 * ticks.SECOND,
        number,
    )
    real = locking.locking_jobs

    def give_back(connection: Connection, job_ids: Iterable[str]) -> Any:
        monkeypatch.undo()
        [claim] = world.one.take()
        assert claim.attempt == held.attempt + 1
        world.one.do(lambda inside: runs.release(inside, world.one.me, [claim]))
        return real(connection, job_ids)

    # Found as cut off, and not any more when the row of its job is locked.
    monkeypatch.setattr(locking, "locking_jobs", give_back)
    assert world.other.take() == []
    attempts = found_in(world.ledger, "SELECT attempt, state FROM scheduler_attempts ORDER BY attempt")
    assert attempts == [{"attempt": 1, "state": "lost"}]
    assert [claim.attempt for claim in world.other.take()] == [2]


def test_a_run_does_not_start_beside_one_that_another_process_takes_at_that_moment(world: World) -> None:
    decision = world.other.decision("job0", world.watermark("job0"))
    # Reserved by the other one, as after a jitter.
    [answer] = world.other.do(lambda inside: claims.claim(inside, world.other.me, [decision], Room(0)))
    [held] = answer.claims
    assert not held.started
    change(world.ledger, "UPDATE scheduler_runs SET due_us = ?", ticks.now())
    world.one.rare(lambda inside: requests.run_now(inside, "job0", None))
    with transaction(world.one.connection):
        taken = queue.take(world.one.connection, world.one.me, world.jobs, Room(9))
        assert world.other.start(held) == "busy"
    started = world.other.start(held) == "started"
    assert len(taken) + started == 1


def test_max_instances_is_exact_with_processes_that_claim_take_start_and_begin_at_once(world: World) -> None:
    three, four = world.process(), world.process()
    job, barrier = world.jobs["job0"], threading.Barrier(4)

    def together(*actions: Callable[[], Any]) -> None:
        def run(action: Callable[[], Any]) -> None:
            barrier.wait()
            action()

        for done in [world.pool.submit(run, action) for action in actions]:
            done.result(30)

    def startup(process: Worker, number: int) -> None:
        once = replace(job, startup_delay=0)
        found = process.rare(lambda inside: claims.claim_startup(inside, process.me, [once], number))
        for held in found:
            process.start(held)

    for number in range(40):
        seen = world.watermark("job0")
        world.one.rare(lambda inside: requests.run_now(inside, "job0", None))
        decision = world.one.decision("job0", seen)
        together(
            partial(world.one.claim, decision),
            partial(world.other.claim, decision),
            three.take,
            partial(startup, four, 100 + number),
        )
        running = [row for row in world.rows() if row["state"] == "running"]
        assert len(running) <= 1, (number, running)
        change(
            world.ledger,
            "UPDATE scheduler_runs SET state = 'succeeded', finished_us = ?"
            " WHERE state IN ('queued', 'claimed', 'running')",
            ticks.now(),
        )


@pytest.mark.parametrize("is_undone", [False, True])
def test_a_pause_waits_for_a_claim_and_does_not_cover_its_tick(world: World, is_undone: bool) -> None:
    decision = world.one.decision("job0", world.watermark("job0"))

    def pause_and_resume() -> None:
        world.other.rare(lambda inside: pauses.pause(inside, "job0", None))
        world.other.rare(lambda inside: pauses.resume(inside, "job0"))

    try:
        with transaction(world.one.connection):
            claims.claim(world.one.connection, world.one.me, [decision], Room(1))
            doing = world.pool.submit(pause_and_resume)
            world.waits(doing)
            if is_undone:
                raise ZeroDivisionError
    except ZeroDivisionError:
        pass
    doing.result(30)
    accounted_once(world)
    [gap] = world.rows("WHERE reason = 'outage'")
    assert (gap["tick_us"] == decision.upto) == is_undone


def test_a_claim_passes_over_a_job_that_is_paused_at_that_moment(world: World) -> None:
    decision = world.one.decision("job0", world.watermark("job0"))
    with transaction(world.other.connection, scope=Scope.RARE):
        pauses.pause(world.other.connection, "job0", None)
        assert world.one.claim(decision)[0].verdict == "busy"
    assert world.one.claim(decision)[0].verdict == "paused"


@pytest.mark.parametrize("way", ["redefine", "remove"])
def test_a_change_of_a_job_waits_for_a_claim_and_does_not_cover_its_tick(world: World, way: str) -> None:
    decision = world.one.decision("job0", world.watermark("job0"))
    changed = [replace(job, schedule=world.jobs["job1"].schedule) for job in world.jobs.values()]
    changed[0] = replace(changed[0], schedule=slower(world))

    def redefine(inside: Connection) -> None:
        whole = changed if way == "redefine" else changed[1:]
        definitions.define(inside, whole, ticks.now(), Registration(1, {}, 0))

    with transaction(world.one.connection):
        claims.claim(world.one.connection, world.one.me, [decision], Room(1))
        doing = world.pool.submit(world.other.rare, redefine)
        world.waits(doing)
    doing.result(30)
    accounted_once(world)
    [gap] = world.rows("WHERE reason = 'outage' AND job_id = 'job0'")
    assert gap["tick_us"] > decision.upto


def slower(world: World) -> Any:
    scheduler = AsyncIOScheduler()
    return scheduler.add_job(print, "interval", seconds=7, id="slower").schedule


def test_two_jobs_that_are_added_at_once_get_two_serial_numbers_in_the_order_of_their_commits(
    world: World,
) -> None:
    one, other = (replace(world.jobs["job0"], id=name, added=True) for name in ("first", "second"))
    with transaction(world.one.connection, scope=Scope.RARE):
        first = definitions.keep(world.one.connection, one)
        doing = world.pool.submit(world.other.rare, lambda inside: definitions.keep(inside, other))
        world.waits(doing)
    assert first.serial < doing.result(30).serial


def test_of_two_requests_to_retry_a_run_one_does_it(world: World) -> None:
    world.one.rare(lambda inside: requests.run_now(inside, "job0", None))
    change(world.ledger, "UPDATE scheduler_runs SET state = 'failed', finished_us = 1")
    [run] = world.rows()
    with transaction(world.one.connection, scope=Scope.RARE):
        assert requests.retry(world.one.connection, run["run_id"])
        doing = world.pool.submit(world.other.rare, lambda inside: requests.retry(inside, run["run_id"]))
        world.waits(doing)
    assert doing.result(30) is False
    assert [row["attempt"] for row in world.rows()] == [run["attempt"] + 1]
