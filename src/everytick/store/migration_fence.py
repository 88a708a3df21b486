"""The migration fence: closes a ledger that was moved away, or whose copy is not complete yet.

It is a row of the audit trail. Only the newest row counts: while that closes the ledger, only the migration
itself adds another one.
"""

from __future__ import annotations

from typing import NamedTuple

from everytick.app import typed
from everytick.errors import LedgerError

from .connections import Connection

# Marks in the ledger that is moved: the move began, it ended, it was taken back.
LEAVING = "move begun"
LEFT = "moved away"
UNDONE = "move undone"
# Marks in the ledger that is written: not complete yet, complete.
ARRIVING = "moving here"
ARRIVED = "moved here"

_WHY_CLOSED = {
    LEAVING: (
        "the ledger is being moved {note}: run `{again}` again to go on with that, or give it up with"
        " `{back}`"
    ),
    LEFT: (
        "the ledger was moved {note}: set SCHEDULER_DATABASE_URL to where it is now; to take this one back in"
        " spite of that: `{back}`"
    ),
    ARRIVING: (
        "this ledger is not complete, it is being moved {note}: run `{again}` again where that was begun"
    ),
}

_NEWEST = "SELECT audit_id, at_us, who, action, note FROM scheduler_audit ORDER BY audit_id DESC LIMIT 1"


class Mark(NamedTuple):
    """The newest row of an audit trail. Of a mark, the note says from where to where the ledger is moved."""

    audit_id: int
    at: int
    who: str
    action: str
    note: str | None

    @property
    def closed(self) -> str | None:
        """The sentence that says why the ledger is not to be used; None if it is."""
        why = _WHY_CLOSED.get(self.action)
        if why is None:
            return None
        again, back = typed("migrate-ledger --to URL"), typed("migrate-ledger --undo")
        return why.format(note=self.note, again=again, back=back)


def newest(connection: Connection) -> Mark | None:
    """Return the newest row of the audit trail."""
    row = connection.execute(_NEWEST).fetchone()
    return None if row is None else Mark(*row)


def why_closed(connection: Connection) -> str | None:
    """Return the sentence that says why the ledger is not to be used, None if it is."""
    mark = newest(connection)
    return None if mark is None else mark.closed


def refuse_if_closed(connection: Connection) -> None:
    """Raise LedgerError if the ledger was moved away, or is not complete. Inside of a transaction."""
    if closed := why_closed(connection):
        raise LedgerError(closed)
