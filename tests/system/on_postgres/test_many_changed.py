"""A deploy that changes or removes very many jobs at once: no trip to the server for each of them."""

from __future__ import annotations

from typing import Any

import pytest
from everytick import AsyncIOScheduler
from everytick.model import ticks
from everytick.store.postgres_connection import PostgresConnection
from everytick.testing import use_ledger

from ledgers import change, found_in
from test_starts_without_changes import schedule, start, task

FEW, MANY = 10, 1_000


@pytest.fixture
def trips(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The statements that were sent, in their order."""
    sent: list[str] = []
    execute = PostgresConnection.execute

    def note(connection: PostgresConnection, sql: str, *values: Any) -> Any:
        sent.append(sql)
        return execute(connection, sql, *values)

    monkeypatch.setattr(PostgresConnection, "execute", note)
    return sent


def jobs(number: int, hours: int) -> AsyncIOScheduler:
    return schedule(**{f"job{n:04}": (task, hours) for n in range(number)})


def let_hours_pass(made: AsyncIOScheduler) -> None:
    """Nothing was up for three hours, and of each job one earlier tick waits still."""
    since = ticks.now() - 3 * 3600 * ticks.SECOND
    change(made.ledger, f"UPDATE scheduler_jobs SET watermark_us = {since}")
    change(
        made.ledger,
        f"""INSERT INTO scheduler_runs (job_id, kind, tick_us, state, attempt, crashes, due_us, claimed_us)
        SELECT job_id, 'scheduled', {since}, 'queued', 1, 0, {since}, {since} FROM scheduler_jobs""",
    )


@pytest.mark.parametrize("change_to", ["others", "none"])
def test_a_deploy_takes_as_many_trips_for_many_jobs_as_for_few(
    postgres_url: str, server: Any, trips: list[str], change_to: str
) -> None:
    needed = []
    for number in (FEW, MANY):
        with use_ledger(server.new_ledger()):
            start(jobs(number, 1))
            let_hours_pass(jobs(number, 1))
            after = jobs(number if change_to == "others" else 0, 2)
            trips.clear()
            found = start(after)
            needed.append(len(trips))
            names = [f"job{n:04}" for n in range(number)]
            assert (found.changed if change_to == "others" else found.removed) == names
            skipped = found_in(
                after.ledger,
                "SELECT state, reason, sum(COALESCE(tick_count, 1)) AS ticks FROM scheduler_runs"
                " GROUP BY state, reason ORDER BY state DESC",
            )
            # What waited, and three hours: those are skipped with what waited if the job goes on as another.
            expected = {
                "others": [{"state": "skipped", "reason": "outage", "ticks": 4 * number}],
                "none": [
                    {"state": "skipped", "reason": "outage", "ticks": 3 * number},
                    {"state": "cancelled", "reason": None, "ticks": number},
                ],
            }
            assert skipped == expected[change_to]
    assert needed[0] == needed[1]
