"""Backfills that go on, over a span: their runs are simulated beside the ticks of the schedule.

The runs of a backfill are made as the engine makes them (`store.backfills`): a few at once, as many in a
minute as its rate allows. They have a limit of their own, so they do not meet the runs of their job; but in a
group they take places as those do.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import count

from everytick.model import ticks
from everytick.model.job import Job
from everytick.store.backfills import Unfinished, allowed, interval
from everytick.store.workers import MOST_CRASHES
from everytick.text.durations import duration
from everytick.text.wording import counted

from .groups import Places, Prepared
from .results import BackfillResult
from .slots import Kind, Run


class BackfillRuns:
    """Simulates one backfill. `result` is filled by `simulate_together`."""

    def __init__(self, job: Job, length: int, unfinished: Unfinished, result: BackfillResult) -> None:
        self.job, self.result = job, result
        self._length, self._backfill = length, unfinished.backfill
        # How many of its runs are not made yet; those that are made and not over begin anew.
        self._left, self._open = unfinished.to_be_made, unfinished.open
        self._places: Places | None = None
        self._waiting: list[Run] = []
        # The runs under way, each with when it ends.
        self._running: list[tuple[int, int, Run]] = []
        self._order = count()
        # No run is made before the first of these instants, and none from the second one on.
        self._since = self._until = self._end = 0

    @property
    def to_be_walked(self) -> int:
        """How many of its runs must be looked at one by one: all."""
        return self.result.runs

    @property
    def most_places(self) -> int:
        """How many places of its group its runs hold at most; none if they take no time."""
        return min(self._backfill.max_instances, self.result.runs) if self._length else 0

    def share(self, places: Places) -> None:
        """Let its runs take places of a group, together with others."""
        self._places = places

    def start(self, begin: int, end: int) -> None:
        """Go on from `begin`; no run begins from `end` on."""
        self._since, self._end = begin, end
        self._backfill = replace(self._backfill, next=begin)
        self._waiting = [Run(None, begin) for _ in range(self._open)]

    def look_ahead(self, until: int) -> None:
        """Make runs before an instant."""
        self._until = min(until, self._end)

    def next_at(self) -> tuple[int, Kind]:
        """Return when a run ends next, or one is made, and which of them comes first at an instant."""
        ends = self._running[0][0] if self._running else ticks.FOREVER
        made = max(self._backfill.next, self._since) if self._left and self._free else ticks.FOREVER
        if made >= self._until:
            made = ticks.FOREVER
        return min((ends, Kind.END), (made, Kind.TICK))

    def step(self) -> None:
        """Let the next run end, or the next ones be made."""
        now, kind = self.next_at()
        if kind is Kind.END:
            self._end_next()
            return
        most, first = allowed(self._backfill, now)
        number = min(self._free, most, self._left)
        self._backfill = replace(self._backfill, next=first + number * interval(self._backfill))
        self._left -= number
        self._waiting += [Run(None, now) for _ in range(number)]

    def go_down(self, down: int, up: int) -> None:
        """Nothing is up any more, at once and until `up`: what ran is cut off."""
        while self._running and self._running[0][0] <= down:
            self._end_next()
        grace, reruns = self.job.options.grace, self.job.options.on_crash == "rerun"
        for _end, _order, run in sorted(self._running):
            self.result.cut += 1
            if reruns and run.attempt <= MOST_CRASHES:
                run.rerun_until = ticks.FOREVER if grace is None else down + grace
                self._waiting.append(run)
            else:
                self._lose(down)
        self._occupy(-len(self._running))
        self._running.clear()
        self._since = up

    def come_up(self) -> int:
        """Go on; return when."""
        return self._since

    def hand_over(self) -> list[Run]:
        """Return the runs that wait, to be begun in turn with those of other jobs."""
        waiting, self._waiting = self._waiting, []
        return waiting

    def begin_or_wait(self, run: Run, now: int) -> None:
        """Begin a run that waits if its group has a place; else let it wait on."""
        self._since = max(self._since, now)
        if run.rerun_until is not None and run.rerun_until < now:
            self._lose(now)
        elif self._places is not None and self._places.is_full:
            run.waited_for_group = True
            self._waiting.append(run)
        else:
            self._start(run, now)

    def close(self) -> None:
        """Account for the runs that remain when nothing happens any more."""
        self.result.left = self._left + len(self._waiting)
        if self.result.left:
            self.result.ended = None

    @property
    def _free(self) -> int:
        return self._backfill.max_instances - len(self._running) - len(self._waiting)

    def _start(self, run: Run, now: int) -> None:
        result = self.result
        if run.rerun_until is not None:
            run.attempt, run.rerun_until = run.attempt + 1, None
            result.begun_again += 1
        if run.waited_for_group:
            result.waited_for_group += 1
            result.longest_wait_for_group = max(result.longest_wait_for_group, now - run.due)
            run.waited_for_group = False
        result.first = now if result.first is None else result.first
        result.last = now
        if not self._length:
            result.ran, result.ended = result.ran + 1, now
            return
        self._occupy(1)
        heapq.heappush(self._running, (now + self._length, next(self._order), run))
        result.most_at_once = max(result.most_at_once, len(self._running))

    def _end_next(self) -> None:
        now, _order, _run = heapq.heappop(self._running)
        self._occupy(-1)
        self._since = max(self._since, now)
        self.result.ran, self.result.ended = self.result.ran + 1, now

    def _lose(self, now: int) -> None:
        self.result.lost, self.result.ended = self.result.lost + 1, now

    def _occupy(self, number: int) -> None:
        if self._places is not None:
            self._places.taken += number


def prepared(
    unfinished: Sequence[Unfinished], made: Mapping[str, Prepared], disabled: Mapping[str, str]
) -> tuple[list[BackfillResult], list[BackfillRuns]]:
    """Return the results of backfills, which are still to be filled, and what fills them.

    made: by its id, with what each job is simulated. Without its job a backfill makes no runs.
    disabled: by its id, the setting that disables a job.
    """
    results, simulated = [], []
    for one in unfinished:
        it = one.backfill
        runs = one.to_be_made + one.open
        result = BackfillResult(it.number, it.wanted.job_id, runs, it.rate, it.max_instances)
        results.append(result)
        of_job = made.get(it.wanted.job_id)
        if of_job is None:
            result.left = runs
            setting = disabled.get(it.wanted.job_id)
            why = f"disabled by {setting}" if setting else "not among those that are simulated"
            result.notes.append(f"its job is {why}: none of its runs begins")
            continue
        if one.is_held:
            result.notes.append("its job is paused or disabled: simulated as if it were not")
        if of_job.result.duration_from == "unknown":
            result.notes.append(
                f"how long its runs take is not known: give --duration {it.wanted.job_id}=SECONDS"
            )
        simulated.append(BackfillRuns(of_job.job, of_job.result.duration, one, result))
    return results, simulated


def waits(result: BackfillResult, group: str | None) -> Sequence[str]:
    """Return the sentence about its runs that waited for their group, if some did."""
    if not result.waited_for_group:
        return ()
    number, longest = counted(result.waited_for_group, "run"), duration(result.longest_wait_for_group)
    return (f"{number} waited for a place in its group {group}, up to {longest}",)
