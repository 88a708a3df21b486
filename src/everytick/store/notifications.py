"""How processes tell each other on a server that there is something to look for.

A notification says no more than that: the rest stands in the ledger. Requests of people are told of in their
own transaction. Claims and outcomes are told of after theirs, by the writer, since notifications make commits
wait for each other.

The server keeps notifications until all who listen have taken them. Each role that may connect to one of its
databases can fill that room, by many of them and a session that listens and takes none; then each transaction
with a notification fails. So it is tried again without, and for a while none is sent.
"""

from __future__ import annotations

import math
from contextlib import suppress

from everytick.system import system
from everytick.text.durations import duration_of_seconds
from loguru import logger

from .connections import Connection, Unheard, is_on_server

# How long none is sent after the server had no room for one, in seconds of the monotonic clock.
_LEFT_OUT_SECONDS = 60.0
_left_out_until = -math.inf

# All processes of a database listen to it; the payload is the schema of the ledger.
CHANNEL = "scheduler_work"
_TELL = f"SELECT pg_notify('{CHANNEL}', current_schema()::text)"


def own_channel(process_id: str) -> str:
    """Return the channel to which one process alone listens."""
    return f"scheduler_{process_id}"


def tell(connection: Connection) -> None:
    """Let the other processes look. Inside of a transaction: when it is committed."""
    _send(connection, _TELL)


def probe(connection: Connection, process_id: str) -> None:
    """Tell a process something, for it to find out whether it hears that."""
    _send(connection, f"SELECT pg_notify('{own_channel(process_id)}', '')")


def are_left_out() -> bool:
    """Return whether the server had no room for one lately, so that this process sends none."""
    return system.monotonic() < _left_out_until


def leave_out() -> None:
    """Send none for a while: the server has no room for them."""
    global _left_out_until
    if not are_left_out():
        logger.warning(
            "the server's queue of notifications is full, by a session of any of its databases that listens"
            " and stays in a transaction: this process sends none for {}, and looks each second",
            duration_of_seconds(_LEFT_OUT_SECONDS),
        )
    _left_out_until = system.monotonic() + _LEFT_OUT_SECONDS


def _send(connection: Connection, statement: str) -> None:
    if not is_on_server(connection) or are_left_out():
        return
    # Outside of a transaction. In one the COMMIT fails, and `in_transaction` tries all of it again.
    with suppress(Unheard):
        connection.execute(statement)
