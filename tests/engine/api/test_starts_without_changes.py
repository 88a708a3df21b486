"""A start that finds its schedule in the ledger compares one digest; whatever changed a job undoes that."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest
from everytick import AsyncIOScheduler, SchedulerClient
from everytick.model import ticks
from everytick.store import definitions, job_statements, joining, schedule_digest
from everytick.store.connections import transaction
from everytick.store.database import Ledger
from everytick.store.records import Identity, Registration

from ledgers import change, found_in


def task() -> None:
    """The body of all jobs."""


def other() -> None:
    """Another body."""


def schedule(**jobs: Any) -> AsyncIOScheduler:
    """Return a schedule of jobs by their ids, with the function and the hours of each interval."""
    made = AsyncIOScheduler()
    for job_id, given in jobs.items():
        function, hours, options = (*given, {})[:3]
        made.add_job(function, "interval", hours=hours, id=job_id, **options)
    return made


class Compared:
    """Counts the starts that compared job by job."""

    number = 0


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> Compared:
    seen, compare = Compared(), definitions._compare

    def count(*arguments: Any, **options: Any) -> None:
        seen.number += 1
        compare(*arguments, **options)

    monkeypatch.setattr(definitions, "_compare", count)
    return seen


def start(made: AsyncIOScheduler, me: Identity | None = None) -> Registration:
    """Join as a process does that starts with a schedule, and leave again."""
    jobs, ledger = made.get_jobs(), made.ledger
    ledger.prepare()
    me = me or Identity.new(schedule_digest=schedule_digest.digest_of(jobs))
    with closing(ledger.connect()) as connection:
        with transaction(connection):
            found = joining.register(connection, me, jobs, None)
        with transaction(connection):
            connection.execute(
                "DELETE FROM scheduler_processes WHERE process_id = :id", {"id": me.process_id}
            )
    return found


def rows_of(ledger: Ledger) -> list[Any]:
    with closing(ledger.connect()) as connection:
        rows = connection.execute(job_statements.LIST_DEFINED).fetchall()
    return sorted(map(tuple, rows), key=lambda row: str(row[0]))


def as_compared(made: AsyncIOScheduler) -> tuple[Registration, list[Any]]:
    """Return what a start finds that compares job by job, and the jobs in the ledger afterwards."""
    change(made.ledger, "DELETE FROM scheduler_schedule")
    return start(made), rows_of(made.ledger)


THREE: dict[str, Any] = {"a": (task, 1), "b": (task, 2), "c": (other, 3)}


def test_the_second_start_compares_no_job_and_finds_the_same(
    scheduler: AsyncIOScheduler, compared: Compared
) -> None:
    first = start(schedule(**THREE))
    assert (compared.number, first.added) == (1, ["a", "b", "c"])
    second = start(schedule(**THREE))
    assert compared.number == 1
    third, _rows = as_compared(schedule(**THREE))
    assert compared.number == 2
    assert second.watermarks == third.watermarks == first.watermarks
    assert (second.added, second.changed, second.removed) == ([], [], [])


def test_the_order_of_declarations_does_not_count(scheduler: AsyncIOScheduler, compared: Compared) -> None:
    start(schedule(**THREE))
    start(schedule(**dict(reversed(THREE.items()))))
    assert compared.number == 1


@pytest.mark.parametrize(
    "changed",
    [
        {"a": (other, 1)},
        {"a": (task, 5)},
        {"a": (task, 1, {"name": "another"})},
        {"a": (task, 1, {"on_crash": "skip"})},
        {"a": (task, 1, {"misfire_grace_time": 7})},
        {"a": (task, 1, {"queue": "another"})},
        {"a": (task, 1, {"jitter": 9})},
        {"a": (task, 1, {"timezone": "Asia/Tokyo"})},
        {"d": (task, 1)},
    ],
    ids=["function", "interval", "name", "on_crash", "grace", "queue", "jitter", "zone", "one more"],
)
def test_each_difference_of_a_job_is_found_and_so_is_the_way_back(
    scheduler: AsyncIOScheduler, compared: Compared, changed: dict[str, Any]
) -> None:
    start(schedule(**THREE))
    before = rows_of(scheduler.ledger)
    start(schedule(**THREE | changed))
    assert compared.number == 2
    assert rows_of(scheduler.ledger) != before
    start(schedule(**THREE))
    assert compared.number == 3
    after = rows_of(scheduler.ledger)
    # As before, but for the watermark of a definition that came back and for a job that is removed now.
    assert [row[:9] for row in after if row[0] != "d"] == [row[:9] for row in before]
    start(schedule(**THREE))
    assert compared.number == 3


def pause_for_a_while(made: AsyncIOScheduler) -> None:
    client = SchedulerClient()
    client.pause_job("a", note="for now")
    client.pause_job("b")
    change(made.ledger, "UPDATE scheduler_jobs SET paused_us = 1, paused_until_us = 2 WHERE job_id = 'b'")


def add(made: AsyncIOScheduler) -> None:
    SchedulerClient().add_job(task, "interval", hours=1, id="added")


def start_older_code(made: AsyncIOScheduler) -> None:
    start(schedule(a=(task, 1), gone=(task, 4)))


def declare_late(made: AsyncIOScheduler) -> None:
    with closing(made.ledger.connect()) as connection, transaction(connection):
        found = Registration(1, {}, 0)
        definitions.define_late(connection, schedule(c=(task, 8)).get_jobs()[0], ticks.now(), found)


def remove_late(made: AsyncIOScheduler) -> None:
    with closing(made.ledger.connect()) as connection, transaction(connection):
        assert definitions.remove_undeclared(connection, ["c"], ticks.now()) == ["c"]


def rename(made: AsyncIOScheduler) -> None:
    start(schedule(a=(task, 1), b=(task, 2), x=(other, 3, {"renamed_from": "c"})))


@pytest.mark.parametrize(
    "meanwhile", [pause_for_a_while, add, start_older_code, declare_late, remove_late, rename]
)
def test_whatever_happened_meanwhile_a_start_leaves_the_ledger_as_if_it_had_compared(
    scheduler: AsyncIOScheduler, meanwhile: Callable[[AsyncIOScheduler], None]
) -> None:
    start(schedule(**THREE))
    meanwhile(schedule(**THREE))
    found = start(schedule(**THREE))
    left = rows_of(scheduler.ledger)
    again, rows = as_compared(schedule(**THREE))
    assert [row[:9] for row in left] == [row[:9] for row in rows]
    assert [row[11:] for row in left] == [row[11:] for row in rows]
    assert found.watermarks.keys() == again.watermarks.keys() == THREE.keys()
    assert found.watermarks == again.watermarks
    assert found.paused == again.paused


def test_a_process_of_a_version_that_knows_no_digest_keeps_it_from_counting(
    scheduler: AsyncIOScheduler, compared: Compared
) -> None:
    start(schedule(**THREE))
    older = {"process_id": "older", "host": "elsewhere", "pid": 1, "started_us": 1, "beat": 1, "beat_us": 1}
    values = ", ".join(f":{name}" for name in older)
    with closing(scheduler.ledger.connect()) as connection, transaction(connection):
        connection.execute(
            f"INSERT INTO scheduler_processes ({', '.join(older)}, start_number) VALUES ({values}, 1)", older
        )
    # It may declare a job later, as any code may that starts first.
    change(scheduler.ledger, "UPDATE scheduler_jobs SET function = 'older task' WHERE job_id = 'a'")
    start(schedule(**THREE))
    assert compared.number == 2
    assert "older task" not in {row[2] for row in rows_of(scheduler.ledger)}


def test_jobs_that_vanished_from_the_ledger_come_back(
    scheduler: AsyncIOScheduler, compared: Compared
) -> None:
    start(schedule(**THREE))
    change(scheduler.ledger, "DELETE FROM scheduler_jobs WHERE job_id = 'b'")
    assert start(schedule(**THREE)).added == ["b"]
    assert compared.number == 2


async def test_a_running_process_tells_the_digest_of_its_own_code(scheduler: AsyncIOScheduler) -> None:
    scheduler.add_job(task, "interval", hours=1, id="a")
    async with scheduler:
        [row] = found_in(scheduler.ledger, "SELECT schedule_digest FROM scheduler_processes")
    digest = schedule_digest.digest_of(scheduler.get_jobs())
    assert row == {"schedule_digest": digest}
    assert found_in(scheduler.ledger, "SELECT digest FROM scheduler_schedule") == [{"digest": digest}]


def test_a_schedule_is_written_down_as_it_is_declared(scheduler: AsyncIOScheduler) -> None:
    name = "a\ttab, a \\ and\nlines"
    scheduler.add_job(task, "cron", hour=3, id="a\\b", name=name)
    start(scheduler)
    assert [row[:2] for row in rows_of(scheduler.ledger)] == [("a\\b", name)]
