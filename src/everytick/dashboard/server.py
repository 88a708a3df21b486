"""uvicorn, as the dashboard needs it."""

from __future__ import annotations

import asyncio
import socket
from types import FrameType

import uvicorn
from fastapi import FastAPI


class Server(uvicorn.Server):
    """A server that ends its streams before it waits for open requests, and sleeps between requests."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
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
    config = uvicorn.Config(
        app,
        log_config=None,
        log_level="warning",
        access_log=False,
        # The audit trail has the client's address: a header must not replace it.
        proxy_headers=False,
        server_header=False,
        # Set by the guard: uvicorn would have to wake each second to know the time.
        date_header=False,
        ws="none",
        limit_concurrency=200,
        timeout_graceful_shutdown=1,
    )
    return Server(config)
