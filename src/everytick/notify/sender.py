"""Sends over HTTP: how long an answer may take, how often a call is tried, when it is given up.

The calls of `heartbeat_urls` are made here. Alerts are sent by Apprise, which knows how each service wants
them; when one is tried again, how long the end of the process waits for it, and what the log says
of an address that does not take it, is decided here too.
"""

from __future__ import annotations

import ctypes
import http.client
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from contextvars import copy_context
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from everytick.engine.capture import one_line
from everytick.model import heartbeat_url
from everytick.model.backoff import Backoff
from everytick.system import BOTH_WAYS, system
from everytick.text.durations import duration_of_seconds, exact_seconds
from loguru import logger

if TYPE_CHECKING:
    from loguru import Logger

T = TypeVar("T")

# An alert is tried for as long as it is news; a heartbeat soon means nothing any more.
ALERTS = Backoff(first=2.0, longest=600.0)
HEARTBEATS = Backoff(first=2.0, longest=300.0)
# A call that was not taken for this many seconds is given up.
KEPT_SECONDS = 3_600.0
# The end of a process waits this many seconds for messages and calls that are under way.
LAST_SECONDS = 3.0

# How long a call and an alert may take as a whole, in seconds, and how much of an answer is read. Some mail
# servers let each caller wait on purpose.
DEADLINE, ALERT_DEADLINE = 10.0, 30.0
# How often a thread is cut that goes on, each a second after the other.
_MOST_CUTS = 60
_ANSWER_LENGTH = 1_000
_REDIRECTS, _REDIRECTS_WITH_BODY = (301, 302, 303, 307, 308), (307, 308)
_MOST_REDIRECTS = 5
# The service asks for another try, although the answer is an error of the caller.
_TRY_AGAIN = (408, 429)


class NotTaken(Exception):
    """A call was not taken. The message says why, without the address.

    hopeless: the service refused it, and would do so again.
    """

    def __init__(self, reason: str, *, hopeless: bool = False) -> None:
        super().__init__(reason)
        self.hopeless = hopeless


def call(address: str, body: bytes | None, application: str) -> None:
    """Call an address: by POST with a body of text, by GET without one. Blocks until it is answered.

    It may take DEADLINE seconds as a whole, however slowly a byte follows the other. Redirects are followed
    on the same host only, and not from https to http: an address is a secret.

    Raises:
        NotTaken: it did not answer in time, or with an error, or sends the call elsewhere.
    """
    if not heartbeat_url.is_address(address):
        # A row that was written by hand may have any. What would say more shows it.
        raise NotTaken("this is not an address of http or https", hopeless=True)
    exchange = _Exchange(address, body, application)
    within(DEADLINE, exchange.run, lambda _thread: exchange.give_up())


def within(seconds: float, work: Callable[[], T], give_up: Callable[[threading.Thread], object]) -> T:
    """Return what work returns that goes out to another host. It has that time as a whole.

    It is done on a thread of its own, since no library of Python has a deadline for all of it. `give_up`
    ends that thread when the time is over; the end of the process does not wait for it.

    Raises:
        NotTaken: it did not return in time. Besides all that `work` raises.
    """
    answer: Future[T] = system.future()
    over = system.event()

    def run() -> None:
        try:
            answer.set_result(work())
        except BaseException as problem:
            answer.set_exception(problem)
        finally:
            over.set()

    thread = system.start_thread(copy_context().run, args=(run,), name="scheduler-call")
    if not over.wait(seconds):
        give_up(thread)
        raise NotTaken(_no_answer(seconds))
    return answer.result()


def _no_answer(seconds: float) -> str:
    return f"no answer within {exact_seconds(seconds)}"


def cut(thread: threading.Thread) -> None:
    """End a thread that calls code of libraries, at its next steps in Python. Returns at once.

    It comes to one with each byte of an answer, or when a library's own limit for one wait is over.
    """
    system.start_thread(_cut, name="scheduler-cut", args=(thread,))


def _cut(thread: threading.Thread) -> None:
    # Again and again: what a library does to leave in order, such as QUIT to a mail server, may wait too.
    for _try in range(_MOST_CUTS):
        if not thread.is_alive() or thread.ident is None:
            return
        # Not on each kind of Python: there it goes on until the other side ends.
        with suppress(AttributeError):
            ctypes.pythonapi.PyThreadState_SetAsyncExc(
                ctypes.c_ulong(thread.ident), ctypes.py_object(_IsOver)
            )
        thread.join(1.0)


class _IsOver(BaseException):
    """Raised in a thread whose time is over. Not an error that libraries handle."""


def redirected(before: str, after: str) -> str | None:
    """Return the address to which an answer sends a call; None if it is on another host, or less safe."""
    after = urllib.parse.urljoin(before, after)
    if not heartbeat_url.is_address(after):
        return None
    old, new = urllib.parse.urlsplit(before), urllib.parse.urlsplit(after)
    scheme, host, port = _place(old)
    allowed = [(scheme, host, port)]
    if (scheme, port) == ("http", 80):
        allowed.append(("https", host, 443))
    return after if _place(new) in allowed else None


