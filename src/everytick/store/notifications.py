"""How processes tell each other on a server that there is something to look for.

A notification says no more than that: the rest stands in the ledger. Requests of people are told of in their
own transaction. Claims and outcomes are told of after theirs, by the writer, since notifications make commits
wait for each other.
"""

from __future__ import annotations

from .connections import Connection, is_on_server

# All processes of a database listen to it; the payload is the schema of the ledger.
CHANNEL = "scheduler_work"
_TELL = f"SELECT pg_notify('{CHANNEL}', current_schema()::text)"


def own_channel(process_id: str) -> str:
    """Return the channel to which one process alone listens."""
    return f"scheduler_{process_id}"


def tell(connection: Connection) -> None:
    """Let the other processes look. Inside of a transaction: when it is committed."""
    if is_on_server(connection):
        connection.execute(_TELL)


def probe(connection: Connection, process_id: str) -> None:
    """Tell a process something, for it to find out whether it hears that."""
    if is_on_server(connection):
        connection.execute(f"SELECT pg_notify('{own_channel(process_id)}', '')")
