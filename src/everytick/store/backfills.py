"""Backfills: requests for runs of past ticks, from which runs are made little by little.

A backfill has its ticks from the schedule as it was when somebody asked, and a mark up to which their runs
are made. The mark is moved by the transaction that makes the runs, so each tick has one run of it, however
many processes and crashes there are. From there on the run is one like any other: claimed once, tried again
as its job says. The watermark of the job, and its own ticks, are not touched.

At most as many of its runs as it may have at once are not over. These do not count for `max_instances` of
the job. Each function is called inside of a transaction, unless it says otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, NamedTuple

from everytick.masking import masked
from everytick.model import ticks
from everytick.model.schedule import Schedule, known_from_text
from everytick.text.wording import storable

from . import backfill_statements as sql
from . import pauses
from .connections import Connection

# More ticks are most likely not meant.
MOST = 100_000
# How many ticks, and how many rows of them, are looked at together: other transactions wait for that.
_PIECE, _ROWS = 500, 5_000
# Excluded days are counted for some weeks at once.
_SPAN = 60 * ticks.DAY
_MINUTE = 60 * ticks.SECOND
# So much of what its rate would have allowed may be made up for, when nobody looked.
_MADE_UP_FOR = ticks.SECOND

_REMOVED = "its job was removed from the schedule"


@dataclass(frozen=True)
class Wanted:
    """Which ticks of a job are wanted; instants are microseconds UTC, both ends are included.

    schedule_data: the job's schedule as JSON. only_missed: only those that are on record and did not succeed.
    """

    job_id: str
    schedule_data: str
    begin: int
    until: int
    only_missed: bool

    @property
    def schedule(self) -> Schedule | None:
        """The schedule; None if this machine does not know its zone."""
        return known_from_text(self.schedule_data)


@dataclass(frozen=True)
class Backfill:
    """A backfill as it is on record.

    rate: how many runs begin in a minute at most; None for as many as can. upto: up to where its runs are
    made. next: when its next run may be made.
    """

    number: int
    wanted: Wanted
    rate: int | None
    max_instances: int
    state: str
    upto: int
    next: int


class Running(NamedTuple):
    """A backfill that goes on.

    is_whole: whether all its runs are made. next: when it may make one; None while its job is paused.
    """

    number: int
    job_id: str
    max_instances: int
    is_whole: bool
    next: int | None

    def is_ready(self, connection: Connection) -> bool:
        """Return whether it may make a run now, or be ended. Needs no transaction."""
        if self.is_whole:
            return not count_open(connection, self.number)
        is_due = self.next is not None and self.next <= ticks.now()
        return is_due and count_open(connection, self.number) < self.max_instances


class Unfinished(NamedTuple):
    """A backfill that goes on.

    to_be_made: how many of its runs are still to be made. open: how many are made, and not over.
    is_held: whether it makes none now, since its job is paused or disabled.
    """

    backfill: Backfill
    to_be_made: int
    open: int
    is_held: bool


class Count(NamedTuple):
    """How many ticks are wanted, and the first and last of them. `number` is None if there are too many."""

    number: int | None
    first: int | None = None
    last: int | None = None


def count(connection: Connection, wanted: Wanted, schedule: Schedule, check: Callable[[], object]) -> Count:
    """Return how many ticks are wanted, at most `MOST`. Needs no transaction, and writes nothing.

    check: called again and again; it raises to end the counting.
    """
    if not wanted.only_missed:
        return _count_all(wanted, schedule, check)
    number, after = 0, wanted.begin - 1
    first: int | None = None
    last: int | None = None
    while after < wanted.until:
        check()
        found, after = _next(connection, wanted, schedule, after, _PIECE)
        number += len(found)
        if number > MOST:
            return Count(None)
        if found:
            first, last = found[0] if first is None else first, found[-1]
    return Count(number, first, last)


def _count_all(wanted: Wanted, schedule: Schedule, check: Callable[[], object]) -> Count:
    after, until = wanted.begin - 1, wanted.until
    number = ticks.count(schedule.ticks, after, until, MOST, check)
    if number is None:
        number = 0
        while after < until and number <= MOST:
            end = min(until, after + _SPAN)
            counted = ticks.count(schedule.ticks, after, end, MOST, check)
            if counted is None:
                for _tick in islice(_all(schedule, after, end), MOST):
                    check()
                    counted = (counted or 0) + 1
            number += counted or 0
            after = end
    if number > MOST:
        return Count(None)
    if not number:
        return Count(0)
    last = ticks.newest(schedule.ticks, wanted.begin - 1, until, 1, check)
    return Count(number, schedule.next_tick(wanted.begin - 1), last[0])


def overlapping(connection: Connection, wanted: Wanted) -> int | None:
    """Return a backfill of the same job that goes on, and has times in common with the wanted ones."""
    values = {"job_id": wanted.job_id, "begin": wanted.begin, "until": wanted.until}
    row = connection.execute(sql.FIND_OVERLAPPING, values).fetchone()
    return None if row is None else int(row[0])


def ask(
    connection: Connection,
    wanted: Wanted,
    number: int,
    rate: int | None,
    max_instances: int,
    who: str,
    note: str | None,
) -> int:
    """Put a backfill on record that has this number of ticks; return its own number."""
    values = {
        "job_id": wanted.job_id,
        "schedule_data": wanted.schedule_data,
        "begin": wanted.begin,
        "until": wanted.until,
        "only_missed": int(wanted.only_missed),
        "count": number,
        "rate": rate,
        "max_instances": max_instances,
        "upto": wanted.begin - 1,
        "now": ticks.now(),
        "who": storable(masked(who)),
        "note": None if note is None else storable(masked(note)),
    }
    return int(connection.execute(sql.INSERT, values).fetchone()[0])


def read(connection: Connection, number: int) -> Backfill | None:
    """Return a backfill, which nobody else changes until this transaction, of `Scope.RARE`, has ended."""
    return _backfill(connection.execute(sql.READ_TO_CHANGE, {"backfill_id": number}).fetchone())


def stop(connection: Connection, number: int) -> None:
    """Let a backfill make no more runs; those that are made go on."""
    _put(connection, number, "stopped")


def go_on(connection: Connection, number: int) -> None:
    """Let a backfill that was stopped go on where it was."""
    _put(connection, number, "running")


def running(connection: Connection) -> list[Running]:
    """Return the backfills that go on. Needs no transaction."""
    rows = connection.execute(sql.LIST_RUNNING, {"now": ticks.now()}).fetchall()
    return [Running(*row) for row in rows]


def unfinished(connection: Connection, one: Running) -> Unfinished | None:
    """Return what is left of a backfill; None if its ticks cannot be computed here. Needs no transaction."""
    it = _backfill(connection.execute(sql.READ, {"backfill_id": one.number}).fetchone())
    if it is None or (schedule := it.wanted.schedule) is None:
        return None
    left: int | None = 0
    if it.upto < it.wanted.until:
        left = count(connection, replace(it.wanted, begin=it.upto + 1), schedule, lambda: None).number
    return Unfinished(it, MOST if left is None else left, count_open(connection, it.number), one.next is None)


def count_open(connection: Connection, number: int) -> int:
    """Return how many runs of a backfill are not over. Needs no transaction."""
    values = {"backfill_id": number, "now": ticks.now()}
    return int(connection.execute(sql.COUNT_OPEN, values).fetchone()[0])


def make_runs(connection: Connection, number: int) -> bool:
    """Make the next runs of a backfill, as many as may begin now, for any process that serves their queue.

    Or end it, where all its runs are over. Returns whether there is more to do at once.
    """
    it = _backfill(connection.execute(sql.TAKE, {"backfill_id": number}).fetchone())
    now = ticks.now()
    if it is None or (schedule := it.wanted.schedule) is None:
        return False
    job = pauses.read(connection, it.wanted.job_id)
    if job is None or job.removed is not None:
        _put(connection, number, "stopped", why=_REMOVED)
        return False
    free = it.max_instances - count_open(connection, number)
    if it.upto >= it.wanted.until:
        if free == it.max_instances:
            _put(connection, number, "finished")
        return False
    if it.next > now or free <= 0 or job.is_paused(now):
        return False
    most, first = allowed(it, now)
    found, upto = _next(connection, it.wanted, schedule, it.upto, min(free, most))
    sql.INSERT_RUNS.execute(
        connection, [(tick,) for tick in found], job_id=job.job_id, backfill_id=number, now=now
    )
    after = first + len(found) * interval(it) if found else it.next
    values = {"backfill_id": number, "upto": upto, "next": after, "made": len(found)}
    connection.execute(sql.ADVANCE, values)
    return len(found) < min(free, most)


def allowed(it: Backfill, now: int) -> tuple[int, int]:
    """Return how many runs the rate allows now, and from when on that is counted. Pure."""
    first = max(it.next, now - _MADE_UP_FOR)
    return (it.max_instances, now) if it.rate is None else (1 + (now - first) // interval(it), first)


def interval(it: Backfill) -> int:
    """Return how long after one run the next may begin, by the rate. Pure."""
    return 0 if it.rate is None else _MINUTE // it.rate


def _next(
    connection: Connection, wanted: Wanted, schedule: Schedule, after: int, most: int
) -> tuple[list[int], int]:
    """Return the next wanted ticks, at most `most`, and up to where it was looked for them.

    That is the last wanted time, if there are no more. They may be fewer although there are more.
    """
    if not wanted.only_missed:
        found = list(islice(_all(schedule, after, wanted.until), most))
        return found, found[-1] if len(found) == most else wanted.until
    values = {"job_id": wanted.job_id, "after": after, "until": wanted.until, "piece": _ROWS}
    row = connection.execute(sql.END_OF_PIECE, values).fetchone()
    end = wanted.until if row is None else row[0]
    asked = list(islice(_on_record(connection, wanted, schedule, after, end), _PIECE))
    settled = {
        tick
        for (tick,) in sql.LIST_SETTLED.execute(
            connection, [(tick,) for tick in asked], job_id=wanted.job_id, now=ticks.now()
        )
    }
    left = [tick for tick in asked if tick not in settled]
    if len(left) > most:
        return left[:most], left[most - 1]
    return left, asked[-1] if len(asked) == _PIECE else end


def _all(schedule: Schedule, after: int, until: int) -> Iterator[int]:
    """Yield the ticks after an instant, up to another one."""
    tick = schedule.next_tick(after)
    while tick is not None and tick <= until:
        yield tick
        tick = schedule.next_tick(tick)


def _on_record(
    connection: Connection, wanted: Wanted, schedule: Schedule, after: int, until: int
) -> Iterator[int]:
    """Yield the ticks after an instant, up to another one, that are on record as not succeeded."""
    values = {"job_id": wanted.job_id, "after": after, "until": until}
    rows = connection.execute(sql.LIST_NOT_SUCCEEDED, values).fetchall()
    before = connection.execute(sql.ROW_UP_TO, {"job_id": wanted.job_id, "after": after}).fetchone()
    if before is not None and before[1] is not None:
        # A range that began before.
        rows.insert(0, (after + 1, before[1]))
    for first, last in rows:
        for tick in _all(schedule, max(after, first - 1), min(first if last is None else last, until)):
            after = tick
            yield tick


def _put(connection: Connection, number: int, state: str, why: str | None = None) -> None:
    now = ticks.now()
    ended = None if state == "running" else now
    values = {"backfill_id": number, "state": state, "ended": ended, "why": why, "now": now}
    connection.execute(sql.PUT, values)


def _backfill(row: Any) -> Backfill | None:
    if row is None:
        return None
    number, job_id, data, begin, until, only_missed, rate, max_instances, state, upto, after = row
    wanted = Wanted(job_id, data, begin, until, bool(only_missed))
    return Backfill(number, wanted, rate, max_instances, state, upto, after)
