"""Which ticks are due for too long and have not begun, while something is up.

How long is measured with the monotonic clock, from when this process first saw the tick due: neither a time
in which nothing was up nor a clock that was set makes anything late.
"""

from __future__ import annotations

from collections.abc import Mapping

from everytick.model import ticks
from everytick.model.job import Job
from everytick.model.schedule import Schedule
from everytick.store import pauses
from everytick.store.connections import Connection
from everytick.store.records import JobState
from everytick.system import system

# By scheduler_runs_waiting and scheduler_runs_held.
_LIST_NOT_BEGUN = """
SELECT job_id, min(due_us) FROM scheduler_runs
WHERE state IN ('queued', 'retrying') AND due_us <= :now GROUP BY job_id
UNION ALL
SELECT job_id, min(due_us) FROM scheduler_runs
WHERE state IN ('claimed', 'running') AND state = 'claimed' AND due_us <= :now GROUP BY job_id
"""


class Lateness:
    """Looks at all jobs now and then. `after` is in seconds."""

    def __init__(self, jobs: Mapping[str, Job], after: float) -> None:
        self._jobs, self._after = jobs, after
        self._since: dict[tuple[str, int], float] = {}
        # Per job: from where, under which definition, and when it is due next.
        self._next: dict[str, tuple[int, str, int | None]] = {}

    def look(self, connection: Connection) -> tuple[dict[str, int], list[tuple[str, int]]]:
        """Return what is due and has not begun, by job the oldest instant, and what of it is late."""
        waiting = self._waiting(connection)
        now = system.monotonic()
        self._since = {found: self._since.get(found, now) for found in waiting.items()}
        return waiting, [found for found, since in self._since.items() if now - since >= self._after]

    def _waiting(self, connection: Connection) -> dict[str, int]:
        now = ticks.now()
        waiting: dict[str, int] = {}
        silent: set[str] = set()
        states = pauses.read_every(connection)
        for state in states:
            if state.removed is not None or state.is_paused(now):
                silent.add(state.job_id)
            elif state.exhausted is None:
                due = self._next_due(state)
                if due is not None and due <= now:
                    waiting[state.job_id] = due
        for job_id, due in connection.execute(_LIST_NOT_BEGUN, {"now": now}).fetchall():
            if job_id not in silent:
                waiting[job_id] = min(due, waiting.get(job_id, due))
        known = {state.job_id for state in states}
        for job_id in self._next.keys() - known:
            del self._next[job_id]
        return waiting

    def _next_due(self, state: JobState) -> int | None:
        """Return when the first tick is due that nobody has decided about."""
        cached = self._next.get(state.job_id)
        if cached is not None and cached[:2] == (state.watermark, state.definition):
            return cached[2]
        due = None
        schedule = self._schedule(state)
        if schedule is not None:
            tick = schedule.next_tick(state.watermark)
            due = None if tick is None else tick + ticks.jitter(state.job_id, tick, schedule.jitter)
        self._next[state.job_id] = (state.watermark, state.definition, due)
        return due

    def _schedule(self, state: JobState) -> Schedule | None:
        job = self._jobs.get(state.job_id)
        return job.schedule if job is not None and job.definition == state.definition else state.schedule()
