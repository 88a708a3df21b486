"""A process that another one declares dead at the moment at which it shows life: what it holds then."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from everytick.model import ticks
from everytick.store import claims, requests, runs, workers
from everytick.store.connections import Scope, together, transaction
from everytick.store.records import Claim, Identity, Outcome, Room

from ledgers import found_in
from on_postgres.processes_at_once import World
from on_postgres.processes_at_once import jobs as jobs
from on_postgres.processes_at_once import world as world

pytestmark = pytest.mark.full


def beat_of(world: World, me: Identity) -> int | None:
    found = found_in(world.ledger, "SELECT beat FROM scheduler_processes WHERE process_id = ?", me.process_id)
    return found[0]["beat"] if found else None


def test_a_process_that_claims_at_this_moment_is_not_reaped(world: World) -> None:
    me, before = world.one.me, beat_of(world, world.one.me)
    assert before is not None
    with transaction(world.one.connection):
        decision = world.one.decision("job0", world.watermark("job0"))
        claims.claim(world.one.connection, me, [decision], Room(1))
        assert world.other.reap(me, before) is None
    assert world.other.reap(me, before) is None
    assert [row["state"] for row in world.rows()] == ["running"]


@pytest.mark.parametrize("way", ["claim", "take", "start"])
def test_a_process_that_comes_back_while_it_is_reaped_holds_what_it_gets_then(world: World, way: str) -> None:
    me, held = world.one.me, Claim(0, "", "", None, 0, 0)
    decision = world.one.decision("job0", world.watermark("job0"))
    world.one.rare(lambda inside: requests.run_now(inside, "job1", None))
    [manual] = [row for row in world.rows() if row["kind"] == "manual"]
    if way == "start":
        [held] = world.one.do(lambda inside: claims.claim(inside, me, [decision], Room(0)))[0].claims
    before = beat_of(world, me)
    assert before is not None
    with transaction(world.other.connection, scope=Scope.RARE):
        assert workers.reap(world.other.connection, me.process_id, before, ticks.now()) == 0
        doings: dict[str, Callable[[], Any]] = {
            "start": lambda: world.one.start(held),
            "claim": lambda: world.one.claim(decision),
            "take": world.one.take,
        }
        doing = world.pool.submit(doings[way])
        world.waits(doing)
    found = doing.result(30)
    assert beat_of(world, me) is not None
    if way == "start":
        assert found == "lost"
        assert {row["state"] for row in world.rows()} == {"queued"}
    else:
        [row] = [row for row in world.rows() if row["process_id"] == me.process_id]
        assert row["state"] == "running"
        assert (row["run_id"] == manual["run_id"]) == (way == "take")


def test_an_outcome_that_comes_while_its_process_is_reaped_is_void(world: World) -> None:
    me = world.one.me
    [answer] = world.one.claim(world.one.decision("job0", world.watermark("job0")))
    before = beat_of(world, me)
    assert before is not None
    with transaction(world.other.connection, scope=Scope.RARE):
        assert workers.reap(world.other.connection, me.process_id, before, ticks.now()) == 1
        doing = world.pool.submit(world.one.finish, answer.claims[0])
        world.waits(doing)
    doing.result(30)
    assert [row["state"] for row in world.rows()] == ["lost"]


def test_the_reaper_of_a_process_waits_for_no_row_that_it_could_be_waited_for(world: World) -> None:
    # A batch writes outcomes first, and shows its heartbeat afterwards.
    me, before = world.one.me, beat_of(world, world.one.me)
    [answer] = world.one.claim(world.one.decision("job0", world.watermark("job0")))
    assert before is not None
    with transaction(world.one.connection):
        now = ticks.now()
        outcome = Outcome(answer.claims[0], "succeeded", started=now, finished=now)
        runs.finish_all(world.one.connection, me, [outcome])
        doing = world.pool.submit(world.other.reap, me, before)
        world.waits(doing)
        together(world.one.connection, workers.showing_life(me))
    assert doing.result(30) is None
