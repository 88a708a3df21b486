"""Which sessions of the dashboard somebody ended by signing out."""

from __future__ import annotations

from everytick.store.querying import Reader


def is_signed_out(connection: Reader, session: str) -> bool:
    """Return whether a session was ended, by its digest."""
    query = "SELECT session FROM scheduler_sign_outs WHERE session = :session"
    return connection.first(query, {"session": session}) is not None