def _place(parts: urllib.parse.SplitResult) -> tuple[str, str | None, int]:
    return parts.scheme, parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)


class _Exchange:
    """One call and its answer, which another thread may give up."""

    def __init__(self, address: str, body: bytes | None, application: str) -> None:
        self._address, self._body = address, body
        # A header is of Latin letters: others stand there as an address would have them.
        self._headers = {"User-Agent": urllib.parse.quote(application, safe=" ()/:;,.-_+@")}
        if body is not None:
            self._headers["Content-Type"] = "text/plain; charset=utf-8"
        # Of the connection: closing this ends what waits for the other side.
        self._handle: Any = None
        self._is_over = False
        self._lock = threading.Lock()

    def run(self) -> None:
        """Make the call. Raises NotTaken if it was not taken."""
        try:
            self._follow()
        except NotTaken:
            raise
        except Exception as problem:
            raise NotTaken(_reason(problem)) from None
        finally:
            self.give_up()

    def give_up(self) -> None:
        """Close the connection, so that the thread ends."""
        with self._lock:
            handle, self._handle, self._is_over = self._handle, None, True
        if handle is not None:
            with suppress(OSError):
                handle.shutdown(BOTH_WAYS)
            handle.close()

    def _follow(self) -> None:
        opener = urllib.request.build_opener(_Http(self._connect), _Https(self._connect), _NoRedirects())
        address, body = self._address, self._body
        for _redirect in range(_MOST_REDIRECTS + 1):
            try:
                request = urllib.request.Request(address, body, self._headers)
                with opener.open(request, timeout=DEADLINE) as answer:
                    answer.read(_ANSWER_LENGTH)
                return
            except urllib.error.HTTPError as problem:
                problem.close()
                if (to := problem.headers.get("Location")) is None or problem.code not in _REDIRECTS:
                    raise _refused(problem.code) from None
                if (there := redirected(address, to)) is None:
                    said = f"HTTP {problem.code}, which sends the call to another address: it is not followed"
                    raise NotTaken(said, hopeless=True) from None
                address, body = there, body if problem.code in _REDIRECTS_WITH_BODY else None
        raise NotTaken(f"more than {_MOST_REDIRECTS} redirects", hopeless=True)

    def _connect(self, *arguments: Any, **options: Any) -> Any:
        made = system.connect(*arguments, **options)
        with self._lock:
            if self._is_over:
                made.close()
                raise TimeoutError
            if self._handle is not None:
                # Of the address before this one.
                self._handle.close()
            # A shutdown by one handle counts for all of them: TLS may take the other one over.
            self._handle = made.dup()
        return made


def _refused(code: int) -> NotTaken:
    return NotTaken(f"HTTP {code}", hopeless=code < 500 and code not in _TRY_AGAIN)


def _made(kind: Any, connect: Callable[..., Any], host: str, **options: Any) -> Any:
    made = kind(host, **options)
    # The only place at which `http.client` lets a connection be known before TLS begins, or a proxy is asked.
    made._create_connection = connect
    return made


class _Http(urllib.request.HTTPHandler):
    def __init__(self, connect: Callable[..., Any]) -> None:
        super().__init__()
        self._kind: Any = partial(_made, http.client.HTTPConnection, connect)

    def http_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(self._kind, request)


class _Https(urllib.request.HTTPSHandler):
    def __init__(self, connect: Callable[..., Any]) -> None:
        super().__init__()
        self._kind: Any = partial(_made, http.client.HTTPSConnection, connect)

    def https_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(self._kind, request)


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_given: Any) -> None:
        """Let a redirect be an error: it is looked at first."""


@dataclass(frozen=True)
class Report:
    """The log's words about an address: once that it does not take a message, once that it does again.

    `trouble` and `recovery`: the two sentences. `job_id`: the job that the messages are about, if it is one.
    """

    trouble: str
    recovery: str
    job_id: str | None = None

    def not_taken(self, tries: int, wait: float, reason: object) -> None:
        """Say why a message was not taken, after the first of `tries`; the next is in `wait` seconds."""
        if tries == 1:
            pause = duration_of_seconds(wait)
            self._log().error("{}; trying again from {} on: {}", self.trouble, pause, reason)

    def taken(self, failed: int) -> None:
        """Say that the address takes messages again, if there were `failed` tries before this one."""
        if failed:
            self._log().info(self.recovery)

    def _log(self) -> Logger:
        return logger if self.job_id is None else logger.bind(job=self.job_id)


def _reason(problem: Exception) -> str:
    """Return what went wrong, without the address."""
    if isinstance(problem, urllib.error.URLError):
        problem = problem.reason if isinstance(problem.reason, Exception) else OSError(str(problem.reason))
    if isinstance(problem, TimeoutError):
        # A wait for the connection or its next byte was over before the deadline of the whole was looked at.
        return _no_answer(DEADLINE)
    if isinstance(problem, http.client.HTTPException | ValueError):
        # Its message may hold the address.
        return type(problem).__name__
    return one_line(problem)
