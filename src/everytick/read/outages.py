"""When no scheduler was running, as far as that cost ticks; quick with ten million runs.

The ledger keeps when each process began and ended. Where it does not, as before version 0008 and where a
whole machine was suspended, two things show an outage: for a while nothing was written down that ended, and
what was written next are ticks that fell into an outage, or were coalesced by a start. What a person's
command wrote meanwhile, such as the ticks before a pause, shows no scheduler.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import TYPE_CHECKING, Any

from everytick.model import ticks
from everytick.store.bulk import Bulk
from everytick.store.querying import Reader
from everytick.text.instants import iso, short, typed
from everytick.text.wording import counted

from .gaps import caught_up, gaps
from .processes import WROTE_BY_SCHEDULER

if TYPE_CHECKING:
    from . import trouble_schemas

# No silence shorter than this is told, and in a long span none that is shorter than so small a part of it.
_SHORTEST, _PARTS = 60 * ticks.SECOND, 2_000
# By then after its first outcome a scheduler that came back has written down all ticks that were missed.
_SETTLED = 30 * ticks.SECOND

# The times between two ends of runs that are further apart than `least`, and the missed ticks that were
# written down right behind each of them, if any were; and in it: a person's command may have accounted for
# some. The tables themselves: a view reads every column of each row to check it.
#
# The ends are found in steps along the index scheduler_runs_ended: each goes to the last end within the
# length `least` or, where there is none, to the next one. So the number of runs does not count. No max() and
# min(): SQLite would read all that lies between. In a row that cannot be read the end may be text, which is
# above all numbers.
#
# A tick that was claimed and waited for a worker has an attempt. The reason is compared as an expression: by
# the column itself SQLite would make an index of all runs first.
_WROTE = WROTE_BY_SCHEDULER.replace("FROM scheduler_", "FROM main.scheduler_")
_COALESCED = """
runs.reason || '' = 'coalesced' AND COALESCE(runs.last_tick_us, runs.tick_us) > silence.begun
AND COALESCE(runs.last_tick_us, runs.tick_us) < silence.over
"""
_NUMBER = "COALESCE(runs.tick_count, CASE WHEN runs.last_tick_us IS NOT NULL THEN 2 ELSE 1 END)"
_SILENCES = f"""
WITH RECURSIVE walk (here, before) AS (
    SELECT first.here, first.here FROM (SELECT COALESCE((
        SELECT finished_us FROM main.scheduler_runs AS runs
        WHERE {_WROTE} AND finished_us <= :since - :least ORDER BY finished_us DESC LIMIT 1
    ), CAST(0 AS BIGINT)) AS here) AS first
    UNION ALL
    SELECT COALESCE((
        SELECT finished_us FROM main.scheduler_runs AS runs
        WHERE {_WROTE} AND finished_us > walk.here AND finished_us <= walk.here + :least
        ORDER BY finished_us DESC LIMIT 1
    ), (
        SELECT finished_us FROM main.scheduler_runs AS runs
        WHERE {_WROTE} AND finished_us > walk.here AND finished_us <= {ticks.FOREVER}
        ORDER BY finished_us LIMIT 1
    )), walk.here
    FROM walk WHERE walk.here < :until
), silence (begun, over) AS (
    SELECT before, here FROM walk WHERE here - before > :least
)
"""
_GAP = "WITH silence (begun, over) AS (SELECT CAST(:begin AS BIGINT), CAST(:end AS BIGINT))"
_ROWS = f"""
FROM silence JOIN main.scheduler_runs AS runs
  ON runs.finished_us > silence.begun AND runs.finished_us <= silence.over + {_SETTLED}
