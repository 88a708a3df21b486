"""uvicorn, as the dashboard needs it."""

from __future__ import annotations

import asyncio
import gc
import socket
from functools import partial
from types import FrameType
from typing import Any

import uvicorn
from everytick.errors import NO_FILE_HANDLES, lacks_file_handles
from fastapi import FastAPI

from .connections import Connection, Connections

# How many connections are taken at once, before it is looked whether there are too many.
_AT_ONCE = 8
# How many may wait to be taken.
_BACKLOG = 128


class Server(uvicorn.Server):
    """A server that ends its streams before it waits for open requests, and sleeps between requests."""

    def __init__(self, config: uvicorn.Config, connections: Connections) -> None:
        super().__init__(config)
        self._connections = connections
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Let it end, from any thread."""
        self.should_exit = True
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._stopping.set)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Let it end on a signal."""
        super().handle_exit(sig, frame)
        self.stop()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen."""
        asyncio.get_running_loop().set_exception_handler(self._tell_of)
        await super().startup(sockets)
        self._connections.listening = sockets or ()
        for each in self._connections.listening:
            # asyncio has one number for how many may wait and how many it takes at once.
            each.listen(_BACKLOG)

    def _tell_of(self, _loop: asyncio.AbstractEventLoop, found: dict[str, Any]) -> None:
        """Log what went wrong on the event loop, which strangers may cause as often as they like."""
        problem, log = found.get("exception"), self._connections.log
        if problem is not None and lacks_file_handles(problem):
            log.warning("no handles", "dashboard: {}", NO_FILE_HANDLES)
        else:
            # The message may have the name of an object in it.
            kind = f"event loop: {type(problem).__name__}"
            log.error(kind, problem, "dashboard: {}", found["message"])

    async def main_loop(self) -> None:
        """Wait for the end, where uvicorn itself looks ten times a second whether it has come."""
        self._loop = asyncio.get_running_loop()
        while not self.should_exit:
            await self._stopping.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop."""
        app = self.config.app
        assert isinstance(app, FastAPI)
        app.state.live.close()
        await super().shutdown(sockets)


def make_server(app: FastAPI) -> Server:
    """Return a server that is told where to listen when it is run."""
    connections: Connections = app.state.connections
    # The rows of thousands of jobs make Python look for garbage among all objects, which stops every thread
    # for some 200 ms. From then on it leaves out the objects that are there.
    app.state.answers.settle = gc.freeze
    config = uvicorn.Config(
        app,
        http=partial(Connection, connections),  # type: ignore[arg-type]
        log_config=None,
        log_level="warning",
        access_log=False,
        # The audit trail has the client's address: a header must not replace it.
        proxy_headers=False,
        server_header=False,
        # Set by the guard: uvicorn would have to wake each second to know the time.
        date_header=False,
        ws="none",
        backlog=_AT_ONCE,
        timeout_graceful_shutdown=1,
    )
    return Server(config, connections)
