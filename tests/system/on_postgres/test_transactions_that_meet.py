"""Transactions that meet: of all kinds at once, in a deadlock, and behind a lock that is never given up."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from everytick.model import ticks
from everytick.store import definitions, pauses, requests, runs, workers
from everytick.store.connections import Connection, Contended, Scope, transaction
from everytick.store.records import Registration

from on_postgres.processes_at_once import Worker, World, accounted_once
from on_postgres.processes_at_once import contended as contended
from on_postgres.processes_at_once import jobs as jobs
from on_postgres.processes_at_once import world as world

pytestmark = pytest.mark.full


def test_a_deadlock_is_tried_again_and_not_told(world: World, contended: list[str]) -> None:
    tried: set[str] = set()
    both_hold_one = threading.Barrier(2)

    def cross(process: Worker, first: str, second: str) -> None:
        def act(inside: Connection) -> None:
            for job_id in (first, second):
                change = "UPDATE scheduler_jobs SET grace_us = 1 WHERE job_id = :job_id"
                inside.execute(change, {"job_id": job_id})
                if first not in tried:
                    tried.add(first)
                    both_hold_one.wait(30)

        process.do(act)

    both = [
        world.pool.submit(cross, world.one, "job0", "job1"),
        world.pool.submit(cross, world.other, "job1", "job0"),
    ]
    for doing in both:
        doing.result(30)
    assert contended


def test_a_lock_that_is_never_given_up_is_told(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("everytick.store.connections._CONTENDED_SECONDS", 0.5)
    with transaction(world.one.connection, scope=Scope.WHOLE), pytest.raises(Contended, match="lock"):
        world.other.take()


LEAST = 6


def test_transactions_of_all_kinds_at_once_stand_in_nobodys_way(world: World, contended: list[str]) -> None:
    over = time.monotonic() + 8
    processes = [world.one, world.other, *(world.process() for _ in range(6))]
    done = [world.pool.submit(live, world, process, seed, over) for seed, process in enumerate(processes)]
    assert sum(doing.result(60) for doing in done) > 8 * LEAST
    assert contended == []
    accounted_once(world)


def live(world: World, process: Worker, seed: int, over: float) -> int:
    """Do all that a process and its callers do, in any order, until the time is over; return how often.

    More than `LEAST` times, however busy the machine is.
    """
    choice, held, number = random.Random(seed), [], 0
    names = sorted(world.jobs)

    def read(query: str) -> list[Any]:
        return process.connection.execute(query, {}).fetchall()

    def claim() -> None:
        some = choice.sample(names, 4)
        seen = dict(read("SELECT job_id, watermark_us FROM scheduler_jobs"))
        for answer in process.claim(*(process.decision(name, seen[name]) for name in some)):
            held.extend(answer.claims)

    def finish() -> None:
        some, held[:] = held[:], []
        for one in some:
            if not one.started and process.start(one) != "started":
                continue
            process.finish(one)

    def requeue() -> None:
        some, held[:] = held[:], []
        process.do(lambda inside: runs.requeue(inside, process.me, [(one, 1) for one in some]))

    def define() -> None:
        whole = list(world.jobs.values())
        choice.shuffle(whole)
        if choice.random() < 0.5:
            whole[0] = replace(whole[0], schedule=whole[0].schedule, name=str(seed))
        process.rare(lambda inside: definitions.define(inside, whole, ticks.now(), Registration(1, {}, 0)))

    def pause() -> None:
        name = choice.choice(names)
        process.rare(lambda inside: pauses.pause(inside, name, None))
        process.rare(lambda inside: pauses.resume(inside, name))

    def run_now() -> None:
        name = choice.choice(names)
        run_id = process.rare(lambda inside: requests.run_now(inside, name, None))
        if choice.random() < 0.5:
            process.rare(lambda inside: requests.cancel(inside, run_id, "x"))

    def reap() -> None:
        process_id, beat = choice.choice(read("SELECT process_id, beat FROM scheduler_processes"))
        if process_id != process.me.process_id:
            process.rare(lambda inside: workers.reap(inside, process_id, beat, ticks.now()))

    def beat() -> None:
        process.do(lambda inside: workers.beat(inside, process.me, 1))

    ordinary: list[Callable[[], Any]] = [claim, claim, claim, finish, finish, requeue, beat]
    ordinary.append(lambda: held.extend(process.take()))
    rare = [define, pause, run_now, reap]
    while time.monotonic() < over or number <= LEAST:
        choice.choice(rare if choice.random() < 0.3 else ordinary)()
        number += 1
    return number
