"""The owner of a ledger: the application that used it first. Called inside of a transaction.

Two applications that share a ledger would take each other's jobs for removed ones.
"""

from __future__ import annotations

from everytick.app import typed
from everytick.errors import LedgerError
from everytick.model import ticks
from everytick.text.wording import counted

from . import requests
from .connections import Connection

_READ = "SELECT name FROM scheduler_application"
_JOBS = "SELECT count(*) FROM scheduler_jobs WHERE removed_us IS NULL"
_ENTER = "INSERT INTO scheduler_application (number, name, since_us) VALUES (1, :name, :now)"
_RENAME = "UPDATE scheduler_application SET name = :name, since_us = :now"


def read(connection: Connection) -> str | None:
    """Return the name of the application whose ledger it is; None if no application has used it yet."""
    row = connection.execute(_READ).fetchone()
    return None if row is None else str(row[0])


def claim(connection: Connection, name: str | None) -> None:
    """See to it that the ledger is the application's of that name; None: one without a name takes any.

    Raises:
        LedgerError: it is another's.
    """
    refuse_another(connection, name)
    if name is not None and read(connection) is None:
        connection.execute(_ENTER, {"name": name, "now": ticks.now()})


def refuse_another(connection: Connection, name: str | None) -> None:
    """Raise LedgerError if the ledger is another application's."""
    if refusal := why_not_ours(connection, name):
        raise LedgerError(refusal)


def why_not_ours(connection: Connection, name: str | None) -> str | None:
    """Return the sentence that names the owner; None if that is this application, or there is none yet."""
    there = read(connection)
    if name is None or there in (None, name):
        return None
    number = connection.execute(_JOBS).fetchone()[0]
    return (
        f"the ledger is that of the application {there}, with {counted(number, 'job')}, and this one is"
        f" {name}:"
        " set SCHEDULER_DATABASE_URL to a database, a schema or a file of its own;"
        f" if the application was renamed: `{typed('migrate --adopt')}`"
    )


def adopt(connection: Connection, name: str | None, who: str) -> str | None:
    """Make the ledger this application's; return whose it was before, None if there is nothing to do."""
    there = read(connection)
    if name is None or there == name:
        return None
    if there is None:
        connection.execute(_ENTER, {"name": name, "now": ticks.now()})
        return None
    connection.execute(_RENAME, {"name": name, "now": ticks.now()})
    requests.note_down(connection, who, "adopt", note=f"from {there} to {name}")
    return there
