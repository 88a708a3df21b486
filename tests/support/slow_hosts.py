"""Hosts that answer slowly, endlessly or elsewhere."""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress

Answer = Callable[[socket.socket], object]


class Host:
    """Takes connections and answers each as it is told, on a thread of its own."""

    def __init__(self, answer: Answer, *, name: str = "127.0.0.1", is_asked_first: bool = True) -> None:
        # As in HTTP; a mail server speaks first.
        self._is_asked_first = is_asked_first
        self.taken: list[bytes] = []
        self.begun = 0
        # How long each connection lasted, in seconds.
        self.lasted: list[float] = []
        self._answer = answer
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=50)
        self.port = self._listening.getsockname()[1]
        self.url = f"http://{name}:{self.port}"
        threading.Thread(target=self._listen, daemon=True).start()

    def close(self) -> None:
        """Listen no more."""
        self._listening.close()

    def _listen(self) -> None:
        while True:
            try:
                connection, _address = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        begin = time.monotonic()
        self.begun += 1
        with connection:
            if self._is_asked_first:
                self.taken.append(_request(connection))
            with suppress(OSError):
                self._answer(connection)
        self.lasted.append(time.monotonic() - begin)


def _request(connection: socket.socket) -> bytes:
    """Return a whole request: the system resets a connection that is closed with something unread."""
    taken, length = connection.recv(10_000), 0
    while True:
        head, _, body = taken.partition(b"\r\n\r\n")
        if found := re.search(rb"content-length: *(\d+)", head, re.IGNORECASE):
            length = int(found[1])
        if b"\r\n\r\n" in taken and len(body) >= length:
            return taken
        more = connection.recv(10_000)
        if not more:
            return taken
        taken += more


def drips(text: bytes, begin: bytes = b"") -> Answer:
    """Return an answer of which, behind its begin, a byte comes every 0.1 s, for ever."""

    def answer(connection: socket.socket) -> None:
        connection.sendall(begin)
        while True:
            for number in range(len(text)):
                connection.sendall(text[number : number + 1])
                time.sleep(0.1)

    return answer


def endless(text: bytes, more: bytes = b"x" * 100_000) -> Answer:
    """Return an answer that goes on without an end, as quickly as it is read."""

    def answer(connection: socket.socket) -> None:
        connection.sendall(text)
        while True:
            connection.sendall(more)

    return answer


def redirects(code: int, to: Callable[[], str]) -> Answer:
    """Return an answer that sends the caller elsewhere."""
    return lambda connection: connection.sendall(
        f"HTTP/1.1 {code} Moved\r\nLocation: {to()}\r\nContent-Length: 0\r\n\r\n".encode()
    )


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
SLOW: dict[str, Answer] = {
    "says nothing": lambda connection: time.sleep(60),
    "status": drips(b"HTTP/1.1 200 OK"),
    "headers": drips(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1_000),
    "continues": drips(b"HTTP/1.1 100 Continue\r\n\r\n"),
    "body": drips(b"x", b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n"),
    "chunks": drips(b"1\r\nx\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
}