WHERE (runs.reason || '' = 'outage' OR {_COALESCED}) AND runs.attempt < 1
"""
_MISSED = f"""
SELECT silence.begun, silence.over, min(runs.tick_us) AS first, sum({_NUMBER}) AS missed,
       sum(CASE WHEN {_COALESCED} THEN {_NUMBER} ELSE 0 END) AS coalesced,
       max(CASE WHEN runs.last_tick_us IS NOT NULL AND runs.tick_count IS NULL THEN 1 ELSE 0 END)
           AS uncounted,
       count(DISTINCT runs.job_id) AS jobs
{_ROWS}
GROUP BY silence.begun, silence.over ORDER BY silence.over
"""
_MISSED_IN_GAPS = Bulk(
    f"WITH silence (begun, over) AS (SELECT begun, over FROM GIVEN AS given) {_MISSED}",
    begun="bigint",
    over="bigint",
)
_JOBS = f"SELECT DISTINCT runs.job_id {_ROWS}"

# Of a process that was at work. The end of a run that was lost is written by another one.
_RAN = f"process_id IS NOT NULL AND state <> 'lost' AND {WROTE_BY_SCHEDULER}"
_LAST_BEFORE = f"""
SELECT process_id FROM scheduler_runs AS runs WHERE finished_us <= :begun AND {_RAN}
ORDER BY finished_us DESC LIMIT 1
"""
_FIRST_AFTER = f"""
SELECT process_id FROM scheduler_runs AS runs WHERE finished_us >= :over AND {_RAN}
ORDER BY finished_us LIMIT 1
"""
_BEGAN = "SELECT process_id FROM scheduler_processes WHERE started_us BETWEEN :begun AND :settled LIMIT 1"


@dataclass(frozen=True)
class Outage:
    """A time in which no scheduler was running, and ticks were missed or late. Instants are microseconds UTC.

    start: when the last one ended; where that is not known, the first tick that nobody claimed.
    end: when one came back. missed: how many ticks did not run; `at_least`: some are not counted yet.
    coalesced: how many of them were coalesced, since a newer one ran. jobs: how many jobs they are of.
    late: how many others ran once one was back, where the ledger knows when it was down. first: the first
    tick that was missed; it may have been due before, where nobody claimed it.
    """

    start: int
    end: int
    missed: int
    jobs: int
    at_least: bool = False
    coalesced: int = 0
    late: int = 0
    first: int | None = field(default=None, compare=False)

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
        if self.first is not None and self.begins_earlier:
            missed += f", the first of {short(self.first, zone, now)}"
        if self.late and not self.missed:
            missed += f", {self.late:,} ran late"
        return f"no scheduler was running from {begin} to {end}: {missed}"

    def as_json(self) -> trouble_schemas.Outage:
        """Return it for programs."""
        return {
            "begin": iso(self.start),
            "end": iso(self.end),
            "missed": self.missed,
            "at_least": self.at_least,
            "coalesced": self.coalesced,
            "jobs": self.jobs,
            "late": self.late,
            "first_tick": iso(self.first),
        }

    @property
    def is_told(self) -> bool:
        """Whether people are told of it unasked: it took long, or cost a tick for which no newer one ran.

        A new version that takes the place of the old one within seconds makes some ticks late.
        """
        return self.end - self.start >= _SHORTEST or self.missed > self.coalesced

    @property
    def begins_earlier(self) -> bool:
        """Whether a tick was missed that was due before it."""
        return self.first is not None and self.first < self.start

    def listing(self, zone: tzinfo) -> str:
        """Return the command that lists the ticks which were missed, without the name of the application."""
        since = self.start if self.first is None else min(self.start, self.first)
        begin, end = (typed(it // ticks.SECOND * ticks.SECOND, zone) for it in (since, self.end))
        return f"runs --missed --since {begin} --until {end}"


def outages(connection: Reader, since: int, until: int) -> list[Outage]:
    """Return those of `all_outages` that people are told of unasked."""
    return [outage for outage in all_outages(connection, since, until) if outage.is_told]


def all_outages(connection: Reader, since: int, until: int) -> list[Outage]:
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


def _between_processes(connection: Reader, since: int, until: int) -> list[Outage]:
    """Return the outages that show in when processes began and ended."""
    without = gaps(connection, since, until, _SETTLED)
    late = caught_up(connection, without)
    statement = _MISSED_IN_GAPS.given(connection.plain, without)
    missed = {row.begun: row for row in (connection.rows(*statement) if statement else ())}
    found = []
    for gap in without:
        if gap.begin in missed:
            found.append(_outage(missed[gap.begin], gap.begin, late.get(gap.begin, 0)))
        elif late.get(gap.begin):
            found.append(Outage(gap.begin, gap.end, missed=0, jobs=0, late=late[gap.begin]))
    return [outage for outage in found if outage.start < until]


def _by_silence(connection: Reader, since: int, until: int) -> list[Outage]:
    """Return the outages that show in the ends of runs."""
    silence = max(_SHORTEST, (until - since) // _PARTS)
    rows = connection.rows(_SILENCES + _MISSED, {"since": since, "until": until, "least": silence})
    found = [
        # A job may have had no process that knew it for longer, while schedulers ran all others.
        _outage(row, max(int(row.begun), int(row.first)))
        for row in rows
        # Ticks that are written down behind a silence may be those of a shorter outage that came then.
        if row.first < row.over and (row.missed > row.coalesced or _is_start(connection, row))
        # Before its first outcome a ledger knows of no scheduler: what the first start missed is no outage.
        if row.begun or row.over - row.first >= _SHORTEST
    ]
    return [outage for outage in found if outage.start < until and outage.end > since]


def affecting(connection: Reader, found: Iterable[Outage], job_ids: Collection[str]) -> list[Outage]:
    """Return those of some outages in which any of these jobs missed a tick."""
    return [outage for outage in found if not _jobs_of(connection, outage).isdisjoint(job_ids)]


def _jobs_of(connection: Reader, outage: Outage) -> set[str]:
    """Return the jobs that missed ticks in an outage; few rows, since they were written down behind it."""
    return set(connection.values(_GAP + _JOBS, {"begin": outage.start - 1, "end": outage.end}))


def outage_of(connection: Reader, row: Any) -> Outage | None:
    """Return the outage into which the skipped ticks of a row fell, if it is over and can be told."""
    last = row.tick_us if row.last_tick_us is None else row.last_tick_us
    found = all_outages(connection, row.tick_us, last + 1)
    return next((outage for outage in found if outage.start <= last and row.tick_us < outage.end), None)


def _is_start(connection: Reader, silence: Any) -> bool:
    """Return whether another process was at work after a silence than before it, or began behind it.

    A process whose event loop was blocked coalesces ticks too.
    """
    span = {"begun": silence.begun, "over": silence.over, "settled": silence.over + _SETTLED}
    if connection.value(_BEGAN, span) is not None:
        return True
    last, first = (connection.value(query, span) for query in (_LAST_BEFORE, _FIRST_AFTER))
    return None not in (first, last) and first != last


def _outage(row: Any, start: int, late: int = 0) -> Outage:
    return Outage(
        start,
        int(row.over),
        int(row.missed),
        int(row.jobs),
        bool(row.uncounted),
        int(row.coalesced),
        late,
        int(row.first),
    )
