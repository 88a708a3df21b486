"""uvicorn, as the dashboard needs it."""

from __future__ import annotations

import socket

import uvicorn
from fastapi import FastAPI


class Server(uvicorn.Server):
    """A server whose streams end before it waits for what is open."""

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
        # Who asks is on record: nobody may say by a header that he is another.
        proxy_headers=False,
        server_header=False,
        ws="none",
        limit_concurrency=200,
        timeout_graceful_shutdown=1,
    )
    return Server(config)
