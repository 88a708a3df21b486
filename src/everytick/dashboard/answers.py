"""Few pages are made at a time, and the same one once for all who have it open.

A page of thousands of jobs is work for Python's one interpreter lock, which the schedule needs too. So two
pages are made at a time, others wait. Open pages fetch themselves at each change of the ledger: they get one
answer, made after that change. How long the making took says when they are told of the next change.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any

from everytick.system import system
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from .problems import UNAVAILABLE, Problem

Handler = Callable[[Request], Coroutine[Any, Any, Response]]

_AT_ONCE = 2
# One preview is made at a time, beside these: it may count for seconds. For how long another one waits for
# its turn, in seconds.
_TURN = 10.0
# For the log of a server: nobody reads the answer.
_GONE = 499
# After that many answers there is what all later ones use: modules, templates, the schedules of all jobs.
_SETTLED_AFTER = (1, 10, 100)
# How many answers are kept until the next change.
_MOST_KEPT = 200
# Open pages are told of the next change when this many times as long has passed as their pages took; in
# seconds, at most.
_SHARE, _LONGEST_REST = 5, 15.0


class Answers:
    """The answers that open pages share. Used on the event loop of the dashboard alone."""

    def __init__(self) -> None:
        self._room = asyncio.Semaphore(_AT_ONCE)
        self._preview = asyncio.Lock()
        self._kept: dict[object, asyncio.Task[Response]] = {}
        self._keeps = False
        self._rest = 0.0
        self._made = 0
        self._acted = asyncio.Event()
        # Called after the answers that `_SETTLED_AFTER` counts.
        self.settle: Callable[[], object] = lambda: None

    async def make(self, make: Callable[[], Awaitable[Response]]) -> Response:
        """Return an answer that is made now, when it is its turn."""
        async with self._room:
            try:
                return await make()
            finally:
                self._made += 1
                if self._made in _SETTLED_AFTER:
                    self.settle()

    async def make_preview(self, request: Request, make: Callable[[], Awaitable[Response]]) -> Response:
        """Return an answer that is made when no other preview is; none to a client that is gone by then.

        Raises:
            Problem: its turn did not come.
        """
        try:
            await asyncio.wait_for(self._preview.acquire(), _TURN)
        except TimeoutError:
            raise Problem(UNAVAILABLE, "other previews are being counted: try again in a moment") from None
        try:
            # The first look may come upon the request's own end.
            is_gone = await request.is_disconnected() or await request.is_disconnected()
            return Response(status_code=_GONE) if is_gone else await make()
        finally:
            self._preview.release()

    async def share(self, key: object, make: Callable[[], Awaitable[Response]]) -> Response:
        """Return the answer that was, or is being, made for others since the last change."""
        if not self._keeps:
            return await self.make(make)
        task = self._kept.get(key)
        if task is None:
            if len(self._kept) >= _MOST_KEPT:
                self._kept.clear()
            task = self._kept[key] = asyncio.get_running_loop().create_task(self._timed(make))
        # One that asks no more must not end it for the others.
        return await asyncio.shield(task)

    def renew(self, *, keeps: bool) -> None:
        """Make all anew: the ledger changed. `keeps`: whether somebody will tell of further changes."""
        self._kept.clear()
        self._keeps = keeps

    def note_action(self) -> None:
        """Make all anew, and tell of changes soon: somebody has acted, and looks what comes of it."""
        self._kept.clear()
        self._acted.set()

    async def rest(self) -> None:
        """Wait before pages are told of a change, for what they cost so far; not after an action."""
        rest, self._rest = min(self._rest, _LONGEST_REST), 0.0
        with suppress(TimeoutError):
            await asyncio.wait_for(self._acted.wait(), rest)
        self._acted.clear()

    async def _timed(self, make: Callable[[], Awaitable[Response]]) -> Response:
        async def timed() -> Response:
            began = system.monotonic()
            try:
                return await make()
            finally:
                self._rest += _SHARE * (system.monotonic() - began)

        return await self.make(timed)


class ReadingRoute(APIRoute):
    """A route whose answers to GET are made a few at a time; all else is an action."""

    def get_route_handler(self) -> Handler:
        """Return the handler of the route."""
        make = super().get_route_handler()

        async def handle(request: Request) -> Response:
            answers: Answers = request.app.state.answers
            if request.method != "GET":
                try:
                    return await make(request)
                finally:
                    answers.note_action()
            if "x-live" not in request.headers:
                return await answers.make(lambda: make(request))
            # `page` leaves out what belongs to one visitor.
            visitor = request.scope["state"]["visitor"]
            may_act = visitor is not None and visitor.may_act
            key = (request.scope["path"], request.scope["query_string"], may_act)
            return await answers.share(key, lambda: make(request))

        return handle


class PreviewRoute(ReadingRoute):
    """A route that may be asked, by a `from`, for what counts for seconds."""

    def get_route_handler(self) -> Handler:
        """Return the handler of the route."""
        otherwise, make = super().get_route_handler(), APIRoute.get_route_handler(self)

        async def handle(request: Request) -> Response:
            is_preview = request.method == "GET" and "from" in request.query_params
            if not is_preview or "x-live" in request.headers:
                return await otherwise(request)
            answers: Answers = request.app.state.answers
            return await answers.make_preview(request, lambda: make(request))

        return handle
