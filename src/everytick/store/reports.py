"""What attempts of runs say of themselves. Called inside of a transaction."""

from __future__ import annotations

from .connections import Connection
from .records import Claim, Report

INSERT_REPORT = """
INSERT INTO scheduler_reports (run_id, attempt, share, note, at_us, result, is_json)
VALUES (:run_id, :attempt, :share, :note, :at, :result, :is_json)
ON CONFLICT (run_id, attempt) DO UPDATE
SET share = excluded.share, note = excluded.note, at_us = excluded.at_us, result = excluded.result,
    is_json = excluded.is_json
"""


def keep(connection: Connection, held: Claim, report: Report) -> None:
    """Record how far an attempt is, or what its function returned, in the place of what it said before."""
    values = {"run_id": held.run_id, "attempt": held.attempt, **report._asdict()}
    connection.execute(INSERT_REPORT, {**values, "is_json": int(report.is_json)})
