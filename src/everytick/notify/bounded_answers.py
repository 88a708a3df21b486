"""Bounds how much of an answer is kept in memory while an alert is sent.

Apprise's libraries take in all that a service answers, and have no setting for that: an answer without an
end, or a small one that unpacks to a huge one, would take the memory of all jobs. So the two ways in which
they read one are wrapped, once. What other code of the process asks of these libraries stays as it is.
"""

from __future__ import annotations

import smtplib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from importlib import import_module
from typing import Any

# Of one answer over HTTP, unpacked; the rest is not read. Of all that a mail server says on one connection.
MOST_BYTES = 1_000_000
_PIECE = 10_000

_is_sending: ContextVar[bool] = ContextVar("scheduler_alert_is_sent", default=False)
_MARK = "_is_bounded_by_everytick"


@contextmanager
def bounded() -> Iterator[None]:
    """Bound the answers to what the block asks, on this thread."""
    token = _is_sending.set(True)
    try:
        yield
    finally:
        _is_sending.reset(token)


def install() -> None:
    """Wrap what reads answers, unless that was done. Apprise is loaded, which brings `requests`."""
    adapters: Any = import_module("requests.adapters")
    _wrap(adapters.HTTPAdapter, "send", _sent)
    _wrap(smtplib.SMTP, "getreply", _reply)


def _wrap(kind: Any, name: str, made: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
    before = getattr(kind, name)
    if not hasattr(before, _MARK):
        after = wraps(before)(made(before))
        setattr(after, _MARK, True)
        setattr(kind, name, after)


def _sent(send: Callable[..., Any]) -> Callable[..., Any]:
    def send_and_cut(*given: Any, **options: Any) -> Any:
        answer = send(*given, **options)
        # Who asks for a stream reads it piece by piece, up to a bound of his own.
        if _is_sending.get() and not options.get("stream"):
            # Read here, before `requests` does; what it has found then, it does not read again.
            answer._content = _beginning(answer.iter_content(_PIECE))
            answer._content_consumed = True
            answer.close()
        return answer

    return send_and_cut


def _beginning(pieces: Iterator[bytes]) -> bytes:
    found = bytearray()
    for piece in pieces:
        found += piece
        if len(found) >= MOST_BYTES:
            break
    return bytes(found[:MOST_BYTES])


def _reply(getreply: Callable[..., Any]) -> Callable[..., Any]:
    def get_bounded_reply(server: Any) -> Any:
        if _is_sending.get() and server.file is None and server.sock is not None:
            server.file = _Counted(server.sock.makefile("rb"))
        return getreply(server)

    return get_bounded_reply


class _Counted:
    """What a mail server says, line by line, up to a number of bytes."""

    def __init__(self, stream: Any) -> None:
        self._stream, self._left = stream, MOST_BYTES

    def readline(self, most: int = -1) -> bytes:
        """Return the next line. Raises OSError after too many, as for a connection that is lost."""
        line: bytes = self._stream.readline(most)
        self._left -= len(line)
        if self._left < 0:
            raise OSError("the mail server says too much")
        return line

    def close(self) -> None:
        """Close it."""
        self._stream.close()
