"""Dead man's switches: addresses that are called when a job's run begins and when it has ended.

A service on the other side raises the alarm when no call comes, also when nothing is up here at all. Calls
are made on threads of their own, which there are from the first call on: the schedule never waits for one,
nor does a host for another.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from everytick.model.heartbeat_url import STATE_PLACE
from everytick.system import system
from everytick.text.wording import counted
from loguru import logger

from . import sender

if TYPE_CHECKING:
    from everytick.store.records import Outcome

START, SUCCESS, FAIL = "start", "success", "fail"

# Of one address: a start, an end, and the same of the run after that. Older calls mean nothing by then.
_MOST_CALLS = 4
_MOST_ADDRESSES = 10_000
# Each calls one host at a time, for as long as `sender.DEADLINE` at most.
_MOST_THREADS = 32
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
        self._changed = system.condition()
        # The hosts that are being called, each by one thread.
        self._busy: set[str] = set()
        self._threads = 0
        self._stopped = False

    def started(self, job_id: str, ping: str) -> None:
        """Call soon that a run has begun."""
        self._add(job_id, ping, START)

    def ended(self, ping: str, outcome: Outcome) -> None:
        """Call soon how a run ended, if this is its end: neither a retry nor a new start is to come."""
        job_id = outcome.claim.job_id
        if outcome.state == "succeeded":
            self._add(job_id, ping, SUCCESS)
        elif outcome.retry_at is None and outcome.rerun_until is None:
            body = [outcome.error or outcome.state, "", outcome.log or ""]
            text = "\n".join(body).strip()
            if len(text) > _TAIL_LENGTH:
                text = f"{outcome.error or outcome.state}\n\n... {text[-_TAIL_LENGTH:]}"
            self._add(job_id, ping, FAIL, text.encode(errors="replace"))

    def stop(self, patience: float) -> None:
        """Make the calls that are left, for a moment, and stop."""
        ends = system.monotonic() + patience
        with self._changed:
            while (self._busy or self._ready()) and system.monotonic() < ends:
                self._changed.wait(ends - system.monotonic())
            left = sum(len(line.calls) for line in self._lines.values())
            self._stopped = True
            self._changed.notify_all()
        if left:
            logger.warning("{} of heartbeat URLs could not be made before the end", counted(left, "call"))

    def _add(self, job_id: str, ping: str, state: str, body: bytes | None = None) -> None:
        address = address_of(ping, state)
        call = _Call(job_id, address, body, system.monotonic() + sender.KEPT_SECONDS)
        with self._changed:
            if ping not in self._lines and len(self._lines) >= _MOST_ADDRESSES:
                return
            line = self._lines.setdefault(ping, _Line(urlsplit(address).netloc.lower()))
            while len(line.calls) >= _MOST_CALLS:
                line.calls.popleft()
            line.calls.append(call)
            self._have_threads()
            self._changed.notify_all()

    def _ready(self) -> str | None:
        """Return whose turn it is."""
        now = system.monotonic()
        for ping, line in self._lines.items():
            if line.calls and line.host not in self._busy and self._rests_until(line.host) <= now:
                return ping
        return None

    def _have_threads(self) -> None:
        """Start a thread if the next call could be made, and all threads have one."""
        if self._threads == len(self._busy) and self._threads < _MOST_THREADS and self._ready() is not None:
            self._threads += 1
            system.start_thread(self._work, name="scheduler-heartbeat-urls")

    def _rests_until(self, host: str) -> float:
        return self._resting.get(host, (0.0, 0))[0]

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
                self._busy.add(line.host)
                self._have_threads()
            done = self._is_settled(line.host, call)
            with self._changed:
                self._busy.discard(line.host)
                if done and line.calls and line.calls[0] is call:
                    line.calls.popleft()
                if not line.calls:
                    self._lines.pop(ping, None)
                self._changed.notify_all()

    def _until_next(self) -> float | None:
        waiting = [
            self._rests_until(line.host)
            for line in self._lines.values()
            if line.calls and line.host not in self._busy
        ]
        return max(0.0, min(waiting) - system.monotonic()) if waiting else None

    def _is_settled(self, host: str, call: _Call) -> bool:
        """Make a call; return whether it is done with, taken or not."""
        if system.monotonic() > call.until:
            logger.bind(job=call.job_id).warning(
                "a call of its heartbeat URL was not taken for an hour, and is given up"
            )
            return True
        try:
            sender.call(call.address, call.body, self._application)
        except sender.NotTaken as problem:
            return self._is_given_up(host, call, problem)
        _report(call).taken(self._resting.pop(host, (0.0, 0))[1])
        self._refused.discard(call.job_id)
        return True

    def _is_given_up(self, host: str, call: _Call, problem: sender.NotTaken) -> bool:
        """Say once that a call was not taken; return whether trying again is of no use."""
        if problem.hopeless:
            if call.job_id not in self._refused:
                self._refused.add(call.job_id)
                logger.bind(job=call.job_id).error("its heartbeat URL refused the call: {}", problem)
            return True
        tries = self._resting.get(host, (0.0, 0))[1] + 1
        wait = sender.HEARTBEATS.pause(tries)
        self._resting[host] = (system.monotonic() + wait, tries)
        _report(call).not_taken(tries, wait, problem)
        return False


def _report(call: _Call) -> sender.Report:
    return sender.Report("a heartbeat URL took no call", "the heartbeat URL takes calls again", call.job_id)
