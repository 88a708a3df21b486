"""Which ticks are due for too long and have not begun, while something is up.

How long is measured with the monotonic clock, from when this process first saw the tick due: neither a time
in which nothing was up nor a clock that was set makes anything late. A newer tick in its place has waited
as long: a job of which nothing begins is late, however often another tick waits instead.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from everytick.model import ticks
from everytick.model.job import Job
from everytick.model.schedule import Schedule
from everytick.store import not_begun, pauses
from everytick.store.connections import Connection
from everytick.store.records import JobState, settled_until
from everytick.system import system

# Whether a run of a job has begun since an instant at which one was due. By the unique index of job and tick.
_HAS_BEGUN = """
SELECT 1 FROM scheduler_runs
WHERE job_id = :job_id AND started_us <= :now
  AND (tick_us >= :first_tick OR (tick_us IS NULL AND due_us >= :due))
LIMIT 1
"""


class Lateness:
    """Looks at all jobs now and then. `after` is in seconds."""

    def __init__(self, jobs: Mapping[str, Job], after: float) -> None:
        self._jobs, self._after = jobs, after
        # Per job: from which instant on it waits, and since when that is known here.
        self._since: dict[str, tuple[int, float]] = {}
        # Per job: from where, under which definition, and when it is due next.
        self._next: dict[str, tuple[int, str, int | None]] = {}

    def look(
        self, connection: Connection, known: Iterable[tuple[str, int]] = ()
    ) -> tuple[dict[str, int], list[tuple[str, int]]]:
        """Return, by job, the oldest instant that is due and has not begun, and those that are late.

        `known`: the instants on record as late, perhaps by another process, which has seen them longer.
        """
        now = system.monotonic()
        for job_id, due in known:
            if due < self._since.get(job_id, (ticks.FOREVER, now))[0]:
                self._since[job_id] = due, now
        self._since = {
            job_id: self._first(connection, job_id, due, now)
            for job_id, due in self._waiting(connection).items()
        }
        waiting = {job_id: due for job_id, (due, _since) in self._since.items()}
        late = [(job_id, due) for job_id, (due, since) in self._since.items() if now - since >= self._after]
        return waiting, late

    def _first(self, connection: Connection, job_id: str, due: int, now: float) -> tuple[int, float]:
        """Return from which instant on a job waits, and since when that is known."""
        before = self._since.get(job_id)
        if before is None or due < before[0]:
            return due, now
        if due > before[0]:
            job = self._jobs.get(job_id)
            first_tick = before[0] - (job.schedule.jitter if job is not None else 0)
            values = {"job_id": job_id, "now": ticks.now(), "first_tick": first_tick, "due": before[0]}
            if connection.execute(_HAS_BEGUN, values).fetchone():
                return due, now
        return before

    def _waiting(self, connection: Connection) -> dict[str, int]:
        now = ticks.now()
        waiting: dict[str, int] = {}
        silent: set[str] = set()
        states = pauses.read_every(connection)
        for state in states:
            try:
                if state.removed is not None or state.is_paused(now):
                    silent.add(state.job_id)
                elif state.exhausted is None:
                    due = self._next_due(state)
                    if due is not None and due <= now:
                        waiting[state.job_id] = due
            except Exception:
                # The row of one job that cannot be read, which `doctor` reports, hides no other job (R8).
                self._next.pop(state.job_id, None)
        rows = connection.execute(not_begun.COUNT_BY_JOB, {"now": now}).fetchall()
        for job_id, found in not_begun.by_job(rows).items():
            if job_id not in silent:
                waiting[job_id] = min(found.since, waiting.get(job_id, found.since))
        known = {state.job_id for state in states}
        for job_id in self._next.keys() - known:
            del self._next[job_id]
        return waiting

    def _next_due(self, state: JobState) -> int | None:
        """Return when the first tick is due that no process has claimed or skipped."""
        cached, settled = self._next.get(state.job_id), settled_until(state.watermark, state.paused_until)
        if cached is not None and cached[:2] == (settled, state.definition):
            return cached[2]
        schedule = self._schedule(state)
        first = None if schedule is None else schedule.first_due(state.job_id, settled)
        due = None if first is None else first.due
        self._next[state.job_id] = (settled, state.definition, due)
        return due

    def _schedule(self, state: JobState) -> Schedule | None:
        job = self._jobs.get(state.job_id)
        return job.schedule if job is not None and job.definition == state.definition else state.schedule()
