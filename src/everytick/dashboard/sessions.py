"""The sessions that were ended by signing out, in whichever process that was.

A cookie holds by itself, so nothing is kept of a session until it is ended: then the ledger keeps its digest,
and every process that serves the dashboard asks for that.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict

from everytick.errors import LedgerError
from everytick.model import ticks
from everytick.read.sign_outs import is_signed_out
from everytick.store import migration_fence, sign_outs
from everytick.store.connections import UNAVAILABLE, CommitUnknown, Connection, Scope, in_transaction
from everytick.store.database import Ledger
from everytick.system import system
from fastapi.concurrency import run_in_threadpool

from .authentication import SESSION_SECONDS
from .problems import Problem
from .processes import reading

# How long an answer of the ledger holds, in seconds, and how many are kept.
_FRESH_SECONDS = 1.0
_MOST_KEPT = 1_000


class EndedSessions:
    """Knows which sessions were ended; used on the event loop only."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        # By digest: when the ledger last said that the session holds.
        self._held: OrderedDict[str, float] = OrderedDict()

    async def end(self, session: str) -> None:
        """End a session.

        Raises:
            Problem: the ledger takes nothing now; the session goes on.
        """
        digest = _digest(session)
        await run_in_threadpool(self._write, digest)
        self._held.pop(digest, None)

    async def has(self, session: str) -> bool:
        """Return whether a session was ended a second ago or before; False if the ledger does not say."""
        digest, now = _digest(session), system.monotonic()
        if now - self._held.get(digest, -_FRESH_SECONDS) < _FRESH_SECONDS:
            return False
        if await run_in_threadpool(self._is_ended, digest):
            return True
        self._held[digest] = now
        self._held.move_to_end(digest)
        while len(self._held) > _MOST_KEPT:
            self._held.popitem(last=False)
        return False

    def _is_ended(self, digest: str) -> bool:
        try:
            with reading(self._ledger) as connection:
                return is_signed_out(connection, digest)
        except Problem:
            # Without the ledger no page has anything to show, and no action does anything.
            return False

    def _write(self, digest: str) -> None:
        def note(connection: Connection) -> None:
            migration_fence.refuse_if_closed(connection)
            sign_outs.note(connection, digest, SESSION_SECONDS * ticks.SECOND)

        try:
            with self._ledger.writing() as connection:
                in_transaction(connection, note, scope=Scope.RARE)
        except (LedgerError, CommitUnknown, *UNAVAILABLE) as problem:
            raise Problem(503, f"the session could not be ended: {problem}") from None


def _digest(session: str) -> str:
    return hashlib.sha256(session.encode()).hexdigest()
