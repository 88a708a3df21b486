"""How often a process goes to its server and back: on many machines that is most of what a claim costs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from everytick.model import ticks
from everytick.model.job import Job
from everytick.model.misfire import Decision
from everytick.model.roles import Role
from everytick.store import claims, joining, queue, runs
from everytick.store.connections import Connection, Scope, in_transaction, transaction
from everytick.store.opening import ledger_at
from everytick.store.postgres_connection import WiredConnection
from everytick.store.records import Answer, Claim, Identity, Outcome, Room

from ledgers import change
from on_postgres.processes_at_once import due_each_second

pytestmark = pytest.mark.full

ME, CLAIMER = Identity.new(), Identity.new(Role("scheduler"))


@pytest.fixture
def jobs(tmp_path: Path) -> dict[str, Job]:
    return due_each_second(tmp_path, 3)


@pytest.fixture
def connection(postgres_url: str, jobs: dict[str, Job]) -> Iterator[Connection]:
    ledger = ledger_at(postgres_url)
    ledger.prepare()
    opened = ledger.connect(resolving=True)
    in_transaction(
        opened, lambda inside: joining.register(inside, ME, list(jobs.values()), None), scope=Scope.RARE
    )
    # So that each job has a tick that is due.
    change(ledger, "UPDATE scheduler_jobs SET watermark_us = ?", ticks.now() - 2 * ticks.SECOND)
    yield opened
    opened.close()


@pytest.fixture
def trips(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was sent to the server, from now on."""
    found: list[str] = []
    execute = WiredConnection.execute

    def note(self: WiredConnection, query: Any, *arguments: Any, **options: Any) -> Any:
        found.append(str(query))
        return execute(self, query, *arguments, **options)

    monkeypatch.setattr(WiredConnection, "execute", note)
    return found


def claim(connection: Connection, jobs: dict[str, Job], me: Identity = ME) -> list[Answer]:
    seen = claims.behind(connection, dict.fromkeys(jobs, ticks.FOREVER))
    decisions = []
    for job in jobs.values():
        tick = job.next_tick(seen[job.id])
        assert tick is not None
        decisions.append(Decision(job, seen[job.id], tick, (tick,), ()))
    return in_transaction(connection, lambda inside: claims.claim(inside, me, decisions, Room(0)))


def counted(trips: list[str], action: Callable[[], Any]) -> tuple[Any, int]:
    """Return what an action returns, and how many trips it made."""
    before = len(trips)
    return action(), len(trips) - before


def test_a_run_is_claimed_begun_and_ended_by_few_trips(
    connection: Connection, jobs: dict[str, Job], trips: list[str]
) -> None:
    # One more for the watermarks, which a process knows.
    answers, number = counted(trips, lambda: claim(connection, jobs))
    assert number == 4, trips
    held = [it for answer in answers for it in answer.claims]
    assert len(held) == len(jobs)

    heads = [(it, jobs[it.job_id]) for it in held]
    verdicts, number = counted(
        trips, lambda: in_transaction(connection, lambda inside: runs.start(inside, ME, heads))
    )
    assert (set(verdicts.values()), number) == ({"started"}, 3), trips

    now = ticks.now()
    ends = [Outcome(it, "succeeded", started=now, finished=now) for it in held]
    lost, number = counted(
        trips, lambda: in_transaction(connection, lambda inside: runs.finish_all(inside, ME, ends))
    )
    assert (lost, number) == ([], 2), trips


@pytest.mark.parametrize("waits", [("queued", None), ("lost", ticks.FOREVER)], ids=["queued", "cut off"])
def test_a_run_that_was_only_reserved_goes_behind_an_older_one_by_no_further_trip(
    connection: Connection, jobs: dict[str, Job], trips: list[str], waits: tuple[str, int | None]
) -> None:
    held = next(it for answer in claim(connection, jobs) for it in answer.claims if it.job_id == "job0")
    # As if it had been reserved until its jitter is over, which is now.
    reserved = replace(held, due=held.claimed + ticks.SECOND)
    older = (
        "INSERT INTO scheduler_runs (job_id, kind, tick_us, due_us, attempt, crashes, state, rerun_until_us)"
    )
    values = {"due": held.due - ticks.SECOND, "state": waits[0], "until": waits[1]}
    connection.execute(
        f"{older} VALUES ('job0', 'scheduled', :due, :due, 1, 0, :state, CAST(:until AS BIGINT))", values
    )

    def start() -> dict[int, str]:
        return in_transaction(connection, lambda inside: runs.start(inside, ME, [(reserved, jobs["job0"])]))

    verdicts, number = counted(trips, start)
    assert (verdicts, number) == ({held.run_id: "behind"}, 3), trips
    taken = in_transaction(connection, lambda inside: queue.take(inside, ME, jobs, Room(9)))
    assert [it.tick for it in taken if it.job_id == "job0"] == [values["due"]]


def test_runs_that_wait_are_taken_by_few_trips(
    connection: Connection, jobs: dict[str, Job], trips: list[str]
) -> None:
    claim(connection, jobs, CLAIMER)

    def take() -> list[Claim]:
        return in_transaction(connection, lambda inside: queue.take(inside, ME, jobs, Room(10)))

    taken, number = counted(trips, take)
    assert {it.job_id for it in taken} == set(jobs)
    assert number == 4, trips


def test_a_transaction_in_which_nothing_is_asked_costs_nothing(
    connection: Connection, trips: list[str]
) -> None:
    with transaction(connection):
        pass
    assert not trips
    with transaction(connection):
        connection.execute("SELECT 1", {})
    assert len(trips) == 2


def test_what_failed_with_its_first_statement_is_undone_and_the_next_one_begins_anew(
    connection: Connection,
) -> None:
    with pytest.raises(Exception, match="division by zero"), transaction(connection):
        connection.execute("SELECT 1 / 0", {})
    with transaction(connection):
        assert connection.execute("SELECT 1 AS found", {}).fetchone()[0] == 1
    assert connection.execute("SELECT now() = statement_timestamp()", {}).fetchone()[0], "outside of any"
