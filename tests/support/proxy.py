"""A wire between a scheduler and its server that can be cut, or carry nothing any more."""

from __future__ import annotations

import selectors
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

_PIECE = 65_536


class Proxy:
    """Listens on `port` and passes everything on to a server on this machine."""

    def __init__(self, server_port: int) -> None:
        self._server_port = server_port
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listening.getsockname()[1])
        self._wires: set[_Wire] = set()
        self._open = threading.Event()
        self._open.set()
        self._refuses = self._over = False
        self._watched: tuple[bytes, Callable[[_Wire], bool]] | None = None
        self._seen = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Cut all connections, and each new one at once."""
        self._refuses = True
        self.cut_once()

    def cut_once(self) -> None:
        """Cut all connections; new ones are passed on."""
        for wire in tuple(self._wires):
            wire.cut()

    def mend(self) -> None:
        """Pass everything on again."""
        self._refuses = False
        self._open.set()

    def swallow(self) -> None:
        """Let nothing through any more, without a word to anybody."""
        self._open.clear()

    def when(self, words: bytes, action: Callable[[_Wire], bool]) -> threading.Event:
        """Do something once, as soon as a client says `words` and before the server hears it.

        `action` returns whether the server may hear it. The event is set when it was done.
        """
        self._seen = threading.Event()
        self._watched = (words, action)
        return self._seen

    def close(self) -> None:
        """Cut everything, and listen no longer."""
        self._over = True
        self.cut()
        self._open.set()
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    def heard(self, piece: bytes, wire: _Wire) -> bool:
        """Look at what a client says; return whether it may be passed on."""
        watched = self._watched
        if watched is None or watched[0] not in piece:
            return True
        self._watched = None
        passes = watched[1](wire)
        self._seen.set()
        return passes

    def wait(self) -> None:
        """Wait until something may pass."""
        self._open.wait()

    def forget(self, wire: _Wire) -> None:
        """Take note that a wire is no more."""
        self._wires.discard(wire)

    def _accept(self) -> None:
        while not self._over:
            try:
                client, _address = self._listening.accept()
            except OSError:
                return
            if self._refuses:
                client.close()
                continue
            try:
                server = socket.create_connection(("127.0.0.1", self._server_port), timeout=5)
            except OSError:
                client.close()
                continue
            server.settimeout(None)
            wire = _Wire(self, client, server)
            self._wires.add(wire)
            threading.Thread(target=wire.carry, daemon=True).start()


class _Wire:
    """One connection."""

    def __init__(self, proxy: Proxy, client: socket.socket, server: socket.socket) -> None:
        self.proxy, self._client, self._server = proxy, client, server
        # Set for the moment in which an answer gets lost.
        self.loses_answer = False

    def carry(self) -> None:
        """Pass on what either end says until one hangs up."""
        with suppress(OSError, ValueError), selectors.DefaultSelector() as ready:
            ready.register(self._client, selectors.EVENT_READ)
            ready.register(self._server, selectors.EVENT_READ)
            while all(self._pass_on(key.fileobj is self._client) for key, _events in ready.select()):
                pass
        self.cut()
        self.proxy.forget(self)

    def cut(self) -> None:
        """Hang up on both."""
        for end in (self._client, self._server):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _pass_on(self, from_client: bool) -> bool:
        self.proxy.wait()
        origin, target = (self._client, self._server) if from_client else (self._server, self._client)
        piece = origin.recv(_PIECE)
        if not piece:
            return False
        if from_client and not self.proxy.heard(piece, self):
            return False
        if self.loses_answer and not from_client:
            return False
        target.sendall(piece)
        return True


def lose_the_question(_wire: _Wire) -> bool:
    """Cut the wire before the server has heard it."""
    return False


def lose_the_answer(wire: _Wire) -> bool:
    """Let the server hear it, and cut the wire when it answers."""
    wire.loses_answer = True
    return True


def swallow_the_answer(wire: _Wire) -> bool:
    """Let the server hear it, and from then on let nothing through any more."""
    wire.proxy.swallow()
    return True


@contextmanager
def proxy(server_port: int) -> Iterator[Proxy]:
    """A wire to a server on this machine, as long as the block lasts."""
    made = Proxy(server_port)
    try:
        yield made
    finally:
        made.close()
