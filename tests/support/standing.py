"""How a schedule stands, written into its ledger: processes that are up, and runs in any state."""

from __future__ import annotations

from typing import Any

from everytick.model import ticks
from everytick.store.database import Ledger

from ledgers import change

SECOND, HOUR = ticks.SECOND, 3_600 * ticks.SECOND
ADD_RUN = (
    "INSERT INTO scheduler_runs (job_id, kind, tick_us, state, reason, attempt, crashes, due_us, started_us,"
    " finished_us, error, process_id) VALUES (?, ?, ?, ?, ?, 1, 0, ?, ?, ?, ?, ?)"
)


def beats(ledger: Ledger, beat: int = 0) -> None:
    """Let a process of another machine have sent a heartbeat so many microseconds ago."""
    now = ticks.now()
    change(ledger, "DELETE FROM scheduler_processes")
    change(ledger, "DELETE FROM scheduler_past_processes")
    change(
        ledger,
        "INSERT INTO scheduler_processes (process_id, host, pid, started_us, beat, beat_us, start_number,"
        " pass_us) VALUES ('p', 'shop/x/y', 4711, ?, 1, ?, 1, ?)",
        *(now - HOUR, now - beat, now - beat),
    )


def run(ledger: Ledger, job_id: str, state: str, ago: int, **columns: Any) -> None:
    """Write a run that was due so many microseconds ago, and took a second if it is over."""
    begun = ticks.now() - ago
    over = state not in ("running", "claimed", "queued", "retrying")
    values = {
        "tick": begun,
        "reason": None,
        "started": begun,
        "finished": begun + SECOND if over else None,
        "error": "ValueError: no such customer" if state == "failed" else None,
        "process": None if state == "queued" else "p",
        **columns,
    }
    kind = "manual" if values["tick"] is None else "scheduled"
    change(
        ledger,
        ADD_RUN,
        *(job_id, kind, values["tick"], state, values["reason"], begun, values["started"]),
        *(values["finished"], values["error"], values["process"]),
    )
