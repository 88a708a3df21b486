"""Answers which process was hit by which fault at which time, so that rules can excuse its effects."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime, timedelta

from torture.history import Fault, History, Life, Row, Start
from torture.jobs import ON_THREADS, SECOND

DEADLY = ("kill", "kill young", "kill all")
ENDING = ("terminate", "terminate twice")
# Faults that cut a process off for a while: it runs on, but the others see no heartbeat.
PARTED = ("stop", "cut off", "silenced")
LEDGER = ("lock", "full", "moved", "restart", "crash", "away", "cut", "cut off", "silenced")
CLOCK = ("clock back", "clock ahead")
# What a process says that could not write down how its runs ended.
_UNRECORDED = ("could not be written to the ledger", "ended without waiting for runs")
# How long the effects of harm to all last after its end: who was refused by the ledger tries again after a
# second. Who sleeps while nothing is due notices within 30 s that the clock was set (R10).
_AFTERMATH, _ASLEEP = 3 * SECOND, 33 * SECOND
# A body that does not say when it ends was cancelled, by its time limit or before.
_LONGEST = 3 * SECOND
# Between two times that do not count, a process that is well may not have looked for so long.
_MOMENT = 3 * SECOND // 2
# A process is not asked to be quick in its first second, when others start as well.
_WARMING = SECOND
# How long it takes at most, when a process goes on that was frozen, until a body is entered.
_ENTERING = SECOND // 10
_MINUTE = 60 * SECOND
_TIMED = re.compile(r"^(?:\x1b\[\d+m)*(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+)", re.MULTILINE)
_LOCKED = re.compile(_TIMED.pattern + r".*the ledger does not answer \(.*lock", re.MULTILINE)
_ANSWERS = re.compile(_TIMED.pattern + r".*the ledger answers again", re.MULTILINE)
# For how long one waits for the lock of a file before it says so.
_PATIENCE = 5 * SECOND


_UP = re.compile(_TIMED.pattern + r".* \| ledger ", re.MULTILINE)


class Harm:
    """Answers from the history."""

    def __init__(self, history: History) -> None:
        self._lives, self._clock = history.lives, history.clock
        self._faults = sorted([*history.faults, *_shut_out(history)], key=lambda fault: fault.begin)
        self._over = max((life.end for life in history.lives), default=0)
        # Asked very often of one process.
        self._of: dict[int, list[Fault]] = defaultdict(list)
        for fault in self._faults:
            self._of[fault.pid].append(fault)
        self._starts, self._specs = history.starts, history.specs
        # Asked very often of the same ones.
        self._instants: dict[int, list[int]] = {}
        self._to_all = [
            (fault.begin, fault.end + (_ASLEEP if self._asleep(fault) else _AFTERMATH))
            for fault in history.faults
            if fault.pid == 0 or _froze_with_the_ledger(fault, history.lives)
        ]
        self._started = {
            (each["run_id"], each["attempt"]): each["started_us"]
            for each in [*history.runs, *history.attempts]
        }
        # A coroutine that blocks the loop of its process harms that process.
        self._blocked = [
            (start.pid, start.at, start.end or start.at + _LONGEST)
            for start in history.starts
            if start.job == "hog" and (start.end is None or start.end - start.at > SECOND)
        ]

    def _asleep(self, fault: Fault) -> bool:
        """Return whether the clock was set ahead while nothing was due, since it had been set back."""
        steps = [begin for begin, _ in self._clock.steps[1:] if begin <= fault.begin]
        before = [self._clock.shows(begin - 1) for begin in steps]
        return fault.kind == "clock ahead" and before[-1:] != [max(before, default=None)]

    def near(
        self, begin: int, end: int, kinds: Collection[str] | None = None, pid: int | None = None
    ) -> bool:
        """Return whether harm, of these kinds, to this process, was done between two instants."""
        for fault in self._faults if pid is None else self._of.get(pid, ()):
            if fault.begin <= end and fault.end >= begin and (kinds is None or fault.kind in kinds):
                return True
        return False

    def begun(self, begin: int, end: int, kinds: Collection[str]) -> list[int]:
        """Return when harm of these kinds began between two instants, in its order."""
        return [fault.begin for fault in self._faults if fault.kind in kinds and begin <= fault.begin <= end]

    def harmed(self, start: Start, until: int) -> bool:
        """Return whether harm was done to the process of a body between its start and an instant."""
        return self.near(self.started(start), until, pid=start.pid)

    def started(self, start: Start) -> int:
        """Return when a body was recorded as started: its process may be harmed before it is entered."""
        recorded = self._started.get((start.run, start.attempt))
        before = [at for at in self.instants(recorded) if at <= start.at] if recorded is not None else []
        return max(before, default=start.at)

    def anything(self, begin: int, end: int) -> bool:
        """Return whether anything at all happened: harm, a start of a process, a blocked loop."""
        return (
            self.near(begin, end)
            or any(life.begin <= end and (life.ready or life.end) >= begin for life in self._lives)
            or any(first <= end and last >= begin for _, first, last in self._blocked)
        )

    def nobody_was_up(self, begin: int, end: int) -> bool:
        """Return whether no process was there between two instants."""
        return not any(life.begin <= end and life.end >= begin for life in self._lives)

    def to_all(self, begin: int, end: int) -> bool:
        """Return whether harm that was done to all, or an effect of it, lasted between two instants."""
        return any(first <= end and last >= begin for first, last in self._to_all)

    def someone_fit(self, begin: int, end: int, busy: int | None = None, job: str = "") -> Life | None:
        """Return a process that was well all the time, if all was well around it too.

        busy: how many runs it may have had under way. job: that it is set to run, by the code in force.
        """
        if self.to_all(begin, end):
            return None
        fit = [life for life in self._lives if self._may_run(life, job, end) and self.fit(life, begin, end)]
        if busy is not None:
            fit = [life for life in fit if self._most_under_way(life.pid, begin, end) <= busy]
        roles = {life.role for life in fit}
        # Who only claims and who only runs need each other.
        return fit[0] if "all" in roles or roles >= {"scheduler", "worker"} else None

    def _may_run(self, life: Life, job: str, by: int) -> bool:
        """Return whether a process is set to run a job, and has it as all newer code by then has it (R8).

        Who has left a job to newer code need not take it up again when still newer code has it as before.
        """
        spec = self._specs.get(job)
        if job in life.disabled or spec is None or spec.added or not spec.changes:
            return job not in life.disabled
        newer = {it.version for it in self._lives if it.begin <= by and it.version > life.version}
        return all(spec.as_deployed(version) == spec.as_deployed(life.version) for version in newer)

    def well_between(
        self,
        begin: int,
        end: int,
        length: int,
        due: int = 0,
        busy: int | None = None,
        but: Sequence[tuple[int, int]] = (),
        job: str = "",
    ) -> Life | None:
        """Return a process that was well for so long between two instants, while something was due.

        but: times that do not count, in their order, if they leave no more than moments between them.
        job: as of `someone_fit`.
        """
        while begin + length < end:
            counts = not but or _longest_between(but, begin, begin + length) > _MOMENT
            counts = counts and self._clock.shows(begin) >= due
            if counts and (life := self.someone_fit(begin, begin + length, busy, job)):
                return life
            begin += SECOND // 2
        return None

    def well_since(self, begin: int, length: int, end: int) -> int:
        """Return when a process had been well for so long since an instant; `end` if none was before."""
        while begin + length < end and begin <= self._over:
            if self.someone_fit(begin, begin + length):
                return begin + length
            begin += SECOND // 2
        return end

    def _most_under_way(self, pid: int, begin: int, end: int) -> int:
        """Return how many bodies a process had entered and not left, at most, between two instants."""
        bodies = [(start.at, start.end or start.at + _LONGEST) for start in self._starts if start.pid == pid]
        then = [(first, last) for first, last in bodies if first <= end and last >= begin]
        return max((sum(first <= at < last for first, last in then) for at, _ in then), default=0)

    def fit(self, life: Life, begin: int, end: int) -> bool:
        """Return whether a process was up, and neither harmed nor blocked."""
        if life.ready is None or life.ready + _WARMING > begin or life.end < end:
            return False
        blocked = any(
            pid == life.pid and first <= end and last + SECOND >= begin for pid, first, last in self._blocked
        )
        return not blocked and not self.near(begin - SECOND, end, pid=life.pid)

    def entered_late(self, start: Start) -> bool:
        """Return whether a process was frozen between its look at a lease and the first line of the body.

        On the event loop nothing lies between the two.
        """
        spec = self._specs.get(start.job)
        on_thread = spec is not None and spec.body in ON_THREADS
        return on_thread and self.near(start.at - _ENTERING, start.at, PARTED, start.pid)

    def longest_parted(self, pid: int) -> int:
        """Return for how long a process was cut off from the others, at most at one time."""
        return max((it.end - it.begin for it in self._of.get(pid, ()) if it.kind in PARTED), default=0)

    def left_unrecorded(self, pid: int) -> bool:
        """Return whether a process said that it could not write down how its runs ended."""
        return any(life.pid == pid and any(said in life.log for said in _UNRECORDED) for life in self._lives)

    def disturbed(self, pid: int, begin: int, end: int) -> bool:
        """Return whether a process was harmed or blocked, or its clock was set, or the machine was busy."""
        return (
            self.near(begin, end, pid=pid)
            or self.near(begin, end, (*CLOCK, "busy"))
            or any(who == pid and first <= end and last >= begin for who, first, last in self._blocked)
        )

    def long_without_heartbeats(self, shown: int) -> bool:
        """Return whether heartbeats may have been far from each other before an instant from the ledger.

        So it is where the ledger took none, or the clock was set ahead between two.
        """
        since = [(at - _MINUTE, at) for at in self.instants(shown)]
        return any(
            fault.begin <= end
            and fault.end >= begin
            and (
                fault.kind == "clock ahead" or (fault.kind in LEDGER and fault.end - fault.begin > 5 * SECOND)
            )
            for fault in self._faults
            for begin, end in since
        )

    def instants(self, shown: int) -> list[int]:
        """Return the instants at which the processes' clock showed this."""
        found = self._instants.get(shown)
        if found is None:
            found = self._instants[shown] = self._clock.instants(shown)
        return found

    def around(self, shown: int, before: float, after: float, kinds: Collection[str] | None = None) -> bool:
        """Return whether a fault was injected within some seconds of an instant from the ledger."""
        return any(
            self.near(at - int(before * SECOND), at + int(after * SECOND), kinds)
            for at in self.instants(shown)
        )


