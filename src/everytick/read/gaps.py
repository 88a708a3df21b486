"""The times between processes: no scheduler was there, as the ledger's record of their ends shows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from everytick.model import ticks
from everytick.store.bulk import Bulk
from everytick.store.querying import Reader

from .processes import read_processes

# The most processes that are looked at, the newest first, and the most jobs times gaps that are asked about.
_MOST_PROCESSES, _MOST_ASKED = 5_000, 100_000

# Workers claim no ticks. By scheduler_past_processes_ended; the last row is the last end before the span.
_ENDED = """
SELECT started_us, ended_us FROM scheduler_past_processes
WHERE COALESCE(role, '') <> 'worker' AND ended_us >= COALESCE((
    SELECT max(ended_us) FROM scheduler_past_processes
    WHERE COALESCE(role, '') <> 'worker' AND ended_us < :since), 0) AND ended_us <= :forever
ORDER BY ended_us DESC LIMIT :most
"""
_COUNT_JOBS = "SELECT count(*) FROM scheduler_jobs"
# By the unique index of job and tick: few rows, since ticks that did not run are one row together.
_LATE = Bulk(
    """
SELECT given.begun, (
    SELECT count(*) FROM scheduler_jobs AS job CROSS JOIN scheduler_runs AS run
    WHERE run.job_id = job.job_id AND run.tick_us >= given.begun AND run.tick_us < given.over
    AND run.due_us < given.over AND run.started_us >= given.over) AS late
FROM GIVEN AS given
""",
    begun="bigint",
    over="bigint",
)


class Gap(NamedTuple):
    """A time in which no scheduler was there: two instants, in microseconds UTC."""

    begin: int
    end: int


def gaps(connection: Reader, since: int, until: int, apart: int) -> list[Gap]:
    """Return the gaps that are over and of which a part lies in [since, until), the earliest first.

    Those that are less than `apart` from each other are one, as where a process began and ended at once.
    """
    values = {"since": since, "forever": ticks.FOREVER, "most": _MOST_PROCESSES}
    spans = [
        (row.started_us, row.ended_us)
        for row in connection.rows(_ENDED, values)
        # A file takes anything in any column.
        if isinstance(row.started_us, int) and isinstance(row.ended_us, int)
    ]
    spans += [
        (one.started, ticks.FOREVER if one.is_up else one.beat)
        for one in read_processes(connection)
        if one.role.claims
    ]
    found: list[Gap] = []
    reached: int | None = None
    for started, ended in sorted(spans):
        if reached is not None and started > reached:
            if found and reached - found[-1].end < apart:
                found[-1] = Gap(found[-1].begin, started)
            else:
                found.append(Gap(reached, started))
        reached = ended if reached is None else max(reached, ended)
    return [gap for gap in found if gap.end > since and gap.begin < until]


def caught_up(connection: Reader, found: Sequence[Gap]) -> dict[int, int]:
    """Return by the begin of each gap how many ticks in it ran once a scheduler was back.

    Old ones of very many are left out.
    """
    jobs = connection.value(_COUNT_JOBS) or 0 if found else 0
    most = max(1, _MOST_ASKED // max(1, jobs))
    statement = _LATE.given(connection.plain, found[-most:])
    return {row.begun: row.late for row in (connection.rows(*statement) if statement else ())}
