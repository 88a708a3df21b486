"""A ledger with a history that was not lived through: rows written as a scheduler would have."""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import closing
from typing import Any
from unittest.mock import patch

from everytick import AsyncIOScheduler
from everytick.api import loading
from everytick.cli import program
from everytick.model import ticks
from everytick.store import definitions
from everytick.store.connections import transaction
from everytick.store.database import Ledger
from everytick.store.records import Registration
from typer.testing import CliRunner

SECOND = ticks.SECOND
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE


def prepared(scheduler: AsyncIOScheduler) -> Ledger:
    """Create the ledger of a scheduler and register its jobs, as a start does; nothing runs."""
    ledger = scheduler.ledger
    ledger.prepare()
    with closing(ledger.connect()) as connection, transaction(connection):
        definitions.define(connection, scheduler.get_jobs(), ticks.now(), Registration(0, {}, 0))
    return ledger


def write(ledger: Ledger, table: str, rows: Iterable[dict[str, Any]]) -> None:
    """Insert rows into a table of the ledger; all must have the same columns."""
    found = list(rows)
    names = list(found[0])
    values = ", ".join(f":{name}" for name in names)
    with closing(ledger.connect()) as connection, transaction(connection):
        for row in found:
            connection.execute(f"INSERT INTO {table} ({', '.join(names)}) VALUES ({values})", row)


def run(job_id: str, tick: int | None, state: str = "succeeded", **more: Any) -> dict[str, Any]:
    """Return a row of runs: begun at its tick, over a second later, unless said otherwise."""
    begun = tick if tick is not None else more.get("due_us", 0)
    skipped = state == "skipped"
    return {
        "job_id": job_id,
        "kind": "manual" if tick is None else "scheduled",
        "tick_us": tick,
        "last_tick_us": None,
        "tick_count": None,
        "state": state,
        "reason": None,
        "attempt": 0 if skipped else 1,
        "crashes": 0,
        "due_us": begun,
        "process_id": None if skipped else "somebody",
        "started_us": None if skipped else begun,
        "finished_us": begun if skipped else begun + SECOND,
        "error": None,
    } | more


def ask(scheduler: AsyncIOScheduler, *arguments: str, **environment: str) -> str:
    """Return what a command prints, with this scheduler as the application's."""
    with patch.object(loading, "load_schedule_for_command", lambda: scheduler):
        done = CliRunner().invoke(program.app, arguments, env={"COLUMNS": "200", **environment})
    if done.exception is not None:
        raise done.exception
    return done.stdout


def ask_json(scheduler: AsyncIOScheduler, *arguments: str) -> Any:
    """Return what a command prints as JSON."""
    return json.loads(ask(scheduler, *arguments, "--json"))
