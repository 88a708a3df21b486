"""Tells open pages that the ledger changed, so that they fetch themselves anew.

One task looks, at most once a second, less often while pages take long, and only while one is open: it asks
SQLite whether another connection has committed anything, which reads no table.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

from everytick.errors import LedgerError
from everytick.store.connections import UNAVAILABLE, Connection
from everytick.store.database import Ledger
from everytick.system import system
from fastapi import APIRouter, Request
from fastapi.responses import Response, StreamingResponse

from .answers import Answers
from .guard import Guard
from .sessions import EndedSessions

LOOK_SECONDS = 1.0
# How many listeners are told of a change at once, and how long after them the next ones.
_TOLD_AT_ONCE, _GAP_SECONDS = 4, 0.025
_STILL_HERE_SECONDS = 15.0

router = APIRouter(include_in_schema=False)


class Live:
    """The listeners, `most` of them at once, and the one who looks for them.

    `seconds`: how long each may listen before it has to come again; None for ever.
    """

    def __init__(self, ledger: Ledger, answers: Answers, most: int, seconds: float | None = None) -> None:
        self._ledger, self._answers, self._most = ledger, answers, most
        self._seconds = seconds
        self._listeners: set[asyncio.Event] = set()
        self._looking: asyncio.Task[None] | None = None
        self._closed = False
        # How often it looked, for those who want to know whether it rests.
        self.looks = 0

    @property
    def full(self) -> bool:
        """Whether the greatest number of listeners is reached."""
        return self._closed or len(self._listeners) >= self._most

    async def changes(self) -> AsyncGenerator[bytes, None]:
        """Yield an event for each change, and a comment when there is none for long."""
        changed = asyncio.Event()
        self._listeners.add(changed)
        # One that was cancelled a moment ago is not done yet, but looks no more.
        if self._looking is None or self._looking.done() or self._looking.cancelling():
            self._looking = asyncio.get_running_loop().create_task(self._look())
        try:
            again = 3_000 if self._seconds is None else 50
            yield b"retry: %d\nevent: here\ndata: 1\n\n" % again
            ends = None if self._seconds is None else system.monotonic() + self._seconds
            while not self._closed and (ends is None or system.monotonic() < ends):
                try:
                    await asyncio.wait_for(changed.wait(), self._seconds or _STILL_HERE_SECONDS)
                except TimeoutError:
                    yield b": still here\n\n"
                    continue
                changed.clear()
                if not self._closed:
                    yield b"event: ledger\ndata: 1\n\n"
        finally:
            self._listeners.discard(changed)
            if not self._listeners and self._looking is not None:
                self._looking.cancel()

    def close(self) -> None:
        """Let all streams end."""
        self._closed = True
        for changed in self._listeners:
            changed.set()

    async def _tell(self) -> None:
        """Tell all listeners, a few at a time: each asks for its page at once, and jobs need gaps."""
        listeners = list(self._listeners)
        for begin in range(0, len(listeners), _TOLD_AT_ONCE):
            if begin:
                await asyncio.sleep(_GAP_SECONDS)
            for changed in listeners[begin : begin + _TOLD_AT_ONCE]:
                changed.set()

    async def _look(self) -> None:
        watch, asked, first = _Watch(self._ledger), None, self.looks + 1
        try:
            while True:
                self.looks += 1
                asked = asyncio.ensure_future(system.in_thread(watch.changed))
                has_changed = await asyncio.shield(asked)
                # After the first look all later changes are seen.
                if has_changed or self.looks == first:
                    self._answers.renew(keeps=True)
                if has_changed:
                    await self._tell()
                await asyncio.sleep(LOOK_SECONDS)
                await self._answers.rest()
        finally:
            self._answers.renew(keeps=False)
            # A thread goes on after a cancellation, and needs the connection.
            if asked is not None and not asked.done():
                await asyncio.wait([asked])
            watch.close()


class _Watch:
    """One connection that is asked whether others wrote."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._connection: Connection | None = None
        self._of: tuple[int, int] | None = None
        self._seen: object = None

    def changed(self) -> bool:
        """Return whether anything is other than it was when this was asked last."""
        before, self._seen = self._seen, self._state()
        return before is not None and before != self._seen

    def _state(self) -> object:
        identity = self._ledger.file_identity()
        try:
            if self._connection is None or self._of != identity:
                # The first time, or the file was replaced.
                self.close()
                if identity is None:
                    return "away"
                self._connection, self._of = self._ledger.connect(read_only=True), identity
            return identity, self._ledger.change_mark(self._connection)
        except (*UNAVAILABLE, LedgerError):
            self.close()
            return "away"

    def close(self) -> None:
        """Let go of the ledger."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


@router.get("/live")
async def live(request: Request) -> Response:
    """Server-sent events: `ledger` whenever something changed."""
    listeners: Live = request.app.state.live
    if listeners.full:
        # This status tells a browser not to try again; the page says that it is not live.
        return Response(status_code=204)
    events = listeners.changes()
    # Begun here, so that others who come at the same time count it.
    first = await anext(events)
    guard: Guard = request.app.state.guard()
    told = _while_signed_in(first, events, guard.ended, request.state.visitor.cookie)
    return StreamingResponse(told, media_type="text/event-stream")


async def _while_signed_in(
    first: bytes, events: AsyncGenerator[bytes, None], ended: EndedSessions, session: str
) -> AsyncIterator[bytes]:
    """Pass events on until the session is ended; `session` is empty where there is none to be ended."""
    async with aclosing(events):
        yield first
        async for event in events:
            if session and await ended.has(session):
                return
            yield event
