"""Health and metrics over HTTP, for supervisors and Prometheus.

Two routers, since who may ask differs: anybody for `health`, which names no job and no place, and only those
who may read for `metrics`: include that with the dependency that checks it.
"""

from __future__ import annotations

import asyncio
from functools import cache
from typing import TYPE_CHECKING

from everytick.ledger import open_ledger
from everytick.system import system
from everytick.telemetry.health import PATIENCE, Health, check, no_answer, unreadable
from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse

if TYPE_CHECKING:
    from everytick.telemetry.metrics import Metrics

health = APIRouter(tags=["health"])
metrics = APIRouter(tags=["metrics"])

_NEVER_KEPT = {"Cache-Control": "no-store"}
# How long an answer is reused, so that requests cannot make the application read the ledger all the time.
_FRESH_SECONDS = 1.0


@health.head("/health/live", include_in_schema=False)
@health.get("/health/live")
async def live() -> JSONResponse:
    """Answer: this process does."""
    return JSONResponse({"live": True}, headers=_NEVER_KEPT)


@health.head("/health/ready", include_in_schema=False)
@health.get("/health/ready", responses={503: {"description": "The schedule does not go on"}})
async def ready() -> JSONResponse:
    """Say whether the schedule goes on, wherever it runs: 200 or 503, with sentences."""
    found = await _look().now()
    return JSONResponse(found.as_data(outline=True), 200 if found.ready else 503, headers=_NEVER_KEPT)


@metrics.get(
    "/metrics",
    response_class=Response,
    responses={
        401: {"description": "No token, or a wrong one"},
        429: {"description": "Too many wrong tokens"},
    },
)
def exposition() -> Response:
    """Give the metrics for Prometheus."""
    # Most processes are never asked: it loads, among others, an HTTP server that nobody needs here.
    from prometheus_client import CONTENT_TYPE_LATEST

    return Response(_metrics().exposition(), media_type=CONTENT_TYPE_LATEST, headers=_NEVER_KEPT)


class _Look:
    """One look into the ledger for all who ask at the same time, on a thread that no page can take.

    Used on one event loop at a time.
    """

    def __init__(self) -> None:
        self._ledger = open_ledger()
        self._found: tuple[float, Health] | None = None
        self._asked: asyncio.Future[Health] | None = None

    async def now(self) -> Health:
        """Return the health that was found now, or a moment ago, within PATIENCE: the ledger may hang."""
        if self._found is not None and system.monotonic() - self._found[0] <= _FRESH_SECONDS:
            return self._found[1]
        asked = self._asked
        if asked is None or asked.done() or asked.get_loop() is not asyncio.get_running_loop():
            asked = self._asked = asyncio.ensure_future(system.in_thread(self._check, daemon=True))
        try:
            # One who asks no more, or waits no longer, must not end it for the others.
            return await asyncio.wait_for(asyncio.shield(asked), PATIENCE)
        except TimeoutError:
            return unreadable(no_answer())

    def _check(self) -> Health:
        began = system.monotonic()
        found = check(self._ledger)
        self._found = began, found
        return found


# Made at the first question and not before, as the settings may be read until then.
@cache
def _look() -> _Look:
    return _Look()


@cache
def _metrics() -> Metrics:
    from everytick.telemetry.metrics import Metrics

    return Metrics(open_ledger())
