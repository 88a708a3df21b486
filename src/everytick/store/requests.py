"""Requests about runs, and who made them. Each function is called inside of a transaction."""

from __future__ import annotations

from everytick.masking import masked
from everytick.model import ticks
from everytick.text.wording import storable

from . import job_statements as job_sql
from . import notifications
from . import statements as sql
from .connections import Connection
from .records import Identity

# States from which a run may begin one more attempt.
ENDED = ("failed", "timed_out", "cancelled", "interrupted", "lost")


def run_now(connection: Connection, job_id: str, for_tick: int | None) -> int:
    """Queue a run that a person asked for, for any process that serves its queue; return its number."""
    connection.execute(job_sql.SHOW_EXHAUSTED_JOB, {"job_id": job_id})
    values = {"job_id": job_id, "for_tick": for_tick, "now": ticks.now()}
    return int(connection.execute(sql.INSERT_MANUAL, values).fetchone()[0])


def retry(connection: Connection, run_id: int) -> bool:
    """Give a run that ended one more attempt; False if it is in no state for that."""
    state = read(connection, run_id)
    if state is None or state[1] not in ENDED:
        return False
    connection.execute(job_sql.SHOW_EXHAUSTED_JOB, {"job_id": state[0]})
    values = {"run_id": run_id, "now": ticks.now()}
    connection.execute(sql.ARCHIVE_ATTEMPT, values)
    return connection.execute(sql.RETRY_ENDED, values).rowcount == 1


def cancel(connection: Connection, run_id: int, error: str) -> str:
    """Cancel a run that waits, or ask the process that holds it to end it.

    Where it waits for a retry that is cancelled: the run is again as its last attempt ended.

    Returns `cancelled`, `asked`, or `over` if there is nothing to cancel.
    """
    now = ticks.now()
    if _restore(connection, run_id, asked=now):
        return "cancelled"
    values = {"run_id": run_id, "now": now, "error": storable(masked(error))}
    if connection.execute(sql.CANCEL_RUN, values).rowcount == 1:
        return "cancelled"
    return "asked" if connection.execute(sql.ASK_TO_CANCEL, values).rowcount == 1 else "over"


def cancel_waiting(connection: Connection, job_ids: list[str], now: int) -> None:
    """Cancel the runs of removed jobs that wait; one that a person had tried again is again as it ended."""
    rows = [(job_id,) for job_id in job_ids]
    for (run_id,) in sorted(sql.LIST_TRIED_AGAIN.execute(connection, rows)):
        _restore(connection, run_id, asked=None)
    sql.CANCEL_WAITING.execute(connection, rows, now=now)


def supersede(connection: Connection, job_id: str, start_number: int, now: int) -> None:
    """End the startup runs of earlier starts that wait; one that had begun once is again as it ended then."""
    values = {"job_id": job_id, "start_number": start_number}
    for (run_id,) in connection.execute(sql.LIST_SUPERSEDED, values).fetchall():
        _restore(connection, run_id, asked=None)
    connection.execute(sql.SUPERSEDE_STARTUP, {**values, "now": now})


def _restore(connection: Connection, run_id: int, asked: int | None) -> bool:
    """Take back a retry that has not begun; False if the run waits for none.

    `asked`: when a person asked for that; None if nobody did.
    """
    values = {"run_id": run_id, "asked": asked}
    if connection.execute(sql.RESTORE_ENDED, values).rowcount != 1:
        return False
    connection.execute(sql.FORGET_RESTORED, values)
    return True


def read(connection: Connection, run_id: int) -> tuple[str, str] | None:
    """Return a run's job and state, which nobody else changes until this transaction has ended."""
    row = connection.execute(sql.READ_RUN_TO_CHANGE, {"run_id": run_id}).fetchone()
    return None if row is None else (str(row[0]), str(row[1]))


def to_cancel(connection: Connection, me: Identity) -> dict[int, int | None]:
    """Return the runs of this process that are asked to end, each with the tick that is to replace it.

    None where a person asked for it.
    """
    rows = connection.execute(sql.LIST_TO_CANCEL, {"process_id": me.process_id}).fetchall()
    # A file takes any type in any column.
    return {int(run_id): tick if type(tick) is int else None for run_id, tick in rows}


# How the note begins of a job that code adds at each start; behind it stands where that code is.
AT_EACH_START = "at each start: "


def note_down(
    connection: Connection,
    who: str,
    action: str,
    job_id: str | None = None,
    run_id: int | None = None,
    note: str | None = None,
) -> None:
    """Write down who did what, when; the processes that this concerns look at once."""
    values = {"now": ticks.now(), "who": storable(masked(who)), "action": action}
    note = None if note is None else storable(masked(note))
    connection.execute(sql.INSERT_AUDIT, {**values, "job_id": job_id, "run_id": run_id, "note": note})
    notifications.tell(connection)
