"""The backfills, and how far each is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from everytick.errors import NotFoundError
from everytick.model import ticks
from everytick.store import backfills
from everytick.store.database import Ledger
from everytick.store.querying import Condition, Reader, connect_checked
from everytick.store.records import is_paused
from everytick.text.instants import iso
from everytick.text.wording import no_backfill

from .job_ids import check_job
from .processes import read_processes, reports
from .run_columns import STATE_NOW

if TYPE_CHECKING:
    from .schemas import Backfill

# Few rows, which are removed with the runs.
_NEWEST_FIRST = """
SELECT backfill_id, backfills.job_id AS job_id, state, why, from_us, until_us, only_missed, rate,
       max_instances, tick_count, made, asked_us, ended_us, who, note, paused_us, paused_until_us,
       disabled_by
FROM scheduler_backfills AS backfills LEFT JOIN scheduler_jobs AS jobs ON jobs.job_id = backfills.job_id
WHERE {} ORDER BY backfill_id DESC LIMIT :limit
"""
_ALL = 1_000_000
# A process looks about once a second whether it may make a run.
_STILL = 60 * ticks.SECOND
# By scheduler_runs_for_tick, as the next one.
_LAST_END = """
SELECT max(finished_us) FROM scheduler_runs
WHERE job_id = :job_id AND for_tick_us IS NOT NULL AND backfill_id = :number
"""
_BY_STATE = f"""
SELECT {STATE_NOW} AS state_now, count(*) AS number FROM scheduler_runs
WHERE job_id = :job_id AND for_tick_us >= :begin AND for_tick_us <= :until AND backfill_id = :backfill_id
GROUP BY state_now
"""


def backfill_rows(ledger: Ledger, limit: int, job_id: str | None = None) -> list[Backfill]:
    """Return the backfills, newest first; times are ISO 8601 in UTC.

    Raises:
        NotFoundError: the ledger never heard of the job.
        LedgerError: the ledger cannot be read.
    """
    if not ledger.exists():
        return []
    with connect_checked(ledger) as connection:
        return list_backfills(connection, limit, job_id)


def running_backfills(ledger: Ledger, job_id: str | None = None) -> list[Backfill]:
    """Return the backfills that go on, the oldest first; raise LedgerError as `backfill_rows` does."""
    if not ledger.exists():
        return []
    wanted = Condition("state = 'running'")
    if job_id is not None:
        wanted &= Condition("backfills.job_id = :job_id", {"job_id": job_id})
    with connect_checked(ledger) as connection:
        return _list(connection, wanted, _ALL)[::-1]


def unfinished_backfills(ledger: Ledger) -> list[backfills.Unfinished]:
    """Return the backfills that go on, the oldest first; raise LedgerError as `backfill_rows` does.

    Those are left out whose ticks cannot be computed here.
    """
    if not ledger.exists():
        return []
    with connect_checked(ledger) as connection:
        plain = connection.plain
        found = [backfills.unfinished(plain, one) for one in backfills.running(plain)]
    return [one for one in found if one is not None]


def backfill_row(ledger: Ledger, backfill_id: int) -> Backfill:
    """Return one; raise NotFoundError if there is none, or LedgerError as `backfill_rows` does."""
    with connect_checked(ledger) as connection:
        return read_backfill(connection, backfill_id)


def list_backfills(connection: Reader, limit: int, job_id: str | None = None) -> list[Backfill]:
    """Return the same as `backfill_rows`."""
    wanted = Condition()
    if job_id is not None:
        wanted &= Condition("backfills.job_id = :job_id", {"job_id": job_id})
    found = _list(connection, wanted, limit)
    if not found and job_id is not None:
        check_job(connection, job_id)
    return found


def read_backfill(connection: Reader, backfill_id: int) -> Backfill:
    """Return the same as `backfill_row`."""
    only = {"backfill_id": backfill_id, "limit": 1}
    row = connection.first(_NEWEST_FIRST.format("backfill_id = :backfill_id"), only)
    if row is None:
        raise NotFoundError(no_backfill(backfill_id))
    return _shown(connection, row, _reports(connection, [row]))


def obstacle(row: Backfill) -> str:
    """Return why none of its runs begins: its job `is paused`, `is disabled` or `cannot run`; else ""."""
    if row["waits_for_resume"]:
        return "is paused" if row["disabled_by"] is None else "is disabled"
    return "" if row["cannot_run"] is None else "cannot run"


def waits(row: Backfill) -> str:
    """Return what a backfill that goes on waits for, to stand behind its number; empty for nothing."""
    why, job = obstacle(row), f"the job {row['job_id']}"
    if why == "cannot run":
        return f"waits: {job} cannot run: {row['cannot_run']}"
    return why and f"waits until {job} is {'resumed' if why == 'is paused' else 'enabled'}"


def standing_still(connection: Reader, now: int) -> dict[int, int]:
    """Return by number the backfills that make no runs and could, although a process is up, and for how long.

    Instants and lengths are microseconds.
    """
    if not any(process.is_up and process.role.claims for process in read_processes(connection, now)):
        return {}
    found = {}
    for one in backfills.running(connection.plain):
        if one.is_ready(connection.plain):
            ended = connection.value(_LAST_END, {"job_id": one.job_id, "number": one.number})
            since = max(one.next or 0, ended or 0)
            if since < now - _STILL:
                found[one.number] = now - since
    return found


def _list(connection: Reader, wanted: Condition, limit: int) -> list[Backfill]:
    rows = connection.rows(_NEWEST_FIRST.format(wanted.text), {**wanted.values, "limit": limit})
    told = _reports(connection, rows)
    return [_shown(connection, row, told) for row in rows]


def _reports(connection: Reader, rows: Sequence[Any]) -> Mapping[str, str]:
    """Return why jobs cannot run, as far as some of these backfills may be held up by that."""
    return reports(connection) if any(row.state == "running" for row in rows) else {}


def _shown(connection: Reader, row: Any, told: Mapping[str, str]) -> Backfill:
    values = {
        "job_id": row.job_id,
        "begin": row.from_us,
        "until": row.until_us,
        "backfill_id": row.backfill_id,
    }
    goes_on = row.state == "running"
    is_held = goes_on and is_paused(row.paused_us, row.paused_until_us, ticks.now())
    return {
        "backfill_id": row.backfill_id,
        "job_id": row.job_id,
        "state": row.state,
        "why": row.why,
        "waits_for_resume": is_held,
        "disabled_by": row.disabled_by if is_held else None,
        "cannot_run": told.get(row.job_id) if goes_on else None,
        "from": iso(row.from_us),
        "to": iso(row.until_us),
        "only_missed": bool(row.only_missed),
        "rate": row.rate,
        "max_instances": row.max_instances,
        "ticks": row.tick_count,
        "made": row.made,
        "runs": {one.state_now: one.number for one in connection.rows(_BY_STATE, values)},
        "asked_at": iso(row.asked_us),
        "asked_by": row.who,
        "note": row.note,
        "ended_at": iso(row.ended_us),
    }
