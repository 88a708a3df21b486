"""Dead man's switches: addresses that are called when a job's run begins and when it has ended.

A service on the other side raises the alarm when no call comes, also when nothing is up here at all. Calls
are made on a thread of their own, which there is from the first call on; the schedule never waits for one.
"""

from __future__ import annotations

import http.client
import threading
import time
import urllib.error
import urllib.request
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from everytick.engine.capture import one_line
from everytick.model.heartbeat_url import STATE_PLACE
from loguru import logger

if TYPE_CHECKING:
    from everytick.store.records import Outcome

START, SUCCESS, FAIL = "start", "success", "fail"

_TIMEOUT = 10.0
_FIRST_RETRY = 2.0
_LONGEST_RETRY = 300.0
# What could not be told for so long is not told any more.
_KEPT_SECONDS = 3_600.0
# Of one address: a start, an end, and the same of the run after that. Older calls mean nothing by then.
_MOST_CALLS = 4
_MOST_ADDRESSES = 10_000
_TAIL_LENGTH = 10_000


def address_of(ping: str, state: str) -> str:
    """Return the address to call: `{state}` filled in, or `/start`, nothing, `/fail` behind its path."""
    if STATE_PLACE in ping:
        return ping.replace(STATE_PLACE, state)
    parts = urlsplit(ping)
    if state == SUCCESS:
        return ping
    return parts._replace(path=f"{parts.path.rstrip('/')}/{state}").geturl()


@dataclass
class _Call:
    job_id: str
    address: str
    body: bytes | None
    until: float


@dataclass
class _Line:
    """The calls of one job's address, in their order."""

    host: str
    calls: deque[_Call] = field(default_factory=deque)


class HeartbeatUrls:
    """Calls the addresses of jobs. `application` is what the other side sees as the caller."""

    def __init__(self, application: str) -> None:
        self._application = application
        self._lines: dict[str, _Line] = {}
        # When a host that did not answer is called again, and how often in a row it did not.
        self._resting: dict[str, tuple[float, int]] = {}
        # Jobs whose address was refused, which is said once.
        self._refused: set[str] = set()
        self._changed = threading.Condition()
        self._busy = self._stopped = False
        self._thread: threading.Thread | None = None

    def started(self, job_id: str, ping: str) -> None:
        """Call soon that a run has begun."""
        self._add(job_id, ping, START)

    def ended(self, ping: str, outcome: Outcome) -> None:
        """Call soon how a run ended, if this is its end: neither a retry nor a new start is to come."""
        job_id = outcome.claim.job_id
        if outcome.state == "succeeded":
            self._add(job_id, ping, SUCCESS)
        elif outcome.retry_at is None and outcome.rerun_until is None:
            said = [outcome.error or outcome.state, "", outcome.log or ""]
            text = "\n".join(said).strip()
            if len(text) > _TAIL_LENGTH:
                text = f"{outcome.error or outcome.state}\n\n... {text[-_TAIL_LENGTH:]}"
            self._add(job_id, ping, FAIL, text.encode(errors="replace"))

    def stop(self, patience: float = 3.0) -> None:
        """Make the calls that are left, for a moment, and stop."""
        ends = time.monotonic() + patience
        with self._changed:
            while (self._busy or self._ready()) and time.monotonic() < ends:
                self._changed.wait(ends - time.monotonic())
            left = sum(len(line.calls) for line in self._lines.values())
            self._stopped = True
            self._changed.notify_all()
        if left:
            logger.warning("{} ping(s) could not be sent before the end", left)

    def _add(self, job_id: str, ping: str, state: str, body: bytes | None = None) -> None:
        address = address_of(ping, state)
        call = _Call(job_id, address, body, time.monotonic() + _KEPT_SECONDS)
        with self._changed:
            if ping not in self._lines and len(self._lines) >= _MOST_ADDRESSES:
                return
            line = self._lines.setdefault(ping, _Line(urlsplit(address).netloc))
            while len(line.calls) >= _MOST_CALLS:
                line.calls.popleft()
            line.calls.append(call)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="scheduler-pings", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def _ready(self) -> str | None:
        """Return whose turn it is."""
        now = time.monotonic()
        for ping, line in self._lines.items():
            if line.calls and self._resting.get(line.host, (0.0, 0))[0] <= now:
                return ping
        return None

    def _work(self) -> None:
        while True:
            with self._changed:
                while (ping := self._ready()) is None and not self._stopped:
                    self._changed.wait(self._until_next())
                if self._stopped or ping is None:
                    return
                line = self._lines.pop(ping)
                # Behind the others: each address has its turn.
                self._lines[ping] = line
                call = line.calls[0]
                self._busy = True
            done = self._is_settled(line.host, call)
            with self._changed:
                self._busy = False
                if done and line.calls and line.calls[0] is call:
                    line.calls.popleft()
                if not line.calls:
                    self._lines.pop(ping, None)
                self._changed.notify_all()

    def _until_next(self) -> float | None:
        waiting = [self._resting.get(line.host, (0.0, 0))[0] for line in self._lines.values() if line.calls]
        return max(0.0, min(waiting) - time.monotonic()) if waiting else None

    def _is_settled(self, host: str, call: _Call) -> bool:
        """Make a call; return whether it is done with, taken or not."""
        if time.monotonic() > call.until:
            logger.bind(job=call.job_id).warning("a ping was not taken for an hour, and is given up")
            return True
        try:
            self._call(call)
        except Exception as problem:
            if isinstance(problem, urllib.error.HTTPError):
                problem.close()
            return self._is_hopeless(host, call, problem)
        if self._resting.pop(host, (0.0, 0))[1]:
            logger.bind(job=call.job_id).info("pings are taken again")
        self._refused.discard(call.job_id)
        return True

    def _call(self, call: _Call) -> None:
        headers = {"User-Agent": self._application}
        if call.body is not None:
            headers["Content-Type"] = "text/plain; charset=utf-8"
        request = urllib.request.Request(call.address, call.body, headers)
        with urllib.request.urlopen(request, timeout=_TIMEOUT) as answer:
            answer.read(1_000)

    def _is_hopeless(self, host: str, call: _Call, problem: Exception) -> bool:
        """Say once that a call was not taken; return whether trying again is of no use."""
        log = logger.bind(job=call.job_id)
        code = problem.code if isinstance(problem, urllib.error.HTTPError) else None
        reason = _reason(problem)
        if code is not None and code < 500 and code not in (408, 429):
            if call.job_id not in self._refused:
                self._refused.add(call.job_id)
                log.error("its ping was refused: {}", reason)
            return True
        tries = self._resting.get(host, (0.0, 0))[1] + 1
        wait = min(_FIRST_RETRY * 2 ** min(tries - 1, 20), _LONGEST_RETRY)
        self._resting[host] = (time.monotonic() + wait, tries)
        if tries == 1:
            log.error("a ping was not taken; trying again from {:g} s on: {}", wait, reason)
        return False


def _reason(problem: Exception) -> str:
    """Return what went wrong, without the address."""
    if isinstance(problem, urllib.error.HTTPError):
        return f"HTTP {problem.code}"
    if isinstance(problem, urllib.error.URLError):
        problem = problem.reason if isinstance(problem.reason, Exception) else OSError(str(problem.reason))
    if isinstance(problem, http.client.HTTPException):
        return type(problem).__name__
    return one_line(problem)
