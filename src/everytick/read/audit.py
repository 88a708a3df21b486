"""Who did what, and when: the audit trail in the order in which it was written, whatever a clock showed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from everytick.store.database import Ledger
from everytick.store.querying import Condition, Reader, connect_checked
from everytick.text.instants import iso

from .job_ids import check_job
from .paging import first_of

if TYPE_CHECKING:
    from .schemas import Entry

# By the primary key. People's actions are few beside the runs, and are removed with them.
_NEWEST_FIRST = """
SELECT audit_id, at_us, who, action, job_id, run_id, note FROM scheduler_audit
WHERE {} ORDER BY audit_id DESC LIMIT :limit
"""
_ABOUT_RUN = """
SELECT audit_id, at_us, who, action, job_id, run_id, note FROM scheduler_audit
WHERE run_id = :run_id ORDER BY audit_id
"""


def audit_rows(ledger: Ledger, limit: int, job_id: str | None = None) -> list[Entry]:
    """Return what people and programs asked for, newest first; times are ISO 8601 in UTC.

    Raises:
        NotFoundError: the ledger never heard of the job.
        LedgerError: the ledger cannot be read.
    """
    if not ledger.exists():
        return []
    with connect_checked(ledger) as connection:
        found, _more = audit_entries(connection, limit, job_id=job_id)
        if not found and job_id is not None:
            check_job(connection, job_id)
    return [audit_row(row) for row in found]


def audit_entries(
    connection: Reader, limit: int, before: int | None = None, job_id: str | None = None
) -> tuple[list[Any], int | None]:
    """Return rows of the audit trail before the entry `before`, newest first, and where to go on."""
    wanted = Condition()
    if before is not None:
        wanted &= Condition("audit_id < :before", {"before": before})
    if job_id is not None:
        wanted &= Condition("job_id = :job_id", {"job_id": job_id})
    return first_of(_newest(connection, wanted, limit + 1), limit, lambda row: int(row.audit_id))


def last_added(connection: Reader, job_id: str) -> Any | None:
    """Return the newest row about a job that was added, or changed, while running; None if it was pruned."""
    added = Condition("job_id = :job_id AND action IN ('add', 'change')", {"job_id": job_id})
    return next(iter(_newest(connection, added, 1)), None)


def who_added(connection: Reader, job_id: str) -> tuple[Any | None, Any | None]:
    """Return the row about a job's last addition and that about its newest change since; None for no row."""
    added, changed = (newest_request(connection, job_id, action) for action in ("add", "change"))
    is_later = changed is not None and (added is None or changed.audit_id > added.audit_id)
    return added, changed if is_later else None


def requests_about(connection: Reader, run_id: int) -> list[Any]:
    """Return the rows of what people and programs asked for about a run, oldest first."""
    return connection.rows(_ABOUT_RUN, {"run_id": run_id})


def newest_request(
    connection: Reader, job_id: str, action: str, run_id: int | None = None, until: int | None = None
) -> Any:
    """Return the newest row about a job with this action; None if there is none.

    run_id: only about this run. until: only what was asked for by then, in microseconds UTC.
    """
    asked = Condition("job_id = :job_id AND action = :action", {"job_id": job_id, "action": action})
    if run_id is not None:
        asked &= Condition("run_id = :run_id", {"run_id": run_id})
    if until is not None:
        asked &= Condition("at_us <= :until", {"until": until})
    return next(iter(_newest(connection, asked, 1)), None)


def _newest(connection: Reader, wanted: Condition, limit: int) -> list[Any]:
    return connection.rows(_NEWEST_FIRST.format(wanted.text), {**wanted.values, "limit": limit})


def audit_row(row: Any) -> Entry:
    """Return a row of the audit trail as it is shown."""
    return {
        "audit_id": row.audit_id,
        "at": iso(row.at_us),
        "who": row.who,
        "action": row.action,
        "job_id": row.job_id,
        "run_id": row.run_id,
        "note": row.note,
    }
