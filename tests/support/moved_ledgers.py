"""Ledgers that are moved: with something of everything in them, and compared row by row."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

from everytick.model import ticks
from everytick.store import copying, migration_fence, requests, schema, transfer
from everytick.store.connections import transaction
from everytick.store.database import Ledger
from everytick.store.opening import ledger_at

from histories import run, write

HOUR = 3600 * ticks.SECOND
# A megabyte.
LONG = "é" * 500_000
HOSTILE = "a\0b \N{PILE OF POO} ' \" \\ %s :name {x} \u202e"


def sqlite(folder: Path, name: str = "ledger.db") -> Ledger:
    """Return a ledger in a file, with its tables."""
    ledger = ledger_at(f"sqlite:///{folder / name}")
    ledger.prepare()
    return ledger


def job(job_id: str, **more: Any) -> dict[str, Any]:
    """Return a row of jobs."""
    texts = dict.fromkeys(("name", "function", "trigger", "zone", "definition"), job_id)
    instants = dict.fromkeys(("registered_us", "changed_us", "watermark_us"), HOUR)
    return {"job_id": job_id, **texts, **instants, "on_crash": "rerun", "grace_us": None} | more


def fill(ledger: Ledger, number: int = 20) -> Ledger:
    """Write something into every table, of all that is hard to carry."""
    paused = {"paused_us": HOUR, "pause_note": HOSTILE, "call_data": "{}", "serial": 7}
    nothing = dict.fromkeys(paused)
    added = [job("Ä"), job("a"), job("B"), job("b\N{PILE OF POO}", **paused)]
    write(ledger, "scheduler_jobs", [{**nothing, **row} for row in added])
    write(ledger, "scheduler_runs", [run("a", at * HOUR) for at in range(1, number + 1)])
    missed: dict[str, Any] = {"state": "skipped", "reason": "outage", "tick_count": 6}
    at = 100_000 * HOUR
    write(ledger, "scheduler_runs", [run("a", at, last_tick_us=at + 5 * HOUR, **missed)])
    write(ledger, "scheduler_runs", [run("B", None, "failed", due_us=HOUR, error=HOSTILE, traceback=LONG)])
    attempt = {"state": "failed", "process_id": "x", "started_us": 1, "finished_us": 2, "error": HOSTILE}
    write(ledger, "scheduler_attempts", [{"run_id": 3, "attempt": at, **attempt} for at in (1, 2, 3)])
    write(ledger, "scheduler_logs", [{"run_id": 3, "attempt": at, "text": HOSTILE} for at in (1, 2, 3)])
    write(ledger, "scheduler_logs", [{"run_id": at, "attempt": 1, "text": LONG} for at in (4, 5)])
    with closing(ledger.connect()) as connection, transaction(connection):
        for note in (None, HOSTILE):
            requests.note_down(connection, "somebody", "pause", "b", None, note)
    times = {"first_us": 1, "last_us": 2, "mark_us": 3, "changed_us": 4, "over_us": None}
    write(ledger, "scheduler_incidents", [{"job_id": "a", "kind": "lost", "count": 2, "detail": "", **times}])
    for channel in ("b", "Ä", "a"):
        told = {"incident_id": 1, "channel": channel, "told_count": 1, "told_us": 5, "told_over_us": None}
        write(ledger, "scheduler_notices", [told])
        write(ledger, "scheduler_channels", [{"channel": channel, "since_us": 1, "tries": 0, "try_us": 0}])
    write(ledger, "scheduler_application", [{"number": 1, "name": "story-app", "since_us": 1}])
    write(ledger, "scheduler_schedule", [{"number": 1, "digest": "digest"}])
    write(ledger, "scheduler_sign_outs", [{"session": "digest", "at_us": 1}])
    past = {"process_id": "p", "role": None, "started_us": 1, "ended_us": 2, "has_died": 1}
    write(ledger, "scheduler_past_processes", [past])
    write(ledger, "scheduler_alerting", [{"number": 1, "since_us": 1, "seen_us": 2}])
    report = {"run_id": 3, "attempt": 1, "share": 4_000, "note": HOSTILE, "at_us": 1, "result": LONG}
    write(ledger, "scheduler_reports", [{**report, "is_json": 0}])
    rare = {"rate": 5, "note": HOSTILE, "why": None, "ended_us": 9}
    asked = {"job_id": "a", "asked_us": 1, "who": HOSTILE, "schedule_data": "{}", "from_us": 1, "until_us": 2}
    how_far = {"only_missed": 1, "tick_count": 2, "max_instances": 1, "upto_us": 1, "made": 1, "next_us": 3}
    write(ledger, "scheduler_backfills", [{**rare, **asked, **how_far, "state": "stopped"}])
    return ledger


def content(ledger: Ledger) -> dict[str, list[tuple[Any, ...]]]:
    """Return every row of every table, in an order of Python's, without what the move itself wrote."""
    with copying.reading(ledger) as connection:
        found = {
            table.name: sorted(map(tuple, connection.execute(table.select())), key=repr)
            for table in schema.metadata.sorted_tables
        }
    marks = (
        migration_fence.LEAVING,
        migration_fence.LEFT,
        migration_fence.UNDONE,
        migration_fence.ARRIVED,
        migration_fence.ARRIVING,
    )
    found["scheduler_audit"] = [row for row in found["scheduler_audit"] if row[3] not in marks]
    return found


def cleaned(found: dict[str, list[tuple[Any, ...]]]) -> dict[str, list[tuple[Any, ...]]]:
    """Return content as PostgreSQL keeps it."""
    return {
        table: sorted(
            (tuple(it.replace("\0", "␀") if isinstance(it, str) else it for it in row) for row in rows),
            key=repr,
        )
        for table, rows in found.items()
    }


def move(source: Ledger, target: Ledger) -> dict[str, copying.Measure]:
    """Move a ledger without showing how far it is."""
    return transfer.move(source, target, "somebody", lambda _share: None)


def newest_number(ledger: Ledger) -> int:
    """Ask for a run by hand; return its number."""
    with closing(ledger.connect()) as connection, transaction(connection):
        return requests.run_now(connection, "a", None)
