"""The sessions of the dashboard that somebody ended by signing out, for every process that serves it."""

from __future__ import annotations

from everytick.model import ticks

from .connections import Connection

_NOTE = """
INSERT INTO scheduler_sign_outs (session, at_us) VALUES (:session, :now) ON CONFLICT (session) DO NOTHING
"""
_FORGET = "DELETE FROM scheduler_sign_outs WHERE at_us < :before"


def note(connection: Connection, session: str, longest: int) -> None:
    """Write down that a session was ended, by its digest; forget those that are over by themselves.

    `longest`: how long a session lasts, in microseconds.
    """
    now = ticks.now()
    connection.execute(_FORGET, {"before": now - longest})
    connection.execute(_NOTE, {"session": session, "now": now})
