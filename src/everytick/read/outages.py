"""When no scheduler was running, as far as that cost ticks; quick with ten million runs.

The ledger keeps when each process began and ended. Where it does not, as before version 0008 and where a
whole machine was suspended, two things show an outage: for a while nothing was written down that ended, and
what was written next are ticks that fell into an outage, or were coalesced by a start. What a person's
command wrote meanwhile, such as the ticks before a pause, shows no scheduler.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import tzinfo
from typing import Any

from everytick.model import ticks
from everytick.store import schema
from everytick.store.unreadable import unchecked
from everytick.text.instants import iso, short, typed
from everytick.text.wording import counted
from sqlalchemy import (
    CTE,
    BigInteger,
    ColumnElement,
    Connection,
    Select,
    and_,
    case,
    func,
    literal,
    or_,
    select,
)

from . import schemas
from .gaps import caught_up, gaps
from .processes import wrote_by_scheduler

_runs = schema.runs.c
# No silence shorter than this is told, and in a long span none that is shorter than so small a part of it.
_SHORTEST, _PARTS = 60 * ticks.SECOND, 2_000
# By then after its first outcome a scheduler that came back has written down all ticks that were missed.
_SETTLED = 30 * ticks.SECOND


@dataclass(frozen=True)
class Outage:
    """A time in which no scheduler was running, and ticks were missed or late. Instants are microseconds UTC.

    start: when the last one ended; where that is not known, the first tick that nobody claimed.
    end: when one came back. missed: how many ticks did not run; `at_least`: some are not counted yet.
    coalesced: how many of them were coalesced, since a newer one ran. jobs: how many jobs they are of.
    late: how many others ran once one was back, where the ledger knows when it was down.
    """

    start: int
    end: int
    missed: int
    jobs: int
    at_least: bool = False
    coalesced: int = 0
    late: int = 0

    @property
    def recorded_until(self) -> int:
        """By when after its end all ticks that were missed were written down."""
        return self.end + _SETTLED

    def sentence(self, zone: tzinfo, now: int) -> str:
        """Return it as a sentence without its full stop; times are in a zone that the reader knows."""
        begin, end = short(self.start, zone, now), short(self.end, zone, now)
        least = "at least " if self.at_least else ""
        missed = f"{least}{counted(self.missed, 'tick')} missed" if self.missed else "no tick missed"
        if self.coalesced:
            some = "all" if self.coalesced == self.missed else f"{self.coalesced} of them"
            missed += f", {some} coalesced since a newer one ran"
        if self.late and not self.missed:
            missed += f", {self.late:,} ran late"
        return f"no scheduler was running from {begin} to {end}: {missed}"

    def as_json(self) -> schemas.Outage:
        """Return it for programs."""
        return {
            "begin": iso(self.start),
            "end": iso(self.end),
            "missed": self.missed,
            "at_least": self.at_least,
            "coalesced": self.coalesced,
            "jobs": self.jobs,
            "late": self.late,
        }

    def since_typed(self, zone: tzinfo) -> str:
        """Return its beginning as an option takes it."""
        return typed(self.start, zone)


def outages(connection: Connection, since: int, until: int) -> list[Outage]:
    """Return the outages that are over and of which a part lies in [since, until), the earliest first.

    Instants are microseconds UTC. Where the ledger does not know when processes began and ended, none is
    told that was shorter than a minute, or than a two-thousandth of the span that is asked for: so the cost
    does not grow with the span either.
    """
    found = _between_processes(connection, since, until)
    shown = [
        one
        for one in _by_silence(connection, since, until)
        if not any(one.start <= other.recorded_until and other.start <= one.end for other in found)
    ]
    return sorted([*found, *shown], key=lambda outage: outage.end)


def _between_processes(connection: Connection, since: int, until: int) -> list[Outage]:
    """Return the outages that show in when processes began and ended."""
    found = []
    for gap, late in caught_up(connection, gaps(connection, since, until, _SETTLED)):
        begin, end = (literal(instant, BigInteger) for instant in gap)
        one = select(begin.label("begin"), end.label("end")).cte("silence")
        row = connection.execute(_missed(one), execution_options=unchecked(connection)).first()
        if row is not None:
            found.append(_outage(row, gap.begin, late))
        elif late:
            found.append(Outage(gap.begin, gap.end, missed=0, jobs=0, late=late))
    return [outage for outage in found if outage.start < until]


def _by_silence(connection: Connection, since: int, until: int) -> list[Outage]:
    """Return the outages that show in the ends of runs."""
    silence = max(_SHORTEST, (until - since) // _PARTS)
    rows = connection.execute(
        _missed(_silences(since, until, silence)), execution_options=unchecked(connection)
    )
    found = [
        # A job may have had no process that knew it for longer, while schedulers ran all others.
        _outage(row, max(int(row.begin), int(row.first)))
        for row in rows
        # Ticks that are written down behind a silence may be those of a shorter outage that came then.
        if row.first < row.end and (row.missed > row.coalesced or _is_start(connection, row))
    ]
    return [outage for outage in found if outage.start < until]


def outage_of(connection: Connection, row: Any) -> Outage | None:
    """Return the outage into which the skipped ticks of a row fell, if it is over and can be told."""
    last = row.tick_us if row.last_tick_us is None else row.last_tick_us
    found = outages(connection, row.tick_us, last + 1)
    return next((outage for outage in found if outage.start <= last and row.tick_us < outage.end), None)


def _is_start(connection: Connection, silence: Any) -> bool:
    """Return whether another process was at work after a silence than before it, or began behind it.

    A process whose event loop was blocked coalesces ticks too.
    """
    processes = schema.processes.c
    began = processes.started_us.between(silence.begin, silence.end + _SETTLED)
    if connection.scalar(select(processes.process_id).where(began).limit(1)) is not None:
        return True
    # The end of a run that was lost is written by another process.
    ran = (_runs.process_id.is_not(None), _runs.state != "lost", wrote_by_scheduler())
    before = select(_runs.process_id).where(_runs.finished_us <= silence.begin, *ran)
    after = select(_runs.process_id).where(_runs.finished_us >= silence.end, *ran)
    last = connection.scalar(before.order_by(_runs.finished_us.desc()).limit(1))
    first = connection.scalar(after.order_by(_runs.finished_us).limit(1))
    return None not in (first, last) and first != last


def _silences(since: int, until: int, least: int) -> CTE:
    """Return the times between two ends of runs that are further apart than `least`: `begin` and `end`.

    They are found in steps along the index scheduler_runs_ended: each goes to the last end within the
    length `least` or, where there is none, to the next one. So the number of runs does not count.
    """
    ended: ColumnElement[Any] = _runs.finished_us
    # Of schedulers alone.
    wrote = select(ended).where(wrote_by_scheduler())
    before = wrote.where(ended <= since - least).order_by(ended.desc()).limit(1).scalar_subquery()
    first = func.coalesce(before, literal(0, BigInteger))
    walk = select(first.label("at"), first.label("before")).cte("walk", recursive=True)
    # No max() and min(): SQLite would read all that lies between.
    near = wrote.where(ended > walk.c.at, ended <= walk.c.at + least).order_by(ended.desc()).limit(1)
    # In a row that cannot be read it may be text, which is above all numbers.
    next_one = wrote.where(ended > walk.c.at, ended <= ticks.FOREVER).order_by(ended).limit(1)
    step = func.coalesce(near.scalar_subquery(), next_one.scalar_subquery())
    walk = walk.union_all(select(step, walk.c.at).where(walk.c.at < until))
    apart = select(walk.c.before.label("begin"), walk.c.at.label("end"))
    return apart.where(walk.c.at - walk.c.before > least).cte("silence")


def _missed(silence: CTE) -> Select[Any]:
    """Return the query for the missed ticks that were written down right behind each silence, if any were.

    And in it: a person's command may have accounted for some.
    """
    behind = and_(_runs.finished_us > silence.c.begin, _runs.finished_us <= silence.c.end + _SETTLED)
    # A tick that was claimed and waited for a worker has an attempt. The reason is compared as an expression:
    # by the column itself SQLite would make an index of all runs first.
    reason = _runs.reason.concat("")
    last = func.coalesce(_runs.last_tick_us, _runs.tick_us)
    is_coalesced = and_(reason == "coalesced", last > silence.c.begin, last < silence.c.end)
    is_missed = and_(or_(reason == "outage", is_coalesced), _runs.attempt < 1)
    is_range = _runs.last_tick_us.is_not(None)
    number = func.coalesce(_runs.tick_count, case((is_range, 2), else_=1))
    uncounted = case((and_(is_range, _runs.tick_count.is_(None)), 1), else_=0)
    return (
        select(
            silence.c.begin,
            silence.c.end,
            func.min(_runs.tick_us).label("first"),
            func.sum(number).label("missed"),
            func.sum(case((is_coalesced, number), else_=0)).label("coalesced"),
            func.max(uncounted).label("uncounted"),
            func.count(_runs.job_id.distinct()).label("jobs"),
        )
        .join_from(silence, schema.runs, behind)
        .where(is_missed)
        .group_by(silence.c.begin, silence.c.end)
        .order_by(silence.c.end)
    )


def _outage(row: Any, start: int, late: int = 0) -> Outage:
    return Outage(
        start, int(row.end), int(row.missed), int(row.jobs), bool(row.uncounted), int(row.coalesced), late
    )
