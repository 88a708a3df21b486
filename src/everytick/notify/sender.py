"""Sends over HTTP: how long an answer may take, how often a call is tried, when it is given up.

The calls of `heartbeat_urls` are made here. Alerts are sent by Apprise, which knows how each service wants
them; when one is tried again, how long the end of the process waits for it, and what the log says
of an address that does not take it, is decided here too.
"""

from __future__ import annotations

import http.client
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING

from everytick.engine.capture import one_line
from everytick.model.backoff import Backoff
from everytick.text.durations import duration_of_seconds
from loguru import logger

if TYPE_CHECKING:
    from loguru import Logger

# An alert is tried for as long as it is news; a heartbeat soon means nothing any more.
ALERTS = Backoff(first=2.0, longest=600.0)
HEARTBEATS = Backoff(first=2.0, longest=300.0)
# A call that was not taken for this many seconds is given up.
KEPT_SECONDS = 3_600.0
# The end of a process waits this many seconds for messages and calls that are under way.
LAST_SECONDS = 3.0

# How long a service may take for an answer, in seconds, and how much of that is read.
_TIMEOUT = 10.0
_ANSWER_LENGTH = 1_000
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

    Raises:
        NotTaken: it did not answer, or with an error.
    """
    # A header is of Latin letters: others stand there as an address would have them.
    headers = {"User-Agent": urllib.parse.quote(application, safe=" ()/:;,.-_+@")}
    if body is not None:
        headers["Content-Type"] = "text/plain; charset=utf-8"
    try:
        request = urllib.request.Request(address, body, headers)
        with urllib.request.urlopen(request, timeout=_TIMEOUT) as answer:
            answer.read(_ANSWER_LENGTH)
    except urllib.error.HTTPError as problem:
        problem.close()
        hopeless = problem.code < 500 and problem.code not in _TRY_AGAIN
        raise NotTaken(f"HTTP {problem.code}", hopeless=hopeless) from None
    except Exception as problem:
        raise NotTaken(_reason(problem)) from None


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
    if isinstance(problem, http.client.HTTPException):
        # Its message may hold the address.
        return type(problem).__name__
    return one_line(problem)
