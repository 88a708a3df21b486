"""Receivers for alerts and heartbeat URLs in tests: an HTTP and an SMTP server, each on a thread."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from aiosmtpd.controller import Controller

from ports import free_port


@dataclass(frozen=True)
class Request:
    """One received request."""

    method: str
    path: str
    body: str
    agent: str

    @property
    def json(self) -> dict[str, Any]:
        """The body as JSON."""
        found: dict[str, Any] = json.loads(self.body)
        return found


class HttpSink:
    """Takes requests, on one port for as long as it lives; may be down, refuse, or not answer."""

    def __init__(self) -> None:
        self.port = free_port()
        self.requests: list[Request] = []
        # What it answers; it keeps what it took, that is, answered with 200, and counts all
        # that arrived and those that it refused.
        self.code = 200
        self.arrived = self.refused = 0
        # Where it sends its callers, with a code of 3xx.
        self.location = ""
        # Cleared, it does not answer.
        self.answering = threading.Event()
        self.answering.set()
        self._server: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def alerts(self) -> str:
        """Its address as Apprise takes it."""
        return f"json://127.0.0.1:{self.port}/alerts"

    @property
    def titles(self) -> list[str]:
        """The titles of the alerts that came in."""
        return [request.json["title"] for request in self.requests]

    @property
    def bodies(self) -> list[str]:
        """The texts of the alerts that came in."""
        return [request.json["message"] for request in self.requests]

    @property
    def calls(self) -> list[str]:
        """Method and path of what came in."""
        return [f"{request.method} {request.path}" for request in self.requests]

    def up(self) -> None:
        """Listen."""
        sink = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(length).decode("utf-8")
                sink.arrived += 1
                sink.answering.wait(30)
                if sink.code == 200:
                    agent = self.headers.get("User-Agent", "")
                    sink.requests.append(Request(str(self.command), self.path, body, agent))
                else:
                    sink.refused += 1
                self.send_response(sink.code)
                self.send_header("Content-Length", "0")
                if sink.location:
                    self.send_header("Location", sink.location)
                self.end_headers()

            do_GET = do_POST = do_HEAD = answer

            def log_message(self, *_args: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            allow_reuse_address = True

            def handle_error(self, *_args: Any) -> None:
                """A caller that went away is no news."""

        self._server = Server(("127.0.0.1", self.port), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def down(self) -> None:
        """Refuse connections."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None


class MailSink:
    """Takes mail."""

    def __init__(self) -> None:
        self.port = free_port()
        self.mails: list[EmailMessage] = []
        self._controller: Controller | None = None

    @property
    def alerts(self) -> str:
        """Its address as Apprise takes it."""
        return f"mailto://127.0.0.1:{self.port}?from=scheduler@example.org&to=ops@example.org&mode=insecure"

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:
        self.mails.append(message_from_bytes(envelope.content, policy=policy.default))
        return "250 taken"

    def up(self) -> None:
        """Listen."""
        self._controller = Controller(self, hostname="127.0.0.1", port=self.port)
        self._controller.start()

    def down(self) -> None:
        """Refuse connections."""
        if self._controller is not None:
            self._controller.stop()
            self._controller = None


@pytest.fixture
def sink() -> Iterator[HttpSink]:
    """A sink that is up."""
    made = HttpSink()
    made.up()
    yield made
    made.answering.set()
    made.down()


@pytest.fixture
def mails() -> Iterator[MailSink]:
    """A mail server that is up."""
    made = MailSink()
    made.up()
    yield made
    made.down()