def _longest_between(times: Iterable[tuple[int, int]], begin: int, end: int) -> int:
    """Return for how long none of some times was, at most, between two instants."""
    longest, free = 0, begin
    for first, last in times:
        if first < end and last > free:
            longest, free = max(longest, first - free), last
    return max(longest, end - free)


def _shut_out(history: History) -> Iterator[Fault]:
    """Yield when processes could not write, as they say, since others did while each commit took long.

    Who waits for the lock of a file may wait in vain, and the others see no heartbeat of it meanwhile.
    """
    slow = [fault for fault in history.faults if fault.kind == "busy"]
    for life in history.lives if slow else ():
        answers = _said_at(life, _ANSWERS)
        for said in _said_at(life, _LOCKED):
            begin, end = said - _PATIENCE, min((at for at in answers if at > said), default=life.end)
            if any(fault.begin <= said and fault.end >= begin for fault in slow):
                yield Fault("silenced", life.pid, begin, end)


def _froze_with_the_ledger(fault: Fault, lives: Iterable[Life]) -> bool:
    """Return whether a process was parted inside of a transaction: then no other process could write.

    Others say so when they have waited for five seconds.
    """
    if fault.kind not in PARTED:
        return False
    waited = [at for life in lives if life.pid != fault.pid for at in _said_at(life, _LOCKED)]
    return any(fault.begin + 3 * SECOND <= at <= fault.end + 3 * SECOND for at in waited)


def _said_at(life: Life, what: re.Pattern[str]) -> list[int]:
    """Return when a process said something."""
    said = [datetime.fromisoformat(time) for time in what.findall(life.log)]
    up = _UP.search(life.log)
    if life.ready is not None and up is not None:
        known, instant = datetime.fromisoformat(up[1]), life.ready
    else:
        times = [datetime.fromisoformat(time) for time in _TIMED.findall(life.log)]
        known, instant = min(times, default=datetime.min), life.begin
    return [instant + (at - known) // timedelta(microseconds=1) for at in said]


def name(row: Row) -> str:
    """Return how a row is called in a sentence."""
    if row["tick_us"] is None:
        return f"{row['job_id']}: {row['kind']} run {row['run_id']}"
    return f"{row['job_id']}: tick {row['tick_us']}"
