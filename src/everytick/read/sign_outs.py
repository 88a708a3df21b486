"""Which sessions of the dashboard somebody ended by signing out."""

from __future__ import annotations

from everytick.store import schema
from sqlalchemy import Connection, select

_session = schema.sign_outs.c.session


def is_signed_out(connection: Connection, session: str) -> bool:
    """Return whether a session was ended, by its digest."""
    return connection.execute(select(_session).where(_session == session)).first() is not None
