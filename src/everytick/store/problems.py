"""The problems that the ledger records: their kinds, and the words for each."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import tzinfo
from typing import Any

from everytick.model import ticks
from everytick.text.instants import at

from .workers import MOST_CRASHES

_KIND_OF_STATE = {"failed": "failed", "timed_out": "failed", "lost": "lost", "interrupted": "lost"}
_WHY_SKIPPED = {
    "missed": "it could not start within its grace time",
    "outage": "nothing was up to run it",
    "overlap": "an earlier run was not over yet",
}


_NUMBERS = (
    *("run_id", "tick_us", "last_tick_us", "tick_count"),
    *("attempt", "crashes", "finished_us", "rerun_until_us"),
)


@dataclass(frozen=True)
class Problem:
    """One piece of bad news about a run, or about ticks that were skipped. Instants are microseconds UTC.

    count: how many runs or ticks it stands for.
    at: when it was found.
    mark: the tick (of several, the last one); of a run without a tick, `at`.
    """

    job_id: str
    kind: str
    count: int
    at: int
    run_id: int | None
    attempt: int
    mark: int
    detail: str


def of_run(row: dict[str, Any], now: int, zone: tzinfo) -> Problem:
    """Return the problem that a row of the ledger's runs is; its words have times in the zone.

    A row that cannot be read, since a file takes anything in any column, is a problem too.
    """
    if any(type(row[name]) not in (int, type(None)) for name in _NUMBERS):
        kind = _KIND_OF_STATE.get(row["state"], "missed")
        at, detail = ticks.now(), f"run {row['run_id']}: its row in the ledger cannot be read"
        return Problem(str(row["job_id"]), kind, 1, at, row["run_id"], row["attempt"], at, detail)
    kind = _KIND_OF_STATE.get(row["state"]) or ("overlap" if row["reason"] == "overlap" else "missed")
    last = row["tick_us"] if row["last_tick_us"] is None else row["last_tick_us"]
    return Problem(
        job_id=row["job_id"],
        kind=kind,
        # The number of a long gap may be counted later on.
        count=1 if row["last_tick_us"] is None else row["tick_count"] or 1,
        at=row["finished_us"],
        run_id=row["run_id"],
        attempt=row["attempt"],
        mark=row["finished_us"] if last is None else last,
        detail=_detail(row, now, zone),
    )


def of_late(job_id: str, due: int, zone: tzinfo) -> Problem:
    """Return the problem that a tick is which is due since `due`, and did not begin."""
    detail = f"due at {at(due, zone)} and not begun"
    return Problem(job_id, "late", 1, ticks.now(), None, 0, due, detail)


def _detail(row: dict[str, Any], now: int, zone: tzinfo) -> str:
    if row["state"] == "skipped":
        return f"{_which(row, zone)}: {_WHY_SKIPPED[row['reason']]}"
    error = row["error"] or row["state"].replace("_", " ")
    # First the parts that are sure to be short: the end of a long line is cut.
    attempt = f", attempt {row['attempt']}" if row["attempt"] > 1 else ""
    detail = f"run {row['run_id']}, {_which(row, zone)}{attempt}: {error}"
    if row["state"] == "lost" and row["again"]:
        detail += "; it began again"
    elif row["state"] == "lost" and (row["rerun_until_us"] or 0) >= now:
        detail += "; it is to begin again"
    elif row["state"] == "lost" and row["crashes"] >= MOST_CRASHES:
        detail += f"; given up after {row['crashes'] + 1} attempts that were cut off"
    return detail


def _which(row: dict[str, Any], zone: tzinfo) -> str:
    if row["tick_us"] is None:
        return str(row["kind"])
    if row["last_tick_us"] is None:
        return f"tick {at(row['tick_us'], zone)}"
    number = "several" if row["tick_count"] is None else row["tick_count"]
    return f"{number} ticks from {at(row['tick_us'], zone)} to {at(row['last_tick_us'], zone)}"
