"""Who did what, and when: the audit trail in the order in which it was written, whatever a clock showed."""

from __future__ import annotations

from typing import Any

from everytick.store import schema
from everytick.store.database import Ledger
from everytick.store.querying import connect_checked
from everytick.text.instants import iso
from sqlalchemy import Connection, select

from .job_ids import check_job
from .paging import first_of
from .run_columns import without_secrets
from .schemas import Entry

_audit = schema.audit.c


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
    connection: Connection, limit: int, before: int | None = None, job_id: str | None = None
) -> tuple[list[Any], int | None]:
    """Return rows of the audit trail below the entry `before`, newest first, and from which entry to go on.

    By the primary key. People's actions are few beside the runs, and are removed with them.
    """
    query = select(*without_secrets(schema.audit)).order_by(_audit.audit_id.desc()).limit(limit + 1)
    if before is not None:
        query = query.where(_audit.audit_id < before)
    if job_id is not None:
        query = query.where(_audit.job_id == job_id)
    return first_of(connection.execute(query).all(), limit, lambda row: int(row.audit_id))


def last_added(connection: Connection, job_id: str) -> Any | None:
    """Return the newest row about a job that was added, or changed, while running; None if it was pruned."""
    query = (
        select(*without_secrets(schema.audit))
        .where(_audit.job_id == job_id, _audit.action.in_(("add", "change")))
        .order_by(_audit.audit_id.desc())
        .limit(1)
    )
    return connection.execute(query).first()


def requests_about(connection: Connection, run_id: int) -> list[Any]:
    """Return the rows of what people and programs asked for about a run, oldest first."""
    query = select(*without_secrets(schema.audit)).where(_audit.run_id == run_id).order_by(_audit.audit_id)
    return list(connection.execute(query))


def newest_request(
    connection: Connection, job_id: str, action: str, run_id: int | None = None, until: int | None = None
) -> Any:
    """Return the newest row about a job with this action; None if there is none.

    run_id: only about this run. until: only what was asked for by then, in microseconds UTC.
    """
    query = select(*without_secrets(schema.audit)).where(_audit.job_id == job_id, _audit.action == action)
    if run_id is not None:
        query = query.where(_audit.run_id == run_id)
    if until is not None:
        query = query.where(_audit.at_us <= until)
    return connection.execute(query.order_by(_audit.audit_id.desc()).limit(1)).first()


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
