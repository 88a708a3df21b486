"""Very many runs that wait or are under way, of which the server's statistics know nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import closing, suppress
from typing import Any

import pytest
from everytick.model import ticks
from everytick.store import (
    backfill_statements,
    job_statements,
    limit_statements,
    process_statements,
    pruning,
    statements,
)
from everytick.store.bulk import Bulk
from everytick.store.connections import Connection, Scope, transaction
from everytick.store.database import Ledger
from everytick.store.opening import ledger_at

from ledgers import change
from servers import Server

# Runs in each state, each of another job, and how many of them a statement is about.
RUNS, GIVEN = 2_000, 400
TICK = 1_700_000_000 * ticks.SECOND
JOBS = f"""
INSERT INTO scheduler_jobs (job_id, name, function, trigger, zone, definition, registered_us, changed_us,
                            watermark_us, on_crash, group_name)
SELECT 'job' || i, 'n', 'f', 't', 'UTC', 'd', 0, 0, {TICK}, 'rerun', 'g' || i
FROM generate_series(1, {3 * RUNS}) i
"""
RUN = """
INSERT INTO scheduler_runs (job_id, kind, tick_us, state, attempt, crashes, due_us, finished_us, claimed_us"""
HISTORY = f"""{RUN})
SELECT 'job' || i % {RUNS}, 'scheduled', i, 'succeeded', 1, 0, i, i, i FROM generate_series(1, 20000) i
"""
LITTLE = f"""{RUN})
SELECT 'some' || i, 'scheduled', i, CASE WHEN i % 10 = 0 THEN 'queued' ELSE 'succeeded' END, 1, 0, i, i, i
FROM generate_series(1, 1000) i
"""
# By their numbers: one state after the other.
LATELY = f"""{RUN}, process_id)
SELECT 'job' || i, 'scheduled', {TICK},
       CASE WHEN i <= {RUNS} THEN 'queued' WHEN i <= {2 * RUNS} THEN 'claimed' ELSE 'running' END,
       1, 0, {TICK}, NULL, {TICK}, CASE WHEN i > {RUNS} THEN 'me' END
FROM generate_series(1, {3 * RUNS}) i
"""
MODULES = (
    backfill_statements, job_statements, limit_statements, process_statements, pruning, statements,
)  # fmt: skip
BULKS = {
    f"{module.__name__.rpartition('.')[2]}.{name}": value
    for module in MODULES
    for name, value in vars(module).items()
    if isinstance(value, Bulk)
}


class Undone(Exception):
    """Raised in a transaction to undo it."""


@pytest.fixture(scope="module", params=["never", "before", "when little waited"])
def ledger(server: Server, request: pytest.FixtureRequest) -> Ledger:
    """A ledger in which much is going on at one instant; with when the server has looked at it last."""
    made = ledger_at(server.new_ledger())
    made.prepare()
    change(made, JOBS)
    if request.param == "when little waited":
        change(made, LITTLE)
    elif request.param == "before":
        change(made, HISTORY)
    if request.param != "never":
        change(made, "ANALYZE scheduler_runs")
    change(made, LATELY)
    return made


@pytest.mark.parametrize("scope", [Scope.ROWS, Scope.RARE, Scope.WHOLE])
def test_the_server_compiles_no_statement(ledger: Ledger, scope: Scope) -> None:
    """What it is to avoid counts as very costly to it: then it would, for some tenths of a second each."""
    with closing(ledger.connect()) as connection, transaction(connection, scope=scope):
        assert connection.execute("SHOW jit", {}).fetchone() == ("off",)


@pytest.mark.parametrize("name", BULKS)
@pytest.mark.parametrize("state", ["queued", "claimed", "running"])
def test_a_statement_costs_as_much_as_it_is_about(ledger: Ledger, name: str, state: str) -> None:
    """And not each of the given rows times each that waits or is under way, as where all are compared."""
    with suppress(Undone), closing(ledger.connect()) as connection, transaction(connection):
        first, *_others = connection.execute(
            "SELECT run_id, job_id FROM scheduler_runs WHERE state = :state AND due_us = :due ORDER BY 1",
            {"state": state, "due": TICK},
        ).fetchall()
        number = int(first[1].removeprefix("job"))
        rows = [_row(BULKS[name], number + step, first[0] + step) for step in range(GIVEN)]
        looked_at = _looked_at(connection, BULKS[name], rows)
        raise Undone
    assert looked_at < 4 * (3 * RUNS + GIVEN)


def _row(bulk: Bulk, job: int, run: int) -> list[Any]:
    """Return a row that is about a run, by what the statement calls its columns."""
    known = {
        "run": run, "job": f"job{job}", "number": 1, "attempt": 1, "put": "running", "name": f"g{job}",
        "seen": TICK, "definition": "d", "upto": TICK + job,
    }  # fmt: skip
    columns = re.findall(r"\(value ->> \d+\)::(\w+) AS (\w+)", bulk._postgres.partition("OFFSET 0")[0])
    return [known.get(name, TICK if kind == "bigint" else "x") for kind, name in columns]


def _looked_at(connection: Connection, bulk: Bulk, rows: list[list[Any]]) -> int:
    """Run a statement; return how many rows the server had in its hands meanwhile, each time counted."""
    values = dict.fromkeys(set(re.findall(r"(?<!:):([a-z_]+)", bulk._postgres)) - {"given"}, TICK)
    texts = {"process_id": "me", "job_id": "job1", "cancelled": "x", "ended": "x", "error": "x", "who": "x"}
    given = bulk.given(connection, rows, **{**values, **{it: texts[it] for it in texts.keys() & values}})
    assert given is not None
    [(found,)] = connection.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {given[0]}", given[1]).fetchall()
    plan = (json.loads(found) if isinstance(found, str) else found)[0]["Plan"]
    return sum(map(_rows, _nodes(plan)))


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for child in node.get("Plans", ()):
        yield from _nodes(child)


def _rows(node: dict[str, Any]) -> int:
    removed = sum(number for name, number in node.items() if name.startswith("Rows Removed by"))
    return int((node["Actual Rows"] + removed) * node["Actual Loops"])
