"""When no scheduler was running, as far as that cost ticks; quick with ten million runs.

The ledger keeps no record of it by itself. Two things show it: for a while nothing was written down that
ended, and what was written next are ticks that fell into an outage.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import tzinfo
from typing import Any

from everytick.model import ticks
from everytick.store import schema
from everytick.store.unreadable import unchecked
from everytick.text.instants import short, typed
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
    select,
)

_runs = schema.runs.c
# Shorter than this no outage is told, and in a long span none that is shorter than so small a part of it.
_SHORTEST, _PARTS = 60 * ticks.SECOND, 2_000
# By then after its first outcome a scheduler that came back has written down all ticks that were missed.
_SETTLED = 30 * ticks.SECOND


@dataclass(frozen=True)
class Outage:
    """A time in which no scheduler was running, and ticks were missed. Instants are microseconds UTC.

    start: the first tick that nobody claimed; how long before it no scheduler was running does not show.
    end: when one came back. missed: how many ticks did not run; `at_least`: some are not counted yet.
    jobs: how many jobs they are of.
    """

    start: int
    end: int
    missed: int
    jobs: int
    at_least: bool = False

    @property
    def recorded_until(self) -> int:
        """By when after its end all ticks that were missed were written down."""
        return self.end + _SETTLED

    def sentence(self, zone: tzinfo, now: int) -> str:
        """Return it as a sentence without its full stop; times are in a zone that the reader knows."""
        begin, end = short(self.start, zone, now), short(self.end, zone, now)
        least = "at least " if self.at_least else ""
        missed = f"{least}{counted(self.missed, 'tick')} missed"
        return f"no scheduler was running from {begin} to {end}: {missed}"

    def since_typed(self, zone: tzinfo) -> str:
        """Return its beginning as an option takes it."""
        return typed(self.start, zone)


def outages(connection: Connection, since: int, until: int) -> list[Outage]:
    """Return the outages that are over and of which a part lies in [since, until), the earliest first.

    Instants are microseconds UTC. None is told that was shorter than a minute, or than a two-thousandth of
    the span that is asked for: so the cost does not grow with the span either.
    """
    silence = max(_SHORTEST, (until - since) // _PARTS)
    rows = connection.execute(
        _missed(_silences(since, until, silence)), execution_options=unchecked(connection)
    )
    found = [_outage(row) for row in rows]
    return [outage for outage in found if outage.start < until]


def _silences(since: int, until: int, least: int) -> CTE:
    """Return the times between two ends of runs that are further apart than `least`: `begin` and `end`.

    They are found in steps along the index scheduler_runs_ended: each goes to the last end within the
    length `least` or, where there is none, to the next one. So the number of runs does not count.
    """
    ended: ColumnElement[Any] = _runs.finished_us
    before = select(ended).where(ended <= since - least).order_by(ended.desc()).limit(1).scalar_subquery()
    first = func.coalesce(before, literal(0, BigInteger))
    walk = select(first.label("at"), first.label("before")).cte("walk", recursive=True)
    # No max() and min(): SQLite would read all that lies between.
    near = select(ended).where(ended > walk.c.at, ended <= walk.c.at + least).order_by(ended.desc()).limit(1)
    # In a row that cannot be read it may be text, which is above all numbers.
    next_one = select(ended).where(ended > walk.c.at, ended <= ticks.FOREVER).order_by(ended).limit(1)
    step = func.coalesce(near.scalar_subquery(), next_one.scalar_subquery())
    walk = walk.union_all(select(step, walk.c.at).where(walk.c.at < until))
    apart = select(walk.c.before.label("begin"), walk.c.at.label("end"))
    return apart.where(walk.c.at - walk.c.before > least).cte("silence")


def _missed(silence: CTE) -> Select[Any]:
    """Return the query for what was written down of missed ticks right behind each silence, if anything."""
    behind = and_(_runs.finished_us >= silence.c.end, _runs.finished_us <= silence.c.end + _SETTLED)
    # A tick that was claimed and waited for a worker has an attempt. The reason is compared as an expression:
    # by the column itself SQLite would make an index of all runs first.
    of_outage = and_(_runs.reason.concat("") == "outage", _runs.attempt < 1)
    is_range = _runs.last_tick_us.is_not(None)
    number = func.coalesce(_runs.tick_count, case((is_range, 2), else_=1))
    uncounted = case((and_(is_range, _runs.tick_count.is_(None)), 1), else_=0)
    return (
        select(
            silence.c.begin,
            silence.c.end,
            func.min(_runs.tick_us).label("first"),
            func.sum(number).label("missed"),
            func.max(uncounted).label("uncounted"),
            func.count(_runs.job_id.distinct()).label("jobs"),
        )
        .join_from(silence, schema.runs, behind)
        .where(of_outage)
        .group_by(silence.c.begin, silence.c.end)
        .order_by(silence.c.end)
    )


def _outage(row: Any) -> Outage:
    # A job may have had no process that knew it for longer, while schedulers ran all others.
    start = max(int(row.begin), int(row.first))
    return Outage(start, int(row.end), int(row.missed), int(row.jobs), bool(row.uncounted))
