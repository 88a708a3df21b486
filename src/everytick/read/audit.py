"""Who did what, and when."""

from __future__ import annotations

from typing import Any

from everytick.store import schema
from everytick.store.database import Ledger
from everytick.store.querying import connect
from everytick.text.instants import iso
from sqlalchemy import Connection, select

from .job_ids import check_job
from .schemas import Entry


def audit_rows(ledger: Ledger, limit: int, job_id: str | None = None) -> list[Entry]:
    """Return what people and programs asked for, newest first; times are ISO 8601 in UTC.

    Raises:
        ConfigurationError: the ledger never heard of the job.
        LedgerError: the ledger cannot be read.
    """
    if not ledger.exists():
        return []
    ledger.check_readable()
    audit = schema.audit.c
    # By the index on at_us.
    query = select(schema.audit).order_by(audit.at_us.desc(), audit.audit_id.desc()).limit(limit)
    if job_id is not None:
        query = query.where(audit.job_id == job_id)
    with connect(ledger) as connection:
        found = [audit_row(row) for row in connection.execute(query)]
        if not found and job_id is not None:
            check_job(connection, job_id)
    return found


def requests_about(connection: Connection, run_id: int) -> list[Any]:
    """Return the rows of what people and programs asked for about a run, oldest first."""
    audit = schema.audit.c
    # By no index: what people did is little beside what ran, and removed with it.
    query = select(schema.audit).where(audit.run_id == run_id).order_by(audit.audit_id)
    return list(connection.execute(query))


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
