"""What the runs of a job log, while they go on."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from everytick.store.database import Ledger
from everytick.store.querying import Reader

from .completions import CompletionFeed
from .following import ended_since, looks
from .job_ids import check_job
from .run_columns import RUN
from .run_details import details_of
from .run_filter import HELD, RUN_STATES, WAITING, RunFilter

if TYPE_CHECKING:
    from .schemas import RunDetails

# As `engine.capture` begins a log whose oldest lines made room.
_LEFT_OUT = re.compile(r"\((\d+) older line\(s\) left out\)\n")


@dataclass(frozen=True)
class LogPart:
    """What an attempt of a run logged since the part before; or, with an empty text, the end of the run."""

    run: RunDetails
    attempt: int
    text: str
    has_ended: bool = False


def follow_logs(ledger: Ledger, job_id: str, over: Callable[[], bool] = lambda: False) -> Iterator[LogPart]:
    """Yield what the runs of a job log, those first that are under way; and the end of each.

    Logs of a run under way are written every few seconds. Waits, and ends, as `follow` does.

    Raises:
        NotFoundError: the ledger never heard of the job.
        LedgerError: the ledger cannot be read, or is not the same file any more.
    """
    wanted = RunFilter(job_id, RUN_STATES)
    feed = CompletionFeed(None, RUN)

    def look(connection: Reader) -> list[tuple[RunDetails, bool]]:
        check_job(connection, job_id)
        ended = ended_since(ledger, feed, connection, wanted)
        over_now = {row.run_id for row in ended}
        under_way = [row for row in _under_way(connection, job_id) if row.run_id not in over_now]
        return [
            *((details_of(connection, row), True) for row in ended),
            *((details_of(connection, row), False) for row in under_way),
        ]

    told: dict[int, dict[int, str]] = {}
    for runs in looks(ledger, look, over):
        for run, has_ended in runs:
            before = told.setdefault(run["run_id"], {})
            for attempt in run["attempts"]:
                number, log = attempt["attempt"], attempt["log"] or ""
                if new := _added(before.get(number, ""), log):
                    yield LogPart(run, number, new)
                before[number] = log
            if has_ended:
                del told[run["run_id"]]
                yield LogPart(run, run["attempt"], "", has_ended=True)


def _under_way(connection: Reader, job_id: str) -> list[Any]:
    # By the partial indexes scheduler_runs_held and scheduler_runs_waiting: few rows.
    found = []
    for few in (HELD, WAITING):
        query = f"SELECT {RUN} FROM scheduler_runs WHERE {few} AND job_id = :job_id"
        found += connection.rows(query, {"job_id": job_id})
    return sorted(found, key=lambda row: row.run_id)


def _added(before: str, now: str) -> str:
    """Return what a log has more than before; of a long one the oldest lines may be gone by now."""
    if now.startswith(before):
        return now[len(before) :]
    (dropped, old), (dropped_now, new) = _lines(before), _lines(now)
    # The numbers are of log records. Each has one line or more, so that as many lines or more made room.
    first = min(dropped_now - dropped, len(old))
    # A line may come again, so that one alone does not tell where the new ones begin.
    for begin in range(max(0, first, len(old) - len(new)), len(old)):
        if old[begin] == new[0] and old[begin:] == new[: len(old) - begin]:
            return "".join(new[len(old) - begin :])
    return now


def _lines(log: str) -> tuple[int, list[str]]:
    """Return how many older ones made room, and the lines of a log."""
    left_out = _LEFT_OUT.match(log)
    if left_out is None:
        return 0, log.splitlines(keepends=True)
    return int(left_out[1]), log[left_out.end() :].splitlines(keepends=True)
