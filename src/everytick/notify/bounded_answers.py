"""Bounds how much of an answer is kept in memory while an alert is sent.

Apprise's libraries take in all that a service answers, and have no setting for that: an answer without an
end, or a small one that unpacks to a huge one, would take the memory of all jobs. So in Apprise's own modules
the names `requests` and `smtplib` stand for what reads no more than a bound, while an alert is sent. The
libraries themselves stay as they are, for all other code of the process.
"""

from __future__ import annotations

import smtplib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache, partial
from importlib import import_module
from typing import Any

# Of one answer over HTTP, unpacked; the rest is not read. Of all that a mail server says on one connection.
MOST_BYTES = 1_000_000
_PIECE = 10_000

_is_sending: ContextVar[bool] = ContextVar("scheduler_alert_is_sent", default=False)


@contextmanager
def bounded() -> Iterator[None]:
    """Bound the answers to what Apprise asks within the block, on this thread."""
    _stand_in()
    token = _is_sending.set(True)
    try:
        yield
    finally:
        _is_sending.reset(token)


def _stand_in() -> None:
    """Give Apprise's modules the libraries that are bounded; it loads some only when they are needed."""
    found = _libraries()
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] == "apprise":
            for library, (real, bounded_one) in found.items():
                if vars(module).get(library) is real:
                    setattr(module, library, bounded_one)


@cache
def _libraries() -> dict[str, tuple[Any, _Library]]:
    """Return, by their names, the libraries that are asked for and those that stand in for them."""
    # By name, since the application's types must hold without it too. Apprise brings it.
    requests: Any = import_module("requests")
    session = _session_of(requests)
    methods = ("get", "options", "head", "post", "put", "patch", "delete")
    over_http = {"Session": session, "session": session, "request": partial(_asked, session)}
    over_http |= {method: partial(_asked, session, method) for method in methods}
    by_mail = {"SMTP": _Smtp, "SMTP_SSL": _SmtpOverTls}
    return {
        "requests": (requests, _Library(requests, over_http)),
        "smtplib": (smtplib, _Library(smtplib, by_mail)),
    }


class _Library:
    """A library of which some names mean something else while an alert is sent, on its thread alone."""

    def __init__(self, real: Any, instead: dict[str, Any]) -> None:
        self._real, self._instead = real, instead

    def __getattr__(self, name: str) -> Any:
        if name in self._instead and _is_sending.get():
            return self._instead[name]
        return getattr(self._real, name)


def _asked(session: Any, method: str, url: str, data: Any = None, json: Any = None, **options: Any) -> Any:
    """Do what the functions of `requests` do, with a session of ours."""
    if method == "get":
        # What they take behind the address are the parameters of that.
        options.setdefault("params", data)
        data = None
    elif method == "head":
        options.setdefault("allow_redirects", False)
    with session() as asking:
        return asking.request(method, url, data=data, json=json, **options)


def _session_of(requests: Any) -> Any:
    class Session(requests.Session):
        """One of which each answer is cut before it is read."""

        def get_adapter(self, url: Any) -> Any:
            """Return what asks an address; of redirects as well, each with an answer of its own."""
            return _Adapter(super().get_adapter(url))

    return Session


class _Adapter:
    """What asks and answers for a session, with answers that are cut."""

    def __init__(self, real: Any) -> None:
        self._real = real

    def send(self, request: Any, **options: Any) -> Any:
        """Ask, and keep the beginning of the answer."""
        answer = self._real.send(request, **options)
        # Apprise reads a stream piece by piece, up to a bound of its own.
        if not options.get("stream"):
            # Read here, before `requests` does; what it has found then, it does not read again.
            answer._content = _beginning(answer.iter_content(_PIECE))
            answer._content_consumed = True
            answer.close()
        return answer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


def _beginning(pieces: Iterator[bytes]) -> bytes:
    found = bytearray()
    for piece in pieces:
        found += piece
        if len(found) >= MOST_BYTES:
            break
    return bytes(found[:MOST_BYTES])


class _Smtp(smtplib.SMTP):
    """A connection to a mail server that may not say too much."""

    file: Any

    def getreply(self) -> tuple[int, bytes]:
        """Return the next reply. Raises OSError where all of them together are too long."""
        if self.file is None and self.sock is not None:
            self.file = _Counted(self.sock.makefile("rb"))
        return super().getreply()


class _SmtpOverTls(_Smtp, smtplib.SMTP_SSL):
    """The same with TLS from the first byte on."""


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
