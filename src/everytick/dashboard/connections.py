"""The connections to the dashboard: how many there may be, and how long each may take.

Anybody who reaches the port can open connections and send nothing, or little, without a token. Each costs
a file handle, which jobs need too. So there is a limit, far below that of the process; when it is reached,
the connection that has waited longest for the other side is closed for the new one, so that a probe, which
sends its request at once, is always answered.
"""

from __future__ import annotations

import asyncio
import os
import weakref
from collections.abc import Sequence
from enum import Enum
from typing import Any

import h11
from everytick.log_rate import RateLimitedLog
from everytick.system import system
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

# At most this share of the file handles that the process may have, and at most this number.
_SHARE_OF_HANDLES = 4
_MOST, _LEAST = 256, 16
# How many more are let in while all others are being answered.
_FOR_PROBES = 8
# How many bytes the headers of a request may have, and how many the parser gets at once: it looks after each
# piece whether they are longer.
_LONGEST_HEADERS, _PIECE = 16_384, 4_096
_LOOK_SECONDS = 1.0


class Awaited(Enum):
    """What the other side is to do next; the value: how many seconds it has for that."""

    # To send a request, with its body.
    REQUEST = 10.0
    # To read what was sent.
    READING = 60.0
    # Nothing: it waits for an answer, or listens to a stream.
    NOTHING = float("inf")


def most_connections() -> int:
    """Return how many connections may be open at once."""
    return max(_LEAST, min(_MOST, system.most_file_handles() // _SHARE_OF_HANDLES))


class Connections:
    """All that are open now. Used on the event loop of the dashboard alone."""

    def __init__(self, most: int, log: RateLimitedLog) -> None:
        self.most, self.log = most, log
        # The sockets on which connections are taken.
        self.listening: Sequence[Any] = ()
        self._open: set[Connection] = set()
        self._timer: asyncio.TimerHandle | None = None
        _of_this_process.add(self)

    def admit(self, new: Connection) -> None:
        """Take in a connection that was made; with too many, close the one that has waited longest."""
        self._open.add(new)
        if len(self._open) > self.most:
            self._make_room(new)
        self.look_again()

    def _make_room(self, new: Connection) -> None:
        waiting = [each for each in self._open if each is not new and each.awaited is not Awaited.NOTHING]
        if waiting or len(self._open) > self.most + _FOR_PROBES:
            self.log.warning(
                "connections",
                "dashboard: {} connections are open, which is the most: one that waited was closed",
                self.most,
            )
            oldest = min(waiting, key=lambda each: each.since, default=new)
            self._open.discard(oldest)
            oldest.drop()

    def forget(self, lost: Connection) -> None:
        """Take note that a connection is no more."""
        self._open.discard(lost)

    def look_again(self) -> None:
        """Look within a second for connections that have taken too long."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_LOOK_SECONDS, self._look)

    def _look(self) -> None:
        self._timer = None
        for each in list(self._open):
            each.note()
            if system.monotonic() - each.since > each.awaited.value:
                each.drop()
        # Nothing wakes the process while there is nothing to look for.
        if self.log.tell() or self._open:
            self.look_again()

    def release(self) -> None:
        """Let go of the port and all connections in a child that was forked: they are its parent's."""
        for each in [*self.listening, *(each.transport.get_extra_info("socket") for each in self._open)]:
            _release(each)


class _Requests(h11.Connection):
    """Reads requests. One that says in two ways how long its body is, is none (RFC 9112, section 6.1).

    A proxy may go by the other one, and see the end of the request elsewhere.
    """

    def next_event(self) -> Any:
        """Return what was sent next.

        Raises:
            h11.RemoteProtocolError: that is no request.
        """
        event = super().next_event()
        if isinstance(event, h11.Request):
            names = {name for name, _value in event.headers}
            # HTTP/1.0 has no Transfer-Encoding.
            if b"transfer-encoding" in names and (b"content-length" in names or event.http_version < b"1.1"):
                raise h11.RemoteProtocolError("the length of its body is not clear")
        return event


class Connection(H11Protocol):
    """One connection, which knows what it waits for, and since when."""

    def __init__(self, connections: Connections, **given: Any) -> None:
        super().__init__(**given)
        self.conn = _Requests(h11.SERVER, _LONGEST_HEADERS)
        self._connections = connections
        self.logger = _ServerLog(connections.log)  # type: ignore[assignment]
        self.awaited, self.since = Awaited.REQUEST, system.monotonic()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin."""
        super().connection_made(transport)
        self._connections.admit(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self._connections.forget(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take in what was sent, piece by piece, so that no more is parsed than a request may have."""
        for begin in range(0, len(data), _PIECE):
            if self.transport.is_closing():
                return
            super().data_received(data[begin : begin + _PIECE])
        self.note()

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        super().on_response_complete()
        self.note()

    def pause_writing(self) -> None:
        """Wait until what was sent is read."""
        super().pause_writing()
        self.note()

    def note(self) -> None:
        """Find out what it waits for; when that is something else than before, the time for it begins."""
        awaited = self._awaited()
        if awaited is not self.awaited:
            self.awaited, self.since = awaited, system.monotonic()

    def drop(self) -> None:
        """Close it at once, whatever is under way."""
        self.transport.abort()

    def _unsupported_upgrade_warning(self) -> None:
        """Say nothing of a request for another protocol: it is answered as one for a page."""

    def _awaited(self) -> Awaited:
        cycle: RequestResponseCycle | None = self.cycle
        is_answered = cycle is None or cycle.response_complete
        if self.flow.write_paused or (is_answered and self.transport.get_write_buffer_size()):
            return Awaited.READING
        if cycle is None or is_answered or cycle.more_body:
            return Awaited.REQUEST
        return Awaited.NOTHING


class _ServerLog:
    """What uvicorn says of a connection, in the place of its logger: strangers may cause it all the time."""

    level = 30

    def __init__(self, log: RateLimitedLog) -> None:
        self._log = log

    def warning(self, message: str, *values: Any) -> None:
        said = message % values if values else message
        self._log.warning(f"server: {message}", "dashboard: {}", said.rstrip())

    def error(self, message: str, *values: Any, exc_info: BaseException | None = None) -> None:
        said = message % values if values else message
        self._log.error(f"server: {message}", exc_info, "dashboard: {}", said.rstrip())


def _release(socket: Any) -> None:
    """Close a socket of another process, but keep its number: an object here may still close that."""
    number = socket.fileno()
    if number < 0:
        return
    try:
        nothing = os.open(os.devnull, os.O_RDWR)
    except OSError:
        os.close(number)
        return
    os.dup2(nothing, number, inheritable=False)
    os.close(nothing)


_of_this_process: weakref.WeakSet[Connections] = weakref.WeakSet()


def _release_all() -> None:
    for connections in list(_of_this_process):
        connections.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_release_all)
